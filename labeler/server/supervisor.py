"""The commands of web, scorer, workers and beat, and running them all under `manage.py serve`."""

import os
import shlex
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from urllib.request import urlopen

from django.conf import settings
from honcho.manager import SIGNALS, Manager

from scoring.network import cpu_cores
from scoring.platform import telemetry

FIRST_PORT = 8000
WORKER_CLASS = ("--worker-class", "scoring.platform.gunicorn_worker.Worker")
WEB_WORKERS = 4  # gunicorn's processes; Python lets one thread of each compute: with two, request threads wait
# Of a web worker, for connections: more than labeler/wsgi.py takes in, so that there are some to answer 503.
WEB_CONNECTION_THREADS = 64
# A reader looks at an image for seconds; their connection is kept that long, at no cost of a thread. Our code is loaded
# once, before the processes part: they start in half the time, share its memory, and a lost one is back at once.
WEB_OPTIONS = (
    *(*WORKER_CLASS, "--preload", "--keep-alive", "60"),
    *("--workers", str(WEB_WORKERS), "--threads", str(WEB_CONNECTION_THREADS)),
)
SCORER_SPARE_THREADS = 8  # they answer probes, and 503 where no place is left
SCORER_STOP_SECONDS = 60  # for photographs at work when the scorer is stopped
READY_SECONDS = 120  # for web and scorer to become ready


class PortTakenError(RuntimeError):
    """Another program listens on the port that was asked for."""


def choose_port(host: str, wanted: int | None, *, above: int = FIRST_PORT - 1) -> int:
    """Return the wanted port, or the first free one from 8000, or above another. Raises PortTakenError."""
    if wanted is None:
        return next(port for port in range(above + 1, above + 1000) if _is_free(host, port))
    if not _is_free(host, wanted):
        raise PortTakenError(f"Port {wanted} is taken by another program. Give another one, such as {wanted + 1}.")
    return wanted


def run(*, host: str, port: int, on_ready: Callable[[str], None]) -> int:
    """Run everything until one process ends or a signal comes; return the exit status.

    `on_ready(url)` is called once, when site and scorer are ready.
    """
    manager = Manager()
    scorer = f"127.0.0.1:{choose_port('127.0.0.1', None, above=port)}"
    environment = _environment() | {"SCORER_URL": f"http://{scorer}"}
    for name, command in commands(site=f"{host}:{port}", scorer=scorer).items():
        manager.add_process(name, shlex.join(command), env=environment | counting(name))
    url = f"http://{host}:{port}/"
    ready = (f"{url}readyz", f"http://{scorer}/readyz")
    threading.Thread(target=_announce, args=(url, ready, on_ready), daemon=True).start()
    manager.loop()
    stopped_by_signal = manager.returncode in {signal["rc"] for signal in SIGNALS.values()}
    return 0 if stopped_by_signal else int(manager.returncode or 1)


def commands(*, site: str, scorer: str) -> dict[str, list[str]]:
    """Return the command of every process; `site` and `scorer` are the addresses that these two listen on."""
    python = [sys.executable, "-m"]
    gunicorn = [*python, "gunicorn", "--no-control-socket", "--worker-tmp-dir", _in_memory()]
    return {
        "web": [*gunicorn, "labeler.wsgi", "--bind", site, *WEB_OPTIONS],
        "scorer": [*gunicorn, "scoring.wsgi", "--bind", scorer, *_scorer_options()],
        "worker": [*python, *_worker("celery", concurrency=1)],
        "intake": [*python, *_worker("intake", concurrency=cpu_cores.usable())],
        "beat": [*python, "celery", "--quiet", "-A", "labeler", "beat", "--loglevel", "WARNING"],
    }


def counting(name: str) -> dict[str, str]:
    """Return where the processes of web share what they count; the others are one process each."""
    return {telemetry.SHARED: tempfile.mkdtemp(prefix="counts-")} if name == "web" else {}


def _scorer_options() -> list[str]:
    """One process: the network's own threads use every core, and a second one would load its weights again."""
    threads = cpu_cores.share() + settings.SCORER_WAITING + SCORER_SPARE_THREADS
    return [*WORKER_CLASS, "--threads", str(threads), "--graceful-timeout", str(SCORER_STOP_SECONDS)]


def _in_memory() -> str:
    """Return where gunicorn's heartbeat costs no disk; a container's root file system may be read-only."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()  # noqa: S108


def _worker(queue: str, *, concurrency: int) -> list[str]:
    return [
        *("celery", "--quiet", "-A", "labeler", "worker", "-Q", queue, "-n", f"{queue}@%h"),
        *("--concurrency", str(concurrency), "--loglevel", "INFO", "--without-gossip", "--without-mingle"),
    ]


def _environment() -> dict[str, str]:
    # Celery warns root at length, which is no news where a demo runs as root.
    return {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "ignore:You're running the worker"}


def _announce(url: str, ready: Sequence[str], on_ready: Callable[[str], None]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not all(map(_answers, ready)):
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
