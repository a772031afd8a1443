"""Who works at the site's requests: a few hands, each with its connection to the database, and a short queue for them.

gunicorn's threads only carry: they take a request in and pass its answer out at whatever pace the other side has, so
that a slow browser holds nothing that others need. Who comes when the queue is full is told at once to come again: a
queue without an end answers everybody too late, and what was given up on is worked at in vain.
"""

import io
import threading
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from scoring.platform import wsgi_answers
from scoring.platform.request_limiter import TimelyBody
from scoring.platform.wsgi_answers import Answer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HANDS = 4  # of a web process, each with a connection to the database: some wait for it while one computes
WAITING = 32  # requests of a web process: two cores do those of all processes within a second
RETRY_AFTER = 2  # seconds: by then a full queue is empty
# Bytes of a body that is taken in before a hand is asked for: all that a stranger may send.
SMALL = 1 * 2**20 + 64 * 2**10
SMALL_SECONDS, LARGE_SECONDS = 30.0, 120.0  # until a body must be here; a piece of an upload at 0.6 Mbit/s

FULL = "The site has as much to do as it can take on. Send this again in a moment."
LATE = "What was sent did not come in time. Send it again."


class Crew:
    """A WSGI application whose `hands` work at another one's requests, while so many others may wait.

    The paths `aside`, those of probes, have a hand of their own: whether a process is well is known when it is full.
    """

    def __init__(
        self, application: "WSGIApplication", *, hands: int, waiting: int, aside: Collection[str] = ()
    ) -> None:
        self.application, self.aside = application, aside
        self._hands, self._hand_aside = ThreadPoolExecutor(hands, "hand"), ThreadPoolExecutor(1, "hand-aside")
        self._places = threading.BoundedSemaphore(hands + waiting)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        return self._answer(environ).send(start_response)

    def _answer(self, environ: "WSGIEnvironment") -> Answer:
        if environ.get("PATH_INFO") in self.aside:
            return self._hand_aside.submit(self._work, environ).result()
        if not _take_in(environ):
            return _refusal(HTTPStatus.REQUEST_TIMEOUT, LATE, ("Connection", "close"))
        if not self._places.acquire(blocking=False):
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, FULL, ("Retry-After", str(RETRY_AFTER)))
        try:
            return self._hands.submit(self._work, environ).result()
        finally:
            self._places.release()

    def _work(self, environ: "WSGIEnvironment") -> Answer:
        with _timely(environ, LARGE_SECONDS) as body:
            environ["wsgi.input"] = body
            answer = wsgi_answers.ask(self.application, environ)
        # What streams reads the database on the way out, in a thread that is no hand and keeps no connection.
        return replace(answer, body=Streamed(answer.body)) if getattr(answer.body, "streaming", False) else answer


class Streamed:
    """A body that is made while it is sent."""

    def __init__(self, body: Any) -> None:
        self.body = body

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.body)

    def close(self) -> None:
        from django.db import connections

        self.body.close()
        connections.close_all()


def _take_in(environ: "WSGIEnvironment") -> bool:
    """Read a small body, at the pace at which it comes; False when not all of it came in time."""
    length = _length(environ)
    if not 0 < length <= SMALL:
        return True
    with _timely(environ, SMALL_SECONDS) as body:
        read = body.read(length)
    environ["wsgi.input"] = io.BytesIO(read)
    return len(read) == length


def _timely(environ: "WSGIEnvironment", seconds: float) -> TimelyBody:
    body = environ["wsgi.input"]
    connection = None if isinstance(body, io.BytesIO) else environ.get("gunicorn.socket")
    return TimelyBody(body, _length(environ), connection, seconds)


def _length(environ: "WSGIEnvironment") -> int:
    return int(environ.get("CONTENT_LENGTH") or 0)


def _refusal(status: HTTPStatus, sentence: str, header: tuple[str, str]) -> Answer:
    return wsgi_answers.refusal(status, sentence.encode(), "text/plain; charset=utf-8", header)
