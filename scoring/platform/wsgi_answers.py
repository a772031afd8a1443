"""WSGI answers that are made whole before the first of them is sent, so that another one may be sent instead. [core]"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


@dataclass(frozen=True)
class Answer:
    """What a WSGI application answered: what it called start_response with, and the body."""

    begun: list[Any]
    body: Iterable[bytes]

    def send(self, start_response: "StartResponse") -> Iterable[bytes]:
        start_response(*self.begun)
        return self.body


def ask(application: "WSGIApplication", environ: "WSGIEnvironment") -> Answer:
    """Return what the application answers, sent to nobody yet."""
    begun: list[Any] = []

    def begin(status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Callable[[bytes], object]:
        begun[:] = [status, headers, exc_info]
        return _no_write

    body = application(environ, begin)
    return Answer(begun, body)


def refusal(status: HTTPStatus, body: bytes, kind: str, header: tuple[str, str]) -> Answer:
    """Return an answer of ours in the place of the application's; `kind` is the body's type."""
    headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store"), header]
    return Answer([f"{status.value} {status.phrase}", headers], [body])


def _no_write(data: bytes) -> None:
    del data
    raise TypeError("An answer's body is returned; nothing here writes it in WSGI's imperative way.")
