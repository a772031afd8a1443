"""Recordings of everything that readers receive, requested in their name through the real site.

Nothing of the study is written: a capture holds a session per reader, made here and removed at the end.
"""

import http.client
import json
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse

from labeler.blinding_audit import features
from labeler.blinding_audit.blinding_audit import Photograph, Row
from labeler.blinding_audit.features import Answer, Received
from labeler.grading import window
from labeler.images import renditions
from labeler.models import Assignment, Reader, Study

READERS = 11  # as many as read the published study
READS = 3  # of every image in every size: the first, and two that show what a cache does
SITE_SECONDS = 30  # seconds until a site that doesn't answer counts as gone
AFTER = "?after="

Clock = Callable[[], float]


class CaptureError(RuntimeError):
    """Why the capture can't be made, as a sentence for people."""


class Browser(Protocol):
    """A signed-in user's requests to the site."""

    def get(self, address: str) -> Answer: ...
    def close(self) -> None: ...


@dataclass
class Capture:
    """What was seen, image by image and list by list, and how much of how much that is."""

    rows: list[Row] = field(default_factory=list)
    readers: int = 0
    readers_in_study: int = 0
    listed: int = 0  # images on the lists of the chosen readers
    seen: int = 0  # of these, what came with a picture
    cards: int = 0  # of these, still told by the list
    without_file: int = 0
    requests: int = 0


@dataclass
class _List:
    """A reader's list as it is being captured."""

    reader: Reader
    browser: Browser
    assignments: list[Assignment]
    received: dict[str, Received]  # public id -> what came of it


def take(
    *,
    study: Study,
    readers: int = READERS,
    reads: int = READS,
    url: str = "",
    clock: Clock = time.perf_counter,
    say: Callable[[str], None] = lambda _: None,
) -> Capture:
    """Capture the lists of the first `readers` readers, each image in every size `reads` times.

    Asks this process's own site, or with `url` the one that answers there. Raises CaptureError.
    """
    chosen = list(study.readers.filter(left_at=None).select_related("study", "user").order_by("code"))
    capture = Capture(readers_in_study=len(chosen))
    if not study.dealt_at or not chosen:
        raise CaptureError(f"Study {study.slug} isn't dealt yet, so no reader receives anything. Deal it first.")
    with ExitStack() as stack:
        lists = []
        for reader in chosen[:readers]:
            browser = stack.enter_context(_signed_in(reader, url, clock))
            say(f"Looking through the list of {reader.code}")
            lists.append(_look_through(reader, browser, capture))
        _fetch_pictures(lists, reads, capture, say)
    photographs = _photographs(lists)
    for one in lists:
        capture.rows += _rows(one, photographs)
    capture.readers, capture.seen = len(lists), len(capture.rows)
    return capture


def _look_through(reader: Reader, browser: Browser, capture: Capture) -> _List:
    """Open the grading page and follow the list to its end, as the page's script does."""
    assignments = list(
        reader.assignments.filter(withdrawn_in=None, image__may_be_graded=True)
        .select_related("image")
        .order_by("position", "pk")
    )
    one = _List(reader, browser, assignments, {})
    slug = reader.study.slug
    for place, assignment in enumerate(assignments, start=1):
        address = reverse("image", args=[slug, assignment.public_id])
        one.received[str(assignment.public_id)] = Received(assignment.public_id, address, place, len(assignments))
    page = _ask(browser, reverse("grade", args=[slug]), reader)
    for number, card in enumerate(_cards(reader, browser)):
        received = one.received[card["id"]]
        received.card, received.address = card, card["image"]
        received.page = page.body.decode() if number == 0 else None
        capture.cards += 1
    capture.listed += len(assignments)
    return one


def _cards(reader: Reader, browser: Browser) -> Iterator[dict[str, Any]]:
    """Yield what the site tells of each image that waits: what is done, it told before."""
    address = reverse("queue", args=[reader.study.slug])
    cards = json.loads(_ask(browser, address, reader).body)["upcoming"]
    while cards:
        yield from cards
        cards = json.loads(_ask(browser, f"{address}{AFTER}{cards[-1]['id']}", reader).body)["upcoming"]


def _ask(browser: Browser, address: str, reader: Reader) -> Answer:
    answer = browser.get(address)
    if answer.status != http.HTTPStatus.OK:
        raise CaptureError(
            f"{address} answered {answer.status} to reader {reader.code}. The capture signs in as the study's readers: "
            "check that their accounts are active, and that --url names this installation."
        )
    return answer


def _fetch_pictures(lists: Sequence[_List], reads: int, capture: Capture, say: Callable[[str], None]) -> None:
    """Ask for every picture, all lists mixed: neither a busy minute nor a warm cache then falls on one of them."""
    wanted = [
        (one, one.received[str(assignment.public_id)], size)
        for one in lists
        for assignment in one.assignments
        if assignment.image.has_file
        for size in renditions.SIZES
    ]
    capture.without_file = capture.listed - len(wanted) // len(renditions.SIZES)
    for read in range(1, reads + 1):
        say(f"Read {read} of {reads}: {len(wanted)} pictures")
        secrets.SystemRandom().shuffle(wanted)
        for one, received, size in wanted:
            received.take(size, one.browser.get(f"{received.address}?size={size}"))
    capture.requests += reads * len(wanted)


def _photographs(lists: Sequence[_List]) -> dict[int, Photograph]:
    """Return image -> what its original is: what differs there, the platform did not add."""
    images = {assignment.image_id: assignment.image for one in lists for assignment in one.assignments}
    try:
        return {
            key: Photograph(image.width, image.height, default_storage.size(image.original))
            for key, image in images.items()
            if image.has_file
        }
    except OSError as error:
        raise CaptureError(f"The storage lacks the original of an image: {error}. Restore it first.") from error


def _rows(one: _List, photographs: dict[int, Photograph]) -> list[Row]:
    """Put the truth beside what was received: the one place where the two meet."""
    pictured = [assignment for assignment in one.assignments if assignment.image.has_file]
    seen = features.of_list([one.received[str(assignment.public_id)] for assignment in pictured], one.reader.code)
    repeated = {assignment.image_id for assignment in one.assignments if assignment.is_repeat}
    return [
        Row(
            image=assignment.image_id,
            photograph=photographs[assignment.image_id],
            is_golden=assignment.image.is_golden,
            is_repeated=assignment.image_id in repeated,
            channels=channels,
        )
        for assignment, channels in zip(pictured, seen, strict=True)
    ]


@contextmanager
def _signed_in(reader: Reader, url: str, clock: Clock) -> Iterator[Browser]:
    """Sign in as the reader by a session of its own. No `login()`: that would write when the account came last."""
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(reader.user_id)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = reader.user.get_session_auth_hash()
    session[window.WHOLE_LIST] = True  # a reader is shown the next few images alone
    session.set_expiry(settings.SESSION_COOKIE_AGE)
    session.save()
    try:
        browser: Browser = Remote(url, session.session_key, clock) if url else Local(session.session_key, clock)
        with closing(browser):
            yield browser
    finally:
        session.delete()


class Local:
    """Asks the site inside this process, through all of its middleware."""

    def __init__(self, session_key: str, clock: Clock) -> None:
        host = next((name.lstrip(".") for name in settings.ALLOWED_HOSTS if name != "*"), "localhost")
        self.client = Client(raise_request_exception=False, headers={"host": host})
        self.client.cookies[settings.SESSION_COOKIE_NAME] = session_key
        self.clock = clock

    def close(self) -> None:
        """Nothing is held open."""

    def get(self, address: str) -> Answer:
        begin = self.clock()
        response = self.client.get(address, secure=settings.BEHIND_TLS)
        # Read to its end, the answer closes itself: closing it again would close the database's connection too.
        body = b"".join(response) if response.streaming else response.content
        seconds = self.clock() - begin
        headers = tuple((name.lower(), value) for name, value in response.items())
        cookies = tuple(morsel.OutputString() for morsel in response.cookies.values())
        return Answer(response.status_code, headers, cookies, body, seconds)


class Remote:
    """Asks a running site over HTTP, with whatever servers and proxies stand before it."""

    def __init__(self, url: str, session_key: str, clock: Clock) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            raise CaptureError(f"--url must be like https://study.example.org, not {url}.")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self.url = url
        self.connection = kind(parts.netloc, timeout=SITE_SECONDS)
        self.cookie = f"{settings.SESSION_COOKIE_NAME}={session_key}"
        self.clock = clock

    def close(self) -> None:
        self.connection.close()

    def get(self, address: str) -> Answer:
        try:
            return self._get(address)
        except (OSError, http.client.HTTPException) as error:
            raise CaptureError(f"{self.url} doesn't answer: {error}. Is the site running there?") from error

    def _get(self, address: str) -> Answer:
        begin = self.clock()
        self.connection.request("GET", address, headers={"Cookie": self.cookie})
        response = self.connection.getresponse()
        body = response.read()
        seconds = self.clock() - begin
        pairs = [(name.lower(), value) for name, value in response.getheaders()]
        cookies = tuple(value for name, value in pairs if name == "set-cookie")
        headers = tuple(pair for pair in pairs if pair[0] != "set-cookie")
        return Answer(response.status, headers, cookies, body, seconds)
