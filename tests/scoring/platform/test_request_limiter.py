"""A process takes in as many requests as it has places, and refuses the next at once; slow clients hold no thread."""

import json
import socket
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.http import StreamingHttpResponse

from scoring.photograph import decoding_slots
from scoring.platform import request_limiter
from scoring.platform.request_limiter import RequestLimiter
from scoring.service.api.problems import problem
from tests.wsgi import PATIENCE, Call, Slow

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

EVERY_KIND = pytest.mark.parametrize("threads", [0, 1], ids=["callers' threads", "threads of its own"])


def scorer(application: "WSGIApplication", *, places: int = 1, **more: Any) -> RequestLimiter:
    return RequestLimiter(application, places=places, refuse=problem, **more)


def site(application: "WSGIApplication", *, threads: int = 1, waiting: int = 0, **more: Any) -> RequestLimiter:
    return RequestLimiter(application, places=threads + waiting, threads=threads, read_ahead=1000, **more)


def reads_all(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    read = environ["wsgi.input"].read()
    start_response("200 OK", [])
    return [read]


@contextmanager
def sent(half: bytes) -> Iterator[tuple[dict[str, Any], socket.socket]]:
    """Send half of a body of 8 bytes; yield what gunicorn makes of the request, and the client's end."""
    ours, theirs = socket.socketpair()
    with ours, theirs, ours.makefile("rb") as stream:
        theirs.sendall(half)
        yield {"CONTENT_LENGTH": "8", "wsgi.input": stream, "gunicorn.socket": ours}, theirs


@contextmanager
def full(application: RequestLimiter, slow: Slow, *, at_work: int, waiting: int = 0) -> Iterator[list[Future[Call]]]:
    """Fill every place with requests that are answered when the block ends."""
    with ThreadPoolExecutor(at_work + waiting) as callers:
        calls = [callers.submit(Call, application) for _ in range(at_work + waiting)]
        assert all(slow.inside.acquire(timeout=PATIENCE) for _ in range(at_work))
        while application._places._value:  # a request that waits does nothing that can be seen
            pass
        try:
            yield calls
        finally:
            slow.go_on.set()


def test_a_full_site_refuses_in_text_and_says_when_to_come_again() -> None:
    slow = Slow()
    application = site(slow, threads=2, waiting=3)
    with full(application, slow, at_work=2, waiting=3) as calls:
        refused = Call(application)
    assert refused.status == "503 Service Unavailable"
    assert refused.headers["Retry-After"] == "2"
    assert refused.headers["Cache-Control"] == "no-store"
    assert refused.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert b"Send this again" in refused.body
    assert [call.result().status for call in calls] == ["200 OK"] * 5
    assert Call(application).status == "200 OK"


def test_a_full_scorer_refuses_by_a_problem_and_says_when_to_come_again() -> None:
    slow = Slow()
    application = scorer(slow, places=2)
    with full(application, slow, at_work=2) as calls:
        refused = Call(application)
    assert refused.status == "503 Service Unavailable"
    assert refused.headers["Retry-After"] == "2"
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.headers["Content-Length"] == str(len(refused.body))
    assert json.loads(refused.body)["status"] == HTTPStatus.SERVICE_UNAVAILABLE
    assert [call.result().status for call in calls] == ["200 OK"] * 2
    assert Call(application).status == "200 OK"


def test_all_requests_run_in_its_threads_so_there_are_as_many_connections() -> None:
    slow = Slow()
    with full(site(slow, threads=2, waiting=30), slow, at_work=2, waiting=30):
        pass
    assert len(slow.workers) == 2


@EVERY_KIND
def test_probes_are_answered_while_every_place_is_taken(threads: int) -> None:
    slow = Slow()
    application = scorer(slow, threads=threads, aside={"/healthz"})
    with full(application, slow, at_work=1):
        assert Call(application, PATH_INFO="/healthz").status == "200 OK"


@EVERY_KIND
def test_a_failure_gives_its_place_back(threads: int) -> None:
    def fails(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        raise RuntimeError("broken")

    application = scorer(fails, threads=threads)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="broken"):
            Call(application)


@EVERY_KIND
def test_a_late_body_gives_its_place_up(threads: int) -> None:
    application = scorer(reads_all, threads=threads, body_seconds=0.05)
    with sent(b"half") as (environ, _):
        late = Call(application, **environ)
    assert late.status == "408 Request Timeout"
    assert late.headers["Connection"] == "close"
    assert "0.05 seconds" in json.loads(late.body)["detail"]
    assert Call(application).status == "200 OK"


def test_a_body_that_is_here_may_be_worked_at_for_as_long_as_it_takes() -> None:
    def outlasts(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        body = environ["wsgi.input"]
        read = body.read(4) + body.readline(4)
        body._timer.join(PATIENCE)  # it has been cancelled, or else it fires
        start_response("200 OK", [])
        return [read]

    with sent(b"half+all") as (environ, _):
        call = Call(scorer(outlasts, body_seconds=0.2), **environ)
    assert (call.status, call.body) == ("200 OK", b"half+all")


def test_a_small_body_that_is_still_coming_holds_no_thread() -> None:
    application = site(Slow())
    with sent(b"half") as (environ, client), ThreadPoolExecutor(1) as callers:
        late = callers.submit(Call, application, PATH_INFO="/late", **environ)
        assert Call(application, PATH_INFO="/other").status == "200 OK"
        client.sendall(b"+all")
        assert late.result(PATIENCE).body == b"half+all"


@pytest.mark.parametrize("stops", ["by closing", "by saying nothing more"])
def test_half_a_small_body_is_never_worked_at(monkeypatch: pytest.MonkeyPatch, stops: str) -> None:
    monkeypatch.setattr(request_limiter, "BODY_SECONDS", 0.05)
    slow = Slow()
    with sent(b"half") as (environ, client):
        if stops == "by closing":
            client.shutdown(socket.SHUT_WR)
        call = Call(site(slow), **environ)
    assert call.status == "408 Request Timeout"
    assert not slow.workers


@pytest.mark.django_db(transaction=True)
def test_the_thread_that_sends_a_streamed_answer_keeps_no_connection() -> None:
    def lines() -> Iterator[bytes]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 'from the database'")
            yield cursor.fetchone()[0].encode()

    def streams(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        start_response("200 OK", [])
        return StreamingHttpResponse(lines())

    def send() -> tuple[bytes, bool]:
        call = Call(site(streams))
        return call.body, connection.connection is None

    with ThreadPoolExecutor(1) as sender:
        assert sender.submit(send).result() == (b"from the database", True)


def test_photographs_wait_for_a_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding_slots, "_slots", None)
    decoding_slots.limit(1)
    order: list[str] = []

    def second() -> None:
        with decoding_slots.take():
            order.append("second")

    with decoding_slots.take():
        waiting = threading.Thread(target=second)
        waiting.start()
        order.append("first")
    waiting.join(PATIENCE)
    assert order == ["first", "second"]
