"""The limit of requests at a time in a web or scorer process. A request beyond it is answered 503 with Retry-After.

A queue without an end would answer every request too late, and compute answers whose clients have gone.
"""

import io
import socket
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.http import HttpResponse

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

WEB_THREADS = 4  # of a web process, each with a connection to the database: some wait for it while one computes
WEB_WAITING = 32  # requests of a web process: two cores do those of all its processes within a second
WEB_READ_AHEAD = 1 * 2**20 + 64 * 2**10  # bytes of a body: all that a stranger may send to the site
WEB_BODY_SECONDS = 120.0  # for a larger body: a piece of an upload at 0.6 Mbit/s
BODY_SECONDS = 30.0  # for any other body: 20 MB at 5 Mbit/s
RETRY_AFTER = 2  # seconds: by then a full queue is empty

FULL = "The server has as much to do as it can take on. Send this again in a moment."

Refuse = Callable[[HTTPStatus, str, Mapping[str, str]], HttpResponse]


def as_text(status: HTTPStatus, sentence: str, headers: Mapping[str, str]) -> HttpResponse:
    """Write a refusal as text; an API passes a writer of its own instead."""
    return HttpResponse(sentence, status=status, headers=headers, content_type="text/plain; charset=utf-8")


@dataclass(frozen=True)
class Answer:
    """A WSGI answer that is not sent yet: the arguments of start_response, and the body."""

    begun: list[Any]
    body: Iterable[bytes]


class RequestLimiter:
    """A WSGI application that lets at most `places` requests at a time into another one.

    With `threads`, so many threads of the limiter run the application, each with its connection to the database, and
    the other requests wait for one. Without, each request runs in the thread that brought it.

    A body of at most `read_ahead` bytes is read before its request takes a place, within BODY_SECONDS; a larger one
    must be read `body_seconds` after the application began. A late body is answered 408. The paths `aside`, those of
    probes, take no place: with `threads` one more thread answers them.
    """

    def __init__(
        self,
        application: "WSGIApplication",
        *,
        places: int,
        threads: int = 0,
        read_ahead: int = 0,
        body_seconds: float = BODY_SECONDS,
        aside: Collection[str] = (),
        refuse: Refuse = as_text,
    ) -> None:
        self.application, self.refuse = application, refuse
        self.read_ahead, self.body_seconds, self.aside = read_ahead, body_seconds, aside
        self._places = threading.BoundedSemaphore(places)
        self._threads = ThreadPoolExecutor(threads, "request") if threads else None
        self._thread_aside = ThreadPoolExecutor(1, "request-aside") if threads else None

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        answer = self._answer(environ)
        start_response(*answer.begun)
        return answer.body

    def _answer(self, environ: "WSGIEnvironment") -> Answer:
        if environ.get("PATH_INFO") in self.aside:
            return self._run(environ, self._thread_aside)
        if 0 < _length(environ) <= self.read_ahead and not _read_body(environ):
            return self._late(BODY_SECONDS)
        if not self._places.acquire(blocking=False):
            return self._refusal(HTTPStatus.SERVICE_UNAVAILABLE, FULL, {"Retry-After": str(RETRY_AFTER)})
        try:
            return self._run(environ, self._threads)
        finally:
            self._places.release()

    def _run(self, environ: "WSGIEnvironment", threads: ThreadPoolExecutor | None) -> Answer:
        return threads.submit(self._work, environ).result() if threads else self._work(environ)

    def _work(self, environ: "WSGIEnvironment") -> Answer:
        with TimelyBody(environ, self.body_seconds) as body:
            environ["wsgi.input"] = body
            answer = _ask(self.application, environ)
        return self._late(self.body_seconds) if body.is_late else answer

    def _late(self, seconds: float) -> Answer:
        sentence = f"The body did not come within {seconds:g} seconds. Send it again."
        return self._refusal(HTTPStatus.REQUEST_TIMEOUT, sentence, {"Connection": "close"})

    def _refusal(self, status: HTTPStatus, sentence: str, headers: Mapping[str, str]) -> Answer:
        response = self.refuse(status, sentence, {"Cache-Control": "no-store", **headers})
        response["Content-Length"] = str(len(response.content))
        return Answer([f"{status.value} {status.phrase}", list(response.items())], [response.content])


class TimelyBody:
    """A request's body. What is not here in time is not received any more, and the application reads its end."""

    def __init__(self, environ: "WSGIEnvironment", seconds: float) -> None:
        self.body, self.left, self.is_late = environ["wsgi.input"], _length(environ), False
        # A body that was read ahead comes from no connection.
        self.connection = None if isinstance(self.body, io.BytesIO) else environ.get("gunicorn.socket")
        self._timer = threading.Timer(seconds, self._give_up)
        self._timer.daemon = True

    def __enter__(self) -> "TimelyBody":
        if self.left > 0 and self.connection is not None:
            self._timer.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._timer.cancel()

    def read(self, size: int = -1, /) -> bytes:
        return self._counted(self.body.read(size))

    def readline(self, size: int = -1, /) -> bytes:
        return self._counted(self.body.readline(size))

    def _counted(self, data: bytes) -> bytes:
        self.left -= len(data)
        if self.left <= 0:
            self._timer.cancel()
        return data

    def _give_up(self) -> None:
        self.is_late = True
        if self.connection is not None:
            self.connection.shutdown(socket.SHUT_RD)


class StreamedBody:
    """A body that the application makes while it is sent, in a thread that keeps no connection to the database."""

    def __init__(self, body: Any) -> None:
        self.body = body

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.body)

    def close(self) -> None:
        self.body.close()
        connections.close_all()


def _ask(application: "WSGIApplication", environ: "WSGIEnvironment") -> Answer:
    begun: list[Any] = []

    def begin(status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Callable[[bytes], object]:
        begun[:] = [status, headers, exc_info]
        return _refuse_write

    body = application(environ, begin)
    return Answer(begun, StreamedBody(body) if getattr(body, "streaming", False) else body)


def _refuse_write(data: bytes) -> None:
    del data
    raise TypeError("An answer's body is returned; nothing here writes it in WSGI's imperative way.")


def _read_body(environ: "WSGIEnvironment") -> bool:
    """Replace the body by one that is in memory; return whether all of it came in time."""
    with TimelyBody(environ, BODY_SECONDS) as body:
        read = body.read(_length(environ))
    environ["wsgi.input"] = io.BytesIO(read)
    return len(read) == _length(environ)


def _length(environ: "WSGIEnvironment") -> int:
    return int(environ.get("CONTENT_LENGTH") or 0)
