"""Readers at real browsers: the real page and its real outbox, watched at keys, outbox and answers."""

import shutil
import threading
import time
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import BrowserContext, Error, Page, sync_playwright

from benchmarks.grading.saving import PASSWORD
from benchmarks.reliability.tally import Act, Tally
from tests.browser.reading import GRID, LOOK

Looks = NDArray[np.float64]  # (photographs, 8, 6, 3): each photograph's colours

PACE = 400  # ms between two keys, in the middle
UNDO_EVERY = RELOAD_EVERY = 30  # grades
PATIENCE = 20.0  # seconds without an image until a person would load the page anew
HEARD = 1000  # ms until what a page was told last is noted here too
DRAINING = 120.0  # seconds until an outbox that is not empty counts as stuck

# At each key: what is on the screen. At the outbox: the act that is kept. At each answer: what the page was told.
WATCH = f"""
(() => {{
  const look = {LOOK};
  let shown = null;
  addEventListener("keydown", () => {{
    const image = document.querySelector("[data-picture] img[src^='blob:']");
    shown = image && look(image);
  }}, true);
  const add = IDBObjectStore.prototype.add;
  IDBObjectStore.prototype.add = function (entry, ...others) {{
    const isUndo = !("grade" in entry.fields);
    const {{ submission, grade, version }} = entry.fields;
    tell({{ submission, id: entry.id, grade, version, shown: isUndo ? null : shown }});
    return add.call(this, entry, ...others);
  }};
  const send = window.fetch;
  window.fetch = async (url, options) => {{
    const response = await send(url, options);
    const submission = options?.body?.get?.("submission");
    if (submission) tell({{ submission, status: response.type === "opaqueredirect" ? 302 : response.status }});
    if (response.headers.get("Content-Type") === "application/json") response.clone().text().then(check, () => {{}});
    return response;
  }};
  const check = (text) => /golden|repeat/i.test(text) && tell({{ leak: text }});
  const isOurs = location.protocol === "http:"; // the browser has pages of its own, for errors
  addEventListener("DOMContentLoaded", () => isOurs && check(document.documentElement.outerHTML));
}})();
"""
STATE = """() => ({
  painted: Boolean(document.querySelector("[data-picture][data-painted]")),
  signedOut: Boolean(document.querySelector("[data-sign-in]:not([hidden])")?.offsetParent),
  grading: Boolean(document.querySelector("[data-stage]")),
  login: Boolean(document.querySelector("input[name=login]")),
  place: document.querySelector("[data-bar]")?.value ?? null,
})"""


class PageReaders(threading.Thread):
    """Some readers, each in a browser of their own; Playwright wants them all in one thread."""

    def __init__(self, address: str, slug: str, names: list[str], tally: Tally, looks: Looks, seed: int) -> None:
        super().__init__(name="browsers", daemon=True)
        self.address, self.slug, self.names = address, slug, names
        self.tally, self.looks, self.seed = tally, looks, seed
        self.is_done = threading.Event()
        self.stuck = 0  # outboxes that did not get empty
        self.complaints: list[str] = []

    def run(self) -> None:
        if not self.names:
            return
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-background-networking"]
            )
            readers = [
                _PageReader(browser.new_context(base_url=self.address), name, self, (self.seed, number))
                for number, name in enumerate(self.names)
            ]
            while not self.is_done.is_set():
                for reader in readers:
                    reader.go_on()
            self.stuck = sum(not reader.drained() for reader in readers)
            browser.close()

    def heard(self, name: str, said: dict[str, Any]) -> None:
        """Note what a page did or was told."""
        if "leak" in said:
            self.tally.leaks.append(said["leak"])
        elif "status" not in said:
            shown = None if said["shown"] is None else self._photograph(said["shown"])
            grade = int(said["grade"]) if said.get("grade") else None
            self.tally.give(said["submission"], Act(name, said["id"], grade, int(said["version"]), shown))
        elif said["submission"] in self.tally.given and _settles(said["status"]):
            self.tally.settle(said["submission"], said["status"])

    def _photograph(self, pixels: list[int]) -> int:
        seen = np.array(pixels, float).reshape(*GRID[::-1], 4)[..., :3]
        return int(np.abs(self.looks - seen).sum(axis=(1, 2, 3)).argmin())


class _PageReader:
    def __init__(self, context: BrowserContext, name: str, all_of_them: PageReaders, seed: tuple[int, int]) -> None:
        self.context, self.name, self.all = context, name, all_of_them
        self.chance = np.random.default_rng(seed)
        self.seen_at = time.monotonic()
        context.set_default_timeout(10_000)
        context.expose_binding("tell", lambda _, said: all_of_them.heard(name, said))
        context.add_init_script(WATCH)
        context.on("weberror", lambda error: all_of_them.complaints.append(str(error.error)))
        self.page = context.new_page()

    def go_on(self) -> None:
        """Do the next thing that a person would do here. What fails because of a fault is done the next time."""
        with suppress(Error):
            self._go_on(self.page.evaluate(STATE))
        with suppress(Error):
            self.page.wait_for_timeout(PACE * self.chance.uniform(0.5, 1.5) / len(self.all.names))

    def drained(self) -> bool:
        """Whether the outbox got empty, signing in again where that is what it waits for."""
        deadline = time.monotonic() + DRAINING
        while time.monotonic() < deadline:
            with suppress(Error):
                self._sign_in_again_if_asked(self.page.evaluate(STATE))
                self.page.locator("body:not([data-unsaved]), body[data-unsaved='0']").wait_for(timeout=2000)
                self.page.wait_for_timeout(HEARD)
                return True
        return False

    def _go_on(self, now: dict[str, Any]) -> None:
        if self._sign_in_again_if_asked(now):
            return
        if now["login"]:
            _fill_in(self.page, self.name)
        elif not now["grading"]:
            self.page.wait_for_timeout(500)
            self.page.goto(f"/read/{self.all.slug}/")
        elif now["painted"]:
            self.seen_at = time.monotonic()
            self._grade()
        elif time.monotonic() - self.seen_at > PATIENCE:
            self.seen_at = time.monotonic()
            self.page.reload()

    def _grade(self) -> None:
        self.page.keyboard.press(str(self.chance.integers(1, 6)))
        if self.chance.integers(UNDO_EVERY) == 0:
            self.page.keyboard.press("u")
        if self.chance.integers(RELOAD_EVERY) == 0:
            self.page.reload()

    def _sign_in_again_if_asked(self, now: dict[str, Any]) -> bool:
        """Sign in again in the window that the page opens, which keeps what it holds."""
        if not now["signedOut"]:
            return False
        with self.page.expect_popup() as popup:
            self.page.locator("[data-sign-in]").click()
        try:
            _fill_in(popup.value, self.name)
            with suppress(Error):  # it closes itself
                popup.value.wait_for_event("close", timeout=5000)
        finally:
            popup.value.close()
        return True


def _fill_in(page: Page, name: str) -> None:
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def _settles(status: int) -> bool:
    """Whether the page lets go of the act: outbox.js."""
    return status not in {302, 403, 404, 429} and status < 500
