"""How many requests a scoring process takes on: those at work, some that wait, and the next is told at once to return.

A queue without an end answers everybody too late. A body that comes too slowly gives up its place.
"""

import json
import socket
import threading
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from scoring.platform import wsgi_answers
from scoring.platform.wsgi_answers import Answer

if TYPE_CHECKING:
    from _typeshed.wsgi import InputStream, StartResponse, WSGIApplication, WSGIEnvironment

RETRY_AFTER = 2  # seconds: by then a few photographs are done
BODY_SECONDS = 30  # until a body must be here: 20 MB at 5 Mbit/s

FULL = "The scorer has as much to do as it can take on. Send the photograph again in a moment."


class Admission:
    """A WSGI application that lets as many requests at a time into another one as there are places."""

    def __init__(self, application: "WSGIApplication", *, places: int, body_seconds: float = BODY_SECONDS) -> None:
        self.application, self.body_seconds = application, body_seconds
        self._places = threading.BoundedSemaphore(places)

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        return self._answer(environ).send(start_response)

    def _answer(self, environ: "WSGIEnvironment") -> Answer:
        if not self._places.acquire(blocking=False):
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, FULL, ("Retry-After", str(RETRY_AFTER)))
        try:
            return self._work(environ)
        finally:
            self._places.release()

    def _work(self, environ: "WSGIEnvironment") -> Answer:
        length, connection = int(environ.get("CONTENT_LENGTH") or 0), environ.get("gunicorn.socket")
        with TimelyBody(environ["wsgi.input"], length, connection, self.body_seconds) as body:
            environ["wsgi.input"] = body
            answer = wsgi_answers.ask(self.application, environ)
        if body.is_late:
            detail = f"The body did not come within {self.body_seconds:g} seconds."
            return _refusal(HTTPStatus.REQUEST_TIMEOUT, detail, ("Connection", "close"))
        return answer


class TimelyBody:
    """A request's body. If it is not here in time no more of it is received, so whoever reads it gets to its end."""

    def __init__(self, body: "InputStream", length: int, connection: socket.socket | None, seconds: float) -> None:
        self.body, self.left, self.connection = body, length, connection
        self.is_late = False
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


def _refusal(status: HTTPStatus, detail: str, header: tuple[str, str]) -> Answer:
    problem = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail}
    return wsgi_answers.refusal(status, json.dumps(problem).encode(), "application/problem+json", header)
