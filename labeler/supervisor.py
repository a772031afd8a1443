"""Web, worker and beat under one roof, with prefixed logs: what `manage.py serve` runs."""

import os
import shlex
import socket
import sys
import threading
import time
from collections.abc import Callable
from urllib.request import urlopen

from honcho.manager import SIGNALS, Manager

FIRST_PORT = 8000
# A reader looks at an image for seconds; their connection is kept that long, at no cost of a thread.
WEB_PROCESSES = ("--worker-class", "gthread", "--workers", "2", "--threads", "8", "--keep-alive", "60")
PATIENCE = 120  # seconds until a web process that does not answer is reported


class PortTakenError(RuntimeError):
    """Another program listens on the port that was asked for."""


def choose_port(host: str, wanted: int | None) -> int:
    """Return the wanted port, or the first free one from 8000. Raises PortTakenError."""
    if wanted is None:
        return next(port for port in range(FIRST_PORT, FIRST_PORT + 1000) if _is_free(host, port))
    if not _is_free(host, wanted):
        raise PortTakenError(f"Port {wanted} is taken by another program. Give another one, such as {wanted + 1}.")
    return wanted


def run(*, host: str, port: int, on_ready: Callable[[str], None]) -> int:
    """Run everything until one process ends or a signal comes; return the exit status.

    `on_ready(url)` is called once, when the site answers.
    """
    manager = Manager()
    for name, command in _commands(host, port).items():
        manager.add_process(name, shlex.join(command), env=_environment())
    url = f"http://{host}:{port}/"
    threading.Thread(target=_announce, args=(url, on_ready), daemon=True).start()
    manager.loop()
    stopped_by_signal = manager.returncode in {signal["rc"] for signal in SIGNALS.values()}
    return 0 if stopped_by_signal else int(manager.returncode or 1)


def _commands(host: str, port: int) -> dict[str, list[str]]:
    python = [sys.executable, "-m"]
    return {
        "web": [
            *python,
            *("gunicorn", "labeler.wsgi", "--bind", f"{host}:{port}", "--no-control-socket", *WEB_PROCESSES),
        ],
        "worker": [*python, *_worker("celery", concurrency=1)],
        "intake": [*python, *_worker("intake", concurrency=os.cpu_count() or 1)],
        "beat": [*python, "celery", "--quiet", "-A", "labeler", "beat", "--loglevel", "WARNING"],
    }


def _worker(queue: str, *, concurrency: int) -> list[str]:
    return [
        *("celery", "--quiet", "-A", "labeler", "worker", "-Q", queue, "-n", f"{queue}@%h"),
        *("--concurrency", str(concurrency), "--loglevel", "INFO", "--without-gossip", "--without-mingle"),
    ]


def _environment() -> dict[str, str]:
    # Celery warns root at length; whoever runs a demo as root on a machine of their own knows.
    return {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "ignore:You're running the worker"}


def _announce(url: str, on_ready: Callable[[str], None]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not _answers(url):
        if time.monotonic() > deadline:
            return
        time.sleep(0.1)
    on_ready(url)


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5):  # noqa: S310  our own address
            return True
    except OSError:
        return False


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
