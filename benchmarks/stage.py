"""What every benchmark stands on: an installation of its own in a temporary folder, and the site as it is served."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.request import urlopen

import psutil

from labeler.server import embedded, supervisor

REPOSITORY = Path(__file__).resolve().parent.parent
SERVER_SECONDS = 180  # seconds until a server that does not answer counts as broken


@contextmanager
def installation() -> Iterator[Path]:
    """Run PostgreSQL and Valkey of this benchmark's own, with our tables; give their folder."""
    with servers() as folder:
        _prepare()
        yield folder


@contextmanager
def servers() -> Iterator[Path]:
    """Run PostgreSQL and Valkey of this benchmark's own, empty; give their folder."""
    folder = Path(tempfile.mkdtemp(prefix="acne-benchmark-"))
    folder.chmod(0o711)  # started by root, the servers run as an account that must pass through
    os.environ |= {"VAR_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "labeler.settings", "LOCAL": "1"}
    # Playwright keeps an event loop in this thread; the ORM is used between its calls, never inside one.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    try:
        with embedded.servers(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _prepare() -> None:
    from django.core.management import call_command

    begin_django()
    call_command("migrate", verbosity=0)


def begin_django() -> None:
    """Begin to use our models in this process, and lay out static files for the site."""
    import django
    from django.core.management import call_command

    django.setup()
    call_command("collectstatic", interactive=False, verbosity=0)


@contextmanager
def site(log: Path, *options: str) -> Iterator[str]:
    """Serve our site as `manage.py serve` does, with further options of gunicorn's, and give its address."""
    gunicorn = [sys.executable, "-m", "gunicorn", "labeler.wsgi", "--no-control-socket"]
    command = [*gunicorn, *supervisor.WEB_OPTIONS, *options]
    with served(command, log, at="/accounts/login/") as address:
        yield address


@contextmanager
def served(
    command: list[str], log: Path, *, at: str, environment: dict[str, str] | None = None, code: Path = REPOSITORY
) -> Iterator[str]:
    """Run gunicorn's `command` at a free address until the block ends."""
    address = f"127.0.0.1:{free_port()}"
    with running([*command, "--bind", address], log, at=f"http://{address}{at}", environment=environment, code=code):
        yield f"http://{address}"


@contextmanager
def running(
    command: list[str], log: Path, *, at: str, environment: dict[str, str] | None = None, code: Path = REPOSITORY
) -> Iterator[None]:
    """Run a server, which answers at the address `at`, until the block ends."""
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=code, env=environment)
        try:
            _await(at, process, log)
            yield
        finally:
            process.terminate()
            process.wait(timeout=SERVER_SECONDS)


def worked(*, without: int) -> float:
    """Return the processor seconds of this benchmark's sites and its PostgreSQL so far, one child's left out."""
    postmaster = Path(os.environ["VAR_DIR"]) / "servers" / "postgresql" / "postmaster.pid"
    parents = [*psutil.Process().children(), psutil.Process(int(postmaster.read_text().splitlines()[0]))]
    return sum(_worked(parent) for parent in parents if parent.pid != without)


def _worked(parent: psutil.Process) -> float:
    """Return what a process and those that it has started worked."""
    seconds = 0.0
    for process in (parent, *parent.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            seconds += times.user + times.system
    return seconds


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + SERVER_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urlopen(url, timeout=5):  # noqa: S310  our own loopback address
                return
        except OSError:  # not there yet, or too busy with its start to answer
            time.sleep(0.1)
    sys.exit(f"The server did not start:\n{log.read_text()}")
