"""The web server and the worker as real processes on the test database."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.request import urlopen

from django.conf import settings
from django.db import connection

from labeler.server import supervisor

REPOSITORY = Path(__file__).resolve().parent.parent
PATIENCE = 60  # seconds until a process that is not ready counts as broken
CLIENTS_NAMED = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"


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


class Web:
    """The site served by gunicorn at one address, which can lose its server and get it back.

    As in production, a process that has loaded the code forks the one that answers.
    """

    def __init__(self, log: Path, **changed: str) -> None:
        self.log = log
        self.port = free_port()
        self._name = f"web at {self.port}"  # what PostgreSQL knows its connections by: another site's may stay
        self.changed = {**changed, "PGAPPNAME": self._name}
        self.address = f"http://127.0.0.1:{self.port}"
        self._stack = ExitStack()

    def start(self) -> None:
        bind = f"127.0.0.1:{self.port}"
        threads = [*supervisor.WORKER_CLASS, "--threads", str(supervisor.WEB_CONNECTION_THREADS)]
        arguments = ["gunicorn", "--preload", "--bind", bind, *threads, "--no-control-socket", "labeler.wsgi"]
        self.process = self._stack.enter_context(running(*arguments, log=self.log, **self.changed))
        self._await_answer()

    def renew(self) -> None:
        """Kill the process that answers, with all that it remembers and has at work; await its successor."""
        if self.process.poll() is not None:
            self.start()
            return
        for child in children(self.process.pid):
            os.kill(child, signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE
        with connection.cursor() as cursor:
            while True:  # PostgreSQL may still be at what the killed process asked for
                cursor.execute(CLIENTS_NAMED, [self._name])
                if cursor.fetchone() == (0,):
                    break
                assert time.monotonic() < deadline, "A killed process is still at work."
                time.sleep(0.01)
        self._await_answer()

    def kill(self) -> None:
        kill(self.process)

    def stop(self) -> None:
        self._stack.close()

    def _await_answer(self) -> None:
        await_ready(lambda: _answers(f"{self.address}/accounts/login/"), self.process, self.log)


@contextmanager
def web(log: Path, **changed: str) -> Iterator[Web]:
    """Serve the site until the block ends."""
    served = Web(log, **changed)
    try:
        served.start()
        yield served
    finally:
        served.stop()


@contextmanager
def worker(
    log: Path, *, queue: str = "celery", app: str = "labeler", **changed: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a Celery worker that is ready for the tasks of a queue."""
    arguments = ["celery", "-A", app, "worker", "-Q", queue, "--concurrency", "1", "--loglevel", "INFO"]
    with running(*arguments, log=log, **changed) as process:
        await_ready(lambda: b" ready." in log.read_bytes(), process, log)
        yield process


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process with its children, as a machine that loses power does."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=PATIENCE)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as response:  # noqa: S310  our own loopback address
            return bool(response.status == 200)
    except OSError:
        return False


def await_ready(is_ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"The process did not become ready:\n{log.read_text()}")
        time.sleep(0.1)
