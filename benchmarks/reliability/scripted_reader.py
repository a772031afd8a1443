"""A reader who grades by the page's protocol and gives up nothing."""

import http.client
import json
import re
import threading
import time
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import numpy as np

from benchmarks.grading.saving import PASSWORD, Session
from benchmarks.reliability.tally import Act, Tally

PATIENCE = 20.0  # seconds until a request without an answer is given up, as the page does
SIGNED_OUT = {302, 403, 404}
KEPT = SIGNED_OUT | {429}  # answers after which the page keeps a grade, beside the server's own errors
SIGNING_IN = threading.Semaphore(2)
UNDO_EVERY = 25  # grades
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
CARD = {"id", "version", "number", "image", "long_side", "label", "undo"}  # all that a reader may be told of an image
NEVER = re.compile(rb"golden|repeat", re.IGNORECASE)
OWN = {"grade", "not_gradable", "note"}  # and of one that they graded


class Reader(threading.Thread):
    """Grades its list as the page does: acts go to an outbox and leave it when the server has settled them.

    Once through, it looks back and grades its last images anew.
    """

    def __init__(
        self, address: str, slug: str, name: str, tally: Tally, seed: tuple[int, int], think: float = 0.0
    ) -> None:
        super().__init__(name=name, daemon=True)
        self.chance = np.random.default_rng(seed)
        self.think = think  # seconds between two images
        self.slug, self.tally, self.is_done, self.stuck = slug, tally, threading.Event(), 0
        # An address of their own, as in clinics of their own: sign-ins are limited by address.
        origin = f"127.0.1.{seed[1] + 1}"
        self.session = Session(address, csrf_cookie="csrf", patience=PATIENCE, origin=origin)

    def run(self) -> None:
        while not self.is_done.is_set():
            for card in self._cards():
                self._settle(card["label"], card, int(self.chance.integers(1, 6)))
                if self.chance.integers(UNDO_EVERY) == 0:
                    self._settle(card["undo"], card | {"version": card["version"] + 1}, None)
                if self.is_done.wait(self.think):
                    return

    def _cards(self) -> list[dict[str, Any]]:
        """Ask for the next images, and for the last ones where none is left; without an answer there are none."""
        status, content = self._ask("GET", f"/read/{self.slug}/queue/")
        if status != 200:
            self._sign_in_again_after(status)
            time.sleep(0.2)
            return []
        found = json.loads(content)
        for card in found["upcoming"] + found["back"]:
            if more := set(card) - CARD - OWN:
                self.tally.leaks.append(f"A card has {more}.")
        cards: list[dict[str, Any]] = found["upcoming"] or found["back"]
        return cards

    def _settle(self, path: str, card: dict[str, Any], grade: int | None) -> None:
        """Send one act until the server has taken or refused it."""
        submission = str(uuid4())
        self.tally.give(submission, Act(self.name, card["id"], grade, card["version"]))
        fields = {"submission": submission, "version": card["version"]} | ({"grade": grade} if grade else {})
        wait = 0.1
        while True:
            status, _ = self._ask("POST", path, fields)
            if status and status < 500 and status not in KEPT:
                self.tally.settle(submission, status)
                return
            self._sign_in_again_after(status)
            self.tally.sent_again += 1
            time.sleep(wait)
            wait = min(2 * wait, 2.0)

    def _sign_in_again_after(self, status: int) -> None:
        """Try it, if that is what an answer asks for; a few readers at a time, as passwords are slow to check."""
        if status not in SIGNED_OUT:
            return
        with SIGNING_IN:
            self.session.cookies.clear()
            status, _ = self._ask("GET", "/accounts/login/")
            if status == 200:
                status, _ = self._ask("POST", "/accounts/login/", {"login": self.name, "password": PASSWORD})
        if status == 200:  # allauth's way to redirect a program
            self.tally.signed_in += 1
        else:
            self.tally.sign_ins_refused[status] += 1

    def _ask(self, method: str, path: str, fields: dict[str, Any] | None = None) -> tuple[int, bytes]:
        """Return status and content; status 0 where no answer came."""
        with suppress(OSError, http.client.HTTPException):
            status, content = self.session.ask(method, path, urlencode(fields) if fields else None, FORM)
            if NEVER.search(content):
                self.tally.leaks.append(content.decode(errors="replace"))
            return status, content
        return 0, b""
