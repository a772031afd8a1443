"""What every benchmark stands on: an installation of its own in a temporary folder, and the site as it is served."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from labeler import embedded

REPOSITORY = Path(__file__).resolve().parent.parent
PATIENCE = 60  # seconds until a server that does not answer counts as broken


@contextmanager
def installation() -> Iterator[Path]:
    """Run PostgreSQL and Valkey of this benchmark's own, with our tables; give their folder."""
    folder = Path(tempfile.mkdtemp(prefix="acne-benchmark-"))
    folder.chmod(0o711)  # started by root, the servers run as an account that must pass through
    os.environ |= {"VAR_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "labeler.settings", "LOCAL": "1"}
    # Playwright keeps an event loop in this thread; the ORM is used between its calls, never inside one.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    try:
        with embedded.servers(folder):
            _prepare()
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _prepare() -> None:
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)
    call_command("collectstatic", interactive=False, verbosity=0)


@contextmanager
def site(log: Path) -> Iterator[str]:
    """Serve the site as `manage.py serve` does, and give its address."""
    from labeler import supervisor

    port = _free_port()
    with log.open("wb") as output:
        command = supervisor.commands("127.0.0.1", port)["web"]
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=REPOSITORY)
        try:
            _await(f"http://127.0.0.1:{port}/accounts/login/", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urlopen(url, timeout=5):  # noqa: S310  our own loopback address
                return
        except URLError:
            time.sleep(0.1)
    sys.exit(f"The site did not start:\n{log.read_text()}")
