"""Without a proxy in front: who sends or takes too slowly holds a thread for a while, and then nothing."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from scoring.platform import gunicorn_worker
from tests import processes

THREADS = 4
ANSWER = b"x" * 32 * 2**20  # bytes: more than the buffers between two sockets of one machine hold
PATIENCE = 30  # seconds


@pytest.fixture
def address(folder: Path) -> Iterator[tuple[str, int]]:
    """Serve a small application by our worker class, with shorter deadlines: the suite has no minutes to wait."""
    (folder / "app.py").write_text(
        "from scoring.platform import gunicorn_worker\n"
        f"gunicorn_worker.HEAD_SECONDS = {HEAD_SECONDS}\n"
        f"gunicorn_worker.STEP_SECONDS = {HEAD_SECONDS}\n"
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        f"    return [b'x' * {len(ANSWER)}] if environ['PATH_INFO'] == '/large' else [environ['wsgi.input'].read()]\n"
    )
    port = processes.free_port()
    options = [
        "--worker-class",
        "scoring.platform.gunicorn_worker.Worker",
        "--threads",
        str(THREADS),
        "--no-control-socket",
    ]
    arguments = ["gunicorn", "app", "--chdir", str(folder), "--bind", f"127.0.0.1:{port}", *options]
    log = folder / "web.log"
    with processes.running(*arguments, log=log) as process:
        processes.await_ready(lambda: asks(("127.0.0.1", port)), process, log)
        yield "127.0.0.1", port


HEAD_SECONDS = 1.0


def asks(address: tuple[str, int]) -> bool:
    """Ask as a browser does, and say whether that is answered."""
    try:
        with socket.create_connection(address, timeout=PATIENCE) as browser:
            browser.sendall(b"GET / HTTP/1.1\r\nHost: us\r\nConnection: close\r\n\r\n")
            return browser.recv(12) == b"HTTP/1.1 200"
    except ConnectionRefusedError:
        return False


@contextmanager
def slow_ones(address: tuple[str, int], sends: bytes) -> Iterator[list[socket.socket]]:
    """Hold every thread by connections that send this much and no more, and take nothing."""
    with ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection(address, timeout=PATIENCE)) for _ in range(THREADS)]
        for client in clients:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(sends)
        yield clients


HALF = {
    "a head": b"GET / HTTP/1.1\r\nHost: us\r\nX-Half: ",
    "a body": b"POST / HTTP/1.1\r\nHost: us\r\nContent-Length: 100\r\n\r\nhalf",
    "an answer that nobody takes": b"GET /large HTTP/1.1\r\nHost: us\r\n\r\n",
}


@pytest.mark.parametrize("sends", HALF.values(), ids=HALF)
def test_who_is_too_slow_is_given_up(db: None, address: tuple[str, int], sends: bytes) -> None:
    assert gunicorn_worker.HEAD_SECONDS > HEAD_SECONDS  # what is served has shorter ones than the product
    with slow_ones(address, sends):
        assert asks(address)


def test_who_dribbles_a_head_is_given_up(db: None, address: tuple[str, int]) -> None:
    """Each byte comes in time; the head as a whole doesn't."""
    with slow_ones(address, HALF["a head"]) as clients:
        given_up = set[int]()
        for _ in range(100):
            for client in clients:
                try:
                    client.sendall(b"x")
                    client.settimeout(0.02)
                    if client.recv(1) == b"":
                        given_up.add(id(client))
                except TimeoutError:
                    continue
                except OSError:
                    given_up.add(id(client))
            if len(given_up) == THREADS:
                break
        assert len(given_up) == THREADS
        assert asks(address)
