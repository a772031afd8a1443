"""Readers grade while everything they stand on is killed, paused and cut off: what is acknowledged must be kept, once.

    python -m benchmarks.faults [--submissions 100000] [--faults 200] [--readers 20] [--seed 1]

Web, both workers, beat, PostgreSQL and Valkey are real processes of this benchmark's own. The readers are scripted and
speak the page's protocol: a grade stays in an outbox, oldest first, until the server settles it, and is sent again
under its id otherwise. They reach the site through a proxy that delays, cuts and withholds answers. Everything is drawn
from the seed. At the end the database is held against what every reader was told. All labels are SIMULATED.
"""

import argparse
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen
from uuid import uuid4

import numpy as np

from benchmarks import stage
from benchmarks.grading_server import PASSWORD, Session
from labeler import supervisor

SLUG = "faults"
PAUSE = 3.0  # seconds that something is stopped or cut off
PATIENCE = 20.0  # seconds until a request without an answer is given up, as the page does
BACK_WITHIN = 10.0  # seconds from a process's return to the first grade that is saved
GOLDEN, UNDO_EVERY = 20, 25


@dataclass
class Tally:
    """What all readers saw."""

    acknowledged: dict[str, tuple[str, int | None]] = field(default_factory=dict)  # submission -> assignment, grade
    refused: Counter[int] = field(default_factory=Counter)
    sent_again: int = 0
    saved_at: float = 0.0
    longest_gap: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def saved(self, submission: str, assignment: str, grade: int | None) -> None:
        now = time.monotonic()
        with self.lock:
            self.acknowledged[submission] = (assignment, grade)
            self.longest_gap = max(self.longest_gap, now - (self.saved_at or now))
            self.saved_at = now


class Proxy:
    """Stands between readers and site on loopback, and can delay, cut, or swallow what comes back."""

    def __init__(self, port: int) -> None:
        self.port, self.mode = port, "open"
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.listen(256)
        self.address = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Close every connection as it is, in the middle of whatever it carries."""
        for one in list(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            theirs, _ = self._listening.accept()
            threading.Thread(target=self._join, args=(theirs,), daemon=True).start()

    def _join(self, theirs: socket.socket) -> None:
        with suppress(OSError), theirs, socket.create_connection(("127.0.0.1", self.port), timeout=5) as ours:
            ours.settimeout(None)
            self._open |= {theirs, ours}
            back = threading.Thread(target=self._carry, args=(ours, theirs), kwargs={"is_answer": True}, daemon=True)
            back.start()
            self._carry(theirs, ours, is_answer=False)
            back.join()
            self._open -= {theirs, ours}

    def _carry(self, source: socket.socket, sink: socket.socket, *, is_answer: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if self.mode == "delayed":
                    time.sleep(0.3)
                if self.mode == "swallowing" and is_answer:
                    break  # the server did it; the reader never learns
                sink.sendall(data)
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


class Reader(threading.Thread):
    """Grades its list as the page does: acts go to an outbox and leave it when the server has settled them."""

    def __init__(self, address: str, number: int, tally: Tally, seed: int) -> None:
        super().__init__(name=f"reader{number}", daemon=True)
        self.chance = np.random.default_rng((seed, number))
        self.address, self.tally, self.is_done = address, tally, threading.Event()
        self.session = Session(address, csrf_cookie="csrf")
        self.session.get("/accounts/login/")
        self.session.post("/accounts/login/", {"login": f"reader{number}", "password": PASSWORD})
        self.connection: http.client.HTTPConnection | None = None

    def run(self) -> None:
        while not self.is_done.is_set():
            cards = self._cards()
            for card in cards:
                self._settle(card["label"], card, int(self.chance.integers(1, 6)))
                if self.chance.integers(UNDO_EVERY) == 0:
                    self._settle(card["undo"], card | {"version": card["version"] + 1}, None)
                if self.is_done.is_set():
                    return
            if not cards:
                return

    def _cards(self) -> list[dict[str, Any]]:
        """Ask for the next images until the server tells them."""
        while True:
            with suppress(OSError, http.client.HTTPException):
                status, content = self._request("GET", f"/read/{SLUG}/queue/", None)
                if status == 200:
                    found: list[dict[str, Any]] = json.loads(content)["upcoming"]
                    return found
            time.sleep(0.2)

    def _settle(self, path: str, card: dict[str, Any], grade: int | None) -> None:
        """Send one act until the server has taken or refused it."""
        submission = str(uuid4())
        fields = {"submission": submission, "version": card["version"]} | ({"grade": grade} if grade else {})
        body = "&".join(f"{name}={value}" for name, value in fields.items())
        wait = 0.1
        while True:
            with suppress(OSError, http.client.HTTPException):
                status, _ = self._request("POST", path, body)
                if status == 200:
                    self.tally.saved(submission, card["id"], grade)
                    return
                if status < 500 and status != 429:
                    self.tally.refused[status] += 1
                    return
            self.tally.sent_again += 1
            time.sleep(wait)
            wait = min(2 * wait, 2.0)

    def _request(self, method: str, path: str, body: str | None) -> tuple[int, bytes]:
        cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in self.session.cookies.items())
        headers = {
            "Cookie": cookies,
            "X-CSRFToken": self.session.cookies["csrf"].value,
            "Referer": self.address,
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        if self.connection is None:
            self.connection = http.client.HTTPConnection(urlsplit(self.address).netloc, timeout=PATIENCE)
        try:
            self.connection.request(method, path, body, headers)
            answer = self.connection.getresponse()
            return answer.status, answer.read()
        except BaseException:
            self.connection.close()
            self.connection = None
            raise


class Stage:
    """The processes, and how each is harmed and brought back."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, _free_port()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("web", "worker", "intake", "beat"):
            self.start(name)

    def start(self, name: str) -> None:
        commands = supervisor.commands(site=f"127.0.0.1:{self.port}", scorer="127.0.0.1:1")
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                commands[name], cwd=stage.REPOSITORY, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self, name: str) -> None:
        os.killpg(self.processes[name].pid, signal.SIGKILL)
        self.processes[name].wait()
        time.sleep(PAUSE / 3)
        self.start(name)

    def pause(self, name: str) -> None:
        group = self.processes[name].pid
        os.killpg(group, signal.SIGSTOP)
        time.sleep(PAUSE)
        os.killpg(group, signal.SIGCONT)

    def kill_postgresql(self) -> None:
        from labeler.embedded.home import Home
        from labeler.embedded.postgresql import PostgreSQL

        server = PostgreSQL(Home.prepare(self.folder))
        for pid in _postgresql(server.data):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(PAUSE / 3)
        server.start()

    def pause_postgresql(self) -> None:
        from labeler.embedded.home import Home
        from labeler.embedded.postgresql import PostgreSQL

        pids = _postgresql(PostgreSQL(Home.prepare(self.folder)).data)
        self._pause(pids)

    def kill_valkey(self) -> None:
        """Kill it and start it again where the others look for it."""
        from labeler.embedded.home import Home, await_answer
        from labeler.embedded.valkey import Valkey

        home = Home.prepare(self.folder)
        server = Valkey(home)
        os.kill(self._valkey(), signal.SIGKILL)
        time.sleep(PAUSE / 3)
        home.run(server._program(), home.folder / "valkey.conf")
        await_answer(server.answers, "Valkey")

    def pause_valkey(self) -> None:
        self._pause([self._valkey()])

    def wipe_valkey(self) -> None:
        import redis

        redis.Redis.from_url(os.environ["REDIS_URL"]).flushall()

    def stop(self) -> None:
        for process in self.processes.values():
            os.killpg(process.pid, signal.SIGTERM)
        for process in self.processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=30)

    def is_ready(self) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5):
                return True
        except OSError:
            return False

    def _pause(self, pids: list[int]) -> None:
        for number in (signal.SIGSTOP, signal.SIGCONT):
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            if number == signal.SIGSTOP:
                time.sleep(PAUSE)

    def _valkey(self) -> int:
        from labeler.embedded.home import Home

        return int((Home.prepare(self.folder).folder / "valkey" / "valkey.pid").read_text())


def main() -> None:
    options = _options()
    with stage.installation() as folder, ExitStack() as stack:
        _make_study(options.readers, options.submissions)
        theirs = Stage(folder)
        stack.callback(theirs.stop)
        _await(theirs.is_ready)
        proxy, tally = Proxy(theirs.port), Tally()
        readers = [Reader(proxy.address, number, tally, options.seed) for number in range(options.readers)]
        for reader in readers:
            reader.start()
        faults, outages = _harm(theirs, proxy, tally, readers, options)
        for reader in readers:
            reader.join()
        found = _examine(tally)
        _print(tally, faults, outages, found)
        if any(found.values()):
            sys.exit(1)


def _harm(
    theirs: Stage, proxy: Proxy, tally: Tally, readers: list[Reader], options: argparse.Namespace
) -> tuple[Counter[str], dict[str, float]]:
    """Do the faults one after the other, evenly over the submissions; return how many, and the worst outage of each."""
    chance, faults, outages = np.random.default_rng(options.seed), Counter[str](), dict[str, float]()
    kinds = _kinds(theirs, proxy)
    while any(reader.is_alive() for reader in readers):
        due = faults.total() * options.submissions // options.faults
        if faults.total() >= options.faults or len(tally.acknowledged) < due:
            time.sleep(0.1)
            if len(tally.acknowledged) >= options.submissions:
                for reader in readers:
                    reader.is_done.set()
            continue
        name = str(chance.choice(sorted(kinds)))
        kinds[name]()
        returned = time.monotonic()
        _await(lambda: tally.saved_at > returned or not any(reader.is_alive() for reader in readers))  # noqa: B023
        faults[name] += 1
        outages[name] = max(outages.get(name, 0.0), time.monotonic() - returned)
        print(f"{len(tally.acknowledged):,} grades, {faults.total()} faults: {name}", file=sys.stderr, flush=True)
    return faults, outages


def _kinds(theirs: Stage, proxy: Proxy) -> dict[str, Callable[[], None]]:
    def mode(name: str) -> Callable[[], None]:
        def act() -> None:
            proxy.mode = name
            time.sleep(PAUSE)
            proxy.mode = "open"

        return act

    kinds: dict[str, Callable[[], None]] = {
        "connections cut": proxy.cut,
        "connections delayed": mode("delayed"),
        "answers swallowed": mode("swallowing"),
        "PostgreSQL killed": theirs.kill_postgresql,
        "PostgreSQL paused": theirs.pause_postgresql,
        "Valkey killed": theirs.kill_valkey,
        "Valkey paused": theirs.pause_valkey,
        "Valkey wiped": theirs.wipe_valkey,
    }
    for name in theirs.processes:
        kinds[f"{name} killed"] = partial(theirs.kill, name)
        kinds[f"{name} paused"] = partial(theirs.pause, name)
    return kinds


def _examine(tally: Tally) -> dict[str, int]:
    """Hold the database against what readers were told."""
    from django.core.management import CommandError, call_command
    from django.db import connections
    from django.db.models import Count, F, Q

    from labeler import models

    connections.close_all()  # the one it was set up through died with PostgreSQL
    rows = models.Label.objects.filter(submission__in=list(tally.acknowledged))
    stored = Counter[str]()
    wrong = 0
    for submission, assignment, grade in rows.values_list("submission", "assignment__public_id", "grade"):
        stored[str(submission)] += 1
        wrong += tally.acknowledged[str(submission)] != (str(assignment), grade)
    counted = models.Assignment.objects.annotate(acts=Count("labels"))
    done = models.Reader.objects.annotate(graded=Count("assignments", filter=Q(assignments__is_done=True)))
    try:
        call_command("verify_ledger", verbosity=0)
        broken = 0
    except (CommandError, SystemExit):
        broken = 1
    return {
        "lost": len(set(tally.acknowledged) - set(stored)),
        "duplicated": sum(count > 1 for count in stored.values()),
        "with another grade, image or reader": wrong,
        "assignments whose version is not their labels' number": counted.exclude(version=F("acts")).count(),
        "readers whose count is wrong": done.exclude(done=F("graded")).count(),
        "ledgers that do not verify": broken,
    }


def _make_study(readers: int, submissions: int) -> None:
    """Deal every reader enough images for their share; nobody fetches their files."""
    from labeler import folds, golden, studies
    from labeler.models import Image, Study, User

    study = studies.create(slug=SLUG, title="Faults", is_simulated=True, seed=2019)
    for number in range(readers):
        studies.add_reader(study=study, user=User.objects.create_user(username=f"reader{number}", password=PASSWORD))
    Image.objects.bulk_create(
        Image(study=study, content_hash=f"{n:064x}", source_name=f"{n}.jpg", original="", width=1200, height=1600)
        for n in range(GOLDEN + submissions + submissions // 5)
    )
    golden.draw(study=study, size=GOLDEN)
    folds.deal(study=Study.objects.get())


def _print(tally: Tally, faults: Counter[str], outages: dict[str, float], found: dict[str, int]) -> None:
    print(f"\nacknowledged submissions: {len(tally.acknowledged):,} (SIMULATED), sent again: {tally.sent_again:,}")
    print(f"refused: {dict(tally.refused) or 'none'}; longest time without a saved grade: {tally.longest_gap:.1f} s\n")
    print(f"{'fault':<24}{'times':>6}{'worst time to the next saved grade after it':>46}")
    for name, times in sorted(faults.items()):
        late = "  late" if outages[name] > BACK_WITHIN else ""
        print(f"{name:<24}{times:>6}{outages[name]:>44.1f} s{late}")
    print()
    for what, number in found.items():
        print(f"{what}: {number}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--submissions", type=int, default=100_000)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--readers", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def _postgresql(data: Path) -> list[int]:
    """Return the server's processes, the first of them the one that starts the others."""
    parent = int((data / "postmaster.pid").read_text().splitlines()[0])
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [parent, *map(int, children)]


def _await(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10 * BACK_WITHIN
    while not is_so():
        if time.monotonic() > deadline:
            sys.exit("Nothing was saved for 100 seconds after a fault: the service did not come back by itself.")
        time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
