"""A few hands work at the site's requests, some wait, the next is told to come again; nobody slow holds a hand."""

import socket
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from django.db import connection
from django.http import StreamingHttpResponse

from labeler.server import site_limiter
from labeler.server.site_limiter import Crew
from tests.wsgi import PATIENCE, Call, Slow

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


@contextmanager
def full(application: Crew, slow: Slow, *, at_work: int, waiting: int) -> Iterator[list[Future[Call]]]:
    """Fill every place with requests that are answered when the block ends."""
    with ThreadPoolExecutor(at_work + waiting) as callers:
        calls = [callers.submit(Call, application) for _ in range(at_work + waiting)]
        assert all(slow.inside.acquire(timeout=PATIENCE) for _ in range(at_work))
        while application._places._value:  # those who wait do nothing that can be seen
            pass
        try:
            yield calls
        finally:
            slow.go_on.set()


def test_who_finds_no_place_is_told_at_once_when_to_return() -> None:
    slow = Slow()
    application = Crew(slow, hands=2, waiting=3)
    with full(application, slow, at_work=2, waiting=3) as calls:
        refused = Call(application)
    assert refused.status == "503 Service Unavailable"
    assert refused.headers["Retry-After"] == "2"
    assert refused.headers["Cache-Control"] == "no-store"
    assert b"Send this again" in refused.body
    assert [call.result().status for call in calls] == ["200 OK"] * 5
    assert Call(application).status == "200 OK"


def test_all_work_is_done_by_the_hands_so_there_are_as_many_connections() -> None:
    slow = Slow()
    application = Crew(slow, hands=2, waiting=30)
    with full(application, slow, at_work=2, waiting=30):
        pass
    assert len(slow.workers) == 2


def test_probes_are_answered_while_every_place_is_taken() -> None:
    slow = Slow()
    application = Crew(slow, hands=1, waiting=0, aside={"/healthz"})
    with full(application, slow, at_work=1, waiting=0):
        assert Call(application, PATH_INFO="/healthz").status == "200 OK"


def test_a_failure_gives_its_place_back() -> None:
    def fails(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        raise RuntimeError("broken")

    application = Crew(fails, hands=1, waiting=0)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="broken"):
            Call(application)


def test_a_body_that_is_still_coming_holds_no_hand() -> None:
    slow = Slow()
    application = Crew(slow, hands=1, waiting=0)
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb") as stream, ThreadPoolExecutor(1) as callers:
        theirs.sendall(b"half")
        environ = {"CONTENT_LENGTH": "8", "wsgi.input": stream, "gunicorn.socket": ours, "PATH_INFO": "/late"}
        late = callers.submit(Call, application, **environ)
        assert Call(application, PATH_INFO="/other").status == "200 OK"
        theirs.sendall(b"+all")
        assert late.result(PATIENCE).body == b"half+all"


@pytest.mark.parametrize("stops", ["by closing", "by saying nothing more"])
def test_half_a_body_is_never_worked_at(monkeypatch: pytest.MonkeyPatch, stops: str) -> None:
    monkeypatch.setattr(site_limiter, "SMALL_SECONDS", 0.05)
    slow = Slow()
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb") as stream:
        theirs.sendall(b"half")
        if stops == "by closing":
            theirs.shutdown(socket.SHUT_WR)
        environ = {"CONTENT_LENGTH": "8", "wsgi.input": stream, "gunicorn.socket": ours}
        call = Call(Crew(slow, hands=1, waiting=0), **environ)
    assert call.status == "408 Request Timeout"
    assert not slow.workers


@pytest.mark.django_db(transaction=True)
def test_who_carries_a_streamed_answer_out_keeps_no_connection() -> None:
    def lines() -> Iterator[bytes]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 'from the database'")
            yield cursor.fetchone()[0].encode()

    def streams(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        start_response("200 OK", [])
        return StreamingHttpResponse(lines())

    def carry() -> tuple[bytes, bool]:
        call = Call(Crew(streams, hands=1, waiting=0))
        return call.body, connection.connection is None

    with ThreadPoolExecutor(1) as carrier:
        assert carrier.submit(carry).result() == (b"from the database", True)
