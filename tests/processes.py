"""The web server and the worker as real processes on the test database."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from django.conf import settings
from django.db import connection

REPOSITORY = Path(__file__).resolve().parent.parent
PATIENCE = 60  # seconds until a process that is not ready counts as broken


def environment() -> dict[str, str]:
    """Return the environment of a process that shares this test's database and files."""
    url, _, options = os.environ["DATABASE_URL"].partition("?")
    server = url.rsplit("/", 1)[0]
    return {
        **os.environ,
        "DATABASE_URL": f"{server}/{connection.settings_dict['NAME']}" + (f"?{options}" if options else ""),
        "MEDIA_ROOT": str(settings.MEDIA_ROOT),
        "PYTHONPATH": str(REPOSITORY),
    }


@contextmanager
def running(*arguments: str, log: Path, **changed: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `python -m ...` until the block ends, with some variables of the environment changed."""
    command = [sys.executable, "-m", *arguments]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=environment() | changed,
            cwd=REPOSITORY,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE)


@contextmanager
def web(log: Path, **changed: str) -> Iterator[str]:
    """Serve the site with gunicorn and give its address."""
    port = _free_port()
    address = f"http://127.0.0.1:{port}"
    arguments = ["gunicorn", "--bind", f"127.0.0.1:{port}", "--threads", "4", "--no-control-socket", "labeler.wsgi"]
    with running(*arguments, log=log, **changed) as process:
        _await(lambda: _answers(f"{address}/accounts/login/"), process, log)
        yield address


@contextmanager
def worker(log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Celery worker that is ready for tasks."""
    arguments = ["celery", "-A", "labeler", "worker", "--concurrency", "1", "--loglevel", "INFO"]
    with running(*arguments, log=log) as process:
        _await(lambda: b" ready." in log.read_bytes(), process, log)
        yield process


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process with its children, as a machine that loses power does."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=PATIENCE)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as response:  # noqa: S310  our own loopback address
            return bool(response.status == 200)
    except OSError:
        return False


def _await(is_ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"The process did not become ready:\n{log.read_text()}")
        time.sleep(0.1)
