"""What readers notice of connections that send, or take, a byte a second: bare, and behind the proxy of deploy/.

    python -m benchmarks.grading.slow_clients [--clients 100] [--seconds 20]

Three kinds: heads of requests, bodies, and takers of an image, each a byte a second. Meanwhile a reader saves a grade
every half second. "Plain gthread" is gunicorn's own worker, with as many threads as we have hands. Caddy is left out
where there is no `caddy` on the PATH. All labels are SIMULATED.
"""

import argparse
import http.client
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

import numpy as np

from benchmarks import stage
from benchmarks.grading import label_studio, load

PAUSE = 0.5  # seconds between a reader's grades
PATIENCE = 5.0  # seconds until the reader counts a grade as not saved now
WARM_UP = 16  # requests: both processes load their pages with their first
CADDYFILE = stage.REPOSITORY / "deploy" / "Caddyfile"


class Reader:
    """Somebody signed in, who grades while others are slow."""

    def __init__(self, address: str, headers: dict[str, str]) -> None:
        self.host, self.headers = urlsplit(address).netloc, headers
        for _ in range(WARM_UP):
            _, content = self.ask("GET", f"/read/{load.SLUG}/queue/", patience=60)
        self.cards = json.loads(content)["upcoming"]

    def ask(self, method: str, path: str, body: str = "", *, patience: float = PATIENCE) -> tuple[int, bytes]:
        """Ask on a connection of its own: one that is kept would have its place already."""
        form = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        connection = http.client.HTTPConnection(self.host, timeout=patience)
        try:
            connection.request(method, path, body or None, self.headers | form)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def grade(self) -> float | None:
        """Return the ms that saving took; none where it did not come to that."""
        card = self.cards[0]
        fields = {"submission": str(uuid4()), "version": card["version"], "grade": 3, "after": self.cards[-1]["id"]}
        begin = time.monotonic()
        with suppress(OSError, http.client.HTTPException):
            status, answer = self.ask("POST", card["label"], urlencode(fields))
            if status == http.HTTPStatus.OK:
                self.cards = [*self.cards[1:], *json.loads(answer)["upcoming"]]
                return 1000 * (time.monotonic() - begin)
        return None


def main() -> None:
    options = _options()
    with stage.installation() as folder:
        people = load.make_study(1, 600)
        print(f"{options.clients} slow clients, a grade every {PAUSE} s for {options.seconds} s\n")
        print(f"{'':<34}{'saved':>7}{'not in 5 s':>12}{'p50':>8}{'worst, ms':>11}")
        for name, serve in _ways(folder).items():
            for kind in ("none", "heads", "bodies", "takers"):
                with serve() as address:
                    _print(f"{name}, {kind}", _measure(address, people[0], kind, options))


def _ways(folder: Path) -> dict[str, Callable[[], AbstractContextManager[str]]]:
    log = folder / "web.log"
    ways: dict[str, Callable[[], AbstractContextManager[str]]] = {
        "plain gthread": partial(stage.site, log, *label_studio.PROCESSES),
        "ours": partial(stage.site, log),
    }
    if caddy := shutil.which("caddy"):
        ways["ours behind Caddy"] = partial(_behind_caddy, caddy, folder)
    return ways


@contextmanager
def _behind_caddy(caddy: str, folder: Path) -> Iterator[str]:
    """Run what deploy/Caddyfile says, at addresses of this machine and without TLS."""
    with stage.site(folder / "web.log") as web:
        address, configuration = f"http://127.0.0.1:{stage.free_port()}", folder / "Caddyfile"
        here = CADDYFILE.read_text().replace("web:8000", urlsplit(web).netloc)
        configuration.write_text(here.replace("{\n", "{\n\tadmin off\n", 1))
        own = {"SITE_HOST": address, "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        command = [caddy, "run", "--config", str(configuration), "--adapter", "caddyfile"]
        with stage.running(
            command, folder / "caddy.log", at=f"{address}/accounts/login/", environment=os.environ | own
        ):
            yield address


def _measure(address: str, headers: dict[str, str], kind: str, options: argparse.Namespace) -> list[float | None]:
    reader = Reader(address, headers)
    with slow_clients(address, kind, options.clients, headers, reader.cards[5]["image"]):
        time.sleep(2)  # until they have what they can hold
        found, end = [], time.monotonic() + options.seconds
        while time.monotonic() < end:
            found.append(reader.grade())
            time.sleep(PAUSE)
    return found


@contextmanager
def slow_clients(address: str, kind: str, count: int, headers: dict[str, str], image: str) -> Iterator[None]:
    """Keep so many connections at their slow work; one that is closed comes again."""
    cookie = f"Host: {urlsplit(address).netloc}\r\nCookie: {headers['Cookie']}\r\n"
    begins = {
        "heads": "GET /accounts/login/ HTTP/1.1\r\nX-Slow: ",
        "bodies": f"POST /accounts/login/ HTTP/1.1\r\n{cookie}Content-Length: 1000\r\n\r\n",
        "takers": f"GET {image}?size=full HTTP/1.1\r\n{cookie}\r\n",
    }
    is_over = threading.Event()
    threads = [
        threading.Thread(target=_be_slow, args=(address, begins[kind].encode(), kind == "takers", is_over))
        for _ in range(count if kind != "none" else 0)
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def _be_slow(address: str, begin: bytes, takes: bool, is_over: threading.Event) -> None:  # noqa: FBT001  by position
    parts = urlsplit(address)
    while not is_over.wait(0.1):
        with suppress(OSError), socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(PATIENCE)
            client.connect((str(parts.hostname), int(parts.port or 80)))
            client.sendall(begin)
            while not is_over.wait(1):
                if takes and not client.recv(1):
                    break
                if not takes:
                    client.sendall(b"x")


def _print(title: str, found: list[float | None]) -> None:
    times = [one for one in found if one is not None]
    numbers = f"{np.median(times):>8.0f}{max(times):>11.0f}" if times else ""
    print(f"{title:<34}{len(times):>7}{len(found) - len(times):>12}{numbers}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=20)
    return parser.parse_args()


if __name__ == "__main__":
    main()
