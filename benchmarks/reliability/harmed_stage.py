"""An installation's processes, and a proxy before them, that can be killed, paused, cut off and brought back."""

import os
import signal
import socket
import subprocess
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from urllib.request import urlopen

import psycopg2
import redis

from benchmarks import stage
from benchmarks.reliability import wrong_clocks
from benchmarks.reliability.wrong_clocks import WrongClocks
from labeler.server import supervisor
from labeler.server.embedded.home import Home, await_answer
from labeler.server.embedded.postgresql import PostgreSQL
from labeler.server.embedded.valkey import Valkey

PAUSE = 3.0  # seconds that something is stopped or cut off


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
        here = (theirs.getpeername()[0], 0)  # the site sees who asks
        site = ("127.0.0.1", self.port)
        with suppress(OSError), theirs, socket.create_connection(site, timeout=5, source_address=here) as ours:
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


class Stage:
    """The processes, and how each is harmed and brought back."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, stage.free_port()
        self.clocks = WrongClocks(folder)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        for name in ("web", "worker", "intake", "beat"):
            self.start(name)

    def start(self, name: str, *, wrong_by: int = 0) -> None:
        commands = supervisor.commands(site=f"127.0.0.1:{self.port}", scorer="127.0.0.1:1")
        with (self.folder / f"{name}.log").open("ab") as log, self.clocks.wrong_by(wrong_by):
            self.processes[name] = subprocess.Popen(
                commands[name], cwd=stage.REPOSITORY, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self, name: str, *, wrong_by: int = 0) -> None:
        """Kill a process and start it again; its clock is wrong by so many seconds then."""
        pid = self.processes[name].pid
        os.killpg(pid, signal.SIGKILL)
        self.processes[name].wait()
        wrong_clocks.clean_up([pid])
        time.sleep(PAUSE / 3)
        self.start(name, wrong_by=wrong_by)

    def pause(self, name: str) -> None:
        group = self.processes[name].pid
        os.killpg(group, signal.SIGSTOP)
        time.sleep(PAUSE)
        os.killpg(group, signal.SIGCONT)

    def kill_postgresql(self, *, wrong_by: int = 0) -> None:
        server = self._postgresql()
        pids = _processes(server.data)
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wrong_clocks.clean_up(pids)
        time.sleep(PAUSE / 3)
        with self.clocks.wrong_by(wrong_by):
            server.start()

    def pause_postgresql(self) -> None:
        self._pause(_processes(self._postgresql().data))

    def cut_off_postgresql(self) -> None:
        """End every connection to the database, in the middle of whatever it does."""
        with closing(psycopg2.connect(self._postgresql().url())) as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    def kill_valkey(self) -> None:
        """Kill it and start it again where the others look for it."""
        home = Home.prepare(self.folder)
        server = Valkey(home)
        os.kill(self._valkey(), signal.SIGKILL)
        time.sleep(PAUSE / 3)
        home.run(server._program(), home.folder / "valkey.conf")
        await_answer(server.answers, "Valkey")

    def pause_valkey(self) -> None:
        self._pause([self._valkey()])

    def wipe_valkey(self) -> None:
        self._client().flushall()

    def cut_off_valkey(self) -> None:
        """End every connection to the queue, those that wait for messages and those that hear calls."""
        for kind in ("normal", "pubsub"):
            self._client().client_kill_filter(_type=kind, skipme=True)

    def stop(self) -> None:
        for process in self.processes.values():
            with suppress(ProcessLookupError):
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

    def _postgresql(self) -> PostgreSQL:
        return PostgreSQL(Home.prepare(self.folder))

    def _client(self) -> redis.Redis:
        return redis.Redis.from_url(os.environ["REDIS_URL"])

    def _valkey(self) -> int:
        return int((Home.prepare(self.folder).folder / "valkey" / "valkey.pid").read_text())


def _processes(data: Path) -> list[int]:
    """Return PostgreSQL's processes, the first of them the one that starts the others."""
    parent = int((data / "postmaster.pid").read_text().splitlines()[0])
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [parent, *map(int, children)]
