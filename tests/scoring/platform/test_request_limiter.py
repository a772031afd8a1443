"""A scoring process takes on what it can do, and tells everybody else at once."""

import json
import socket
import threading
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest

from scoring.photograph import slots
from scoring.platform.request_limiter import Admission
from tests.wsgi import PATIENCE, Call, Slow

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def reads_all(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    read = environ["wsgi.input"].read()
    start_response("200 OK", [])
    return [read]


def fails(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    raise RuntimeError("broken")


def test_who_finds_no_place_is_told_at_once_when_to_return() -> None:
    slow = Slow()
    admission = Admission(slow, places=2)
    answers: list[Call] = []
    threads = [threading.Thread(target=lambda: answers.append(Call(admission))) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert all(slow.inside.acquire(timeout=PATIENCE) for _ in threads)
    refused = Call(admission)
    slow.go_on.set()
    for thread in threads:
        thread.join()
    assert refused.status == "503 Service Unavailable"
    assert refused.headers["Retry-After"] == "2"
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert json.loads(refused.body)["status"] == HTTPStatus.SERVICE_UNAVAILABLE
    assert [answer.status for answer in answers] == ["200 OK"] * 2
    assert Call(admission).status == "200 OK"


def test_a_failure_gives_its_place_back() -> None:
    admission = Admission(fails, places=1)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="broken"):
            Call(admission)


def test_a_body_that_does_not_come_gives_its_place_up() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb") as body:
        theirs.sendall(b"half")
        admission = Admission(reads_all, places=1, body_seconds=0.05)
        late = Call(admission, **{"CONTENT_LENGTH": "8", "wsgi.input": body, "gunicorn.socket": ours})
    assert late.status == "408 Request Timeout"
    assert late.headers["Connection"] == "close"
    assert "0.05 seconds" in json.loads(late.body)["detail"]


def test_a_body_that_is_here_may_be_worked_at_for_as_long_as_it_takes() -> None:
    def outlasts(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        body = environ["wsgi.input"]
        read = body.read(4) + body.readline(4)
        body._timer.join(PATIENCE)  # it has been cancelled, or else it fires
        start_response("200 OK", [])
        return [read]

    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb") as stream:
        theirs.sendall(b"half+all")
        call = Call(
            Admission(outlasts, places=1, body_seconds=0.2),
            **{"CONTENT_LENGTH": "8", "wsgi.input": stream, "gunicorn.socket": ours},
        )
    assert (call.status, call.body) == ("200 OK", b"half+all")


def test_photographs_wait_for_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots, "_turns", None)
    slots.limit(1)
    order: list[str] = []

    def second() -> None:
        with slots.turn():
            order.append("second")

    with slots.turn():
        waiting = threading.Thread(target=second)
        waiting.start()
        order.append("first")
    waiting.join(PATIENCE)
    assert order == ["first", "second"]
