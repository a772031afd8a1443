"""A reader who grades by the page's protocol and gives up nothing, and what all of them were told."""

import http.client
import json
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import numpy as np

from benchmarks.grading_server import PASSWORD, Session

PATIENCE = 20.0  # seconds until a request without an answer is given up, as the page does
UNDO_EVERY = 25  # grades
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class Tally:
    """What all readers saw."""

    acknowledged: dict[str, tuple[str, int | None]] = field(default_factory=dict)  # submission -> assignment, grade
    refused: Counter[int] = field(default_factory=Counter)
    sent_again: int = 0
    saved_at: float = 0.0
    longest_gap: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def saved(self, submission: str, assignment: str, grade: int | None) -> None:
        now = time.monotonic()
        with self.lock:
            self.acknowledged[submission] = (assignment, grade)
            self.longest_gap = max(self.longest_gap, now - (self.saved_at or now))
            self.saved_at = now


class Reader(threading.Thread):
    """Grades its list as the page does: acts go to an outbox and leave it when the server has settled them."""

    def __init__(self, address: str, slug: str, number: int, tally: Tally, seed: int) -> None:
        super().__init__(name=f"reader{number}", daemon=True)
        self.chance = np.random.default_rng((seed, number))
        self.slug, self.tally, self.is_done = slug, tally, threading.Event()
        self.session = Session(address, csrf_cookie="csrf", patience=PATIENCE)
        self.session.get("/accounts/login/")
        self.session.post("/accounts/login/", {"login": f"reader{number}", "password": PASSWORD})

    def run(self) -> None:
        while not self.is_done.is_set():
            cards = self._cards()
            for card in cards:
                self._settle(card["label"], card, int(self.chance.integers(1, 6)))
                if self.chance.integers(UNDO_EVERY) == 0:
                    self._settle(card["undo"], card | {"version": card["version"] + 1}, None)
                if self.is_done.is_set():
                    return
            if not cards:
                return

    def _cards(self) -> list[dict[str, Any]]:
        """Ask for the next images until the server tells them."""
        while True:
            with suppress(OSError, http.client.HTTPException):
                status, content = self.session.ask("GET", f"/read/{self.slug}/queue/", None, {})
                if status == 200:
                    found: list[dict[str, Any]] = json.loads(content)["upcoming"]
                    return found
            time.sleep(0.2)

    def _settle(self, path: str, card: dict[str, Any], grade: int | None) -> None:
        """Send one act until the server has taken or refused it."""
        submission = str(uuid4())
        fields = {"submission": submission, "version": card["version"]} | ({"grade": grade} if grade else {})
        body = "&".join(f"{name}={value}" for name, value in fields.items())
        wait = 0.1
        while True:
            with suppress(OSError, http.client.HTTPException):
                status, _ = self.session.ask("POST", path, body, FORM)
                if status == 200:
                    self.tally.saved(submission, card["id"], grade)
                    return
                if status < 500 and status != 429:
                    self.tally.refused[status] += 1
                    return
            self.tally.sent_again += 1
            time.sleep(wait)
            wait = min(2 * wait, 2.0)
