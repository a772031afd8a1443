"""PostgreSQL and Valkey from pip packages, for machines where no DATABASE_URL or REDIS_URL is given.

Real servers, owned by this installation: their data lie under `var/`, PostgreSQL listens on a socket only and Valkey
on a free loopback port, each behind a random password. Every process that needs them holds a shared lock; the last
one to leave stops them. Started by root, they run as an unprivileged account.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from labeler.server.embedded.home import EmbeddedError, Home
from labeler.server.embedded.postgresql import PostgreSQL
from labeler.server.embedded.valkey import Valkey

__all__ = ["EmbeddedError", "servers"]

REPOSITORY = Path(__file__).resolve().parents[3]
SECRET_KEY_BYTES = 50


class Server(Protocol):
    """A server of this installation."""

    def __init__(self, home: Home) -> None: ...
    def url(self) -> str: ...
    def answers(self) -> bool: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...


SERVER_KINDS: dict[str, type[Server]] = {"DATABASE_URL": PostgreSQL, "REDIS_URL": Valkey}


@contextmanager
def servers(folder: Path | None = None) -> Iterator[None]:
    """Run what DATABASE_URL and REDIS_URL do not name, and name it in their stead while the block lasts.

    An installation with an embedded server, or with LOCAL=1, is on a machine of its own: it also gets a secret key that
    is made once, and expects no TLS in front, passwords and no second factor.
    """
    folder = (folder or Path(os.environ.get("VAR_DIR") or REPOSITORY / "var")).resolve()
    missing = [variable for variable in SERVER_KINDS if not os.environ.get(variable)]
    if not missing and os.environ.get("LOCAL") != "1":
        yield
        return
    home = Home.prepare(folder)
    ours = {variable: SERVER_KINDS[variable](home) for variable in missing}
    with _in_use(home, list(ours.values())):
        urls = {variable: server.url() for variable, server in ours.items()}
        local = {
            "SECRET_KEY": home.secret("secret-key", SECRET_KEY_BYTES),
            "BEHIND_TLS": "0",
            "LOCAL_PASSWORDS": "1",
            "REQUIRE_MFA": "0",
        }
        named = urls | {name: value for name, value in local.items() if name not in os.environ}
        os.environ.update(named)
        try:
            yield
        finally:
            for name in named:
                os.environ.pop(name, None)


@contextmanager
def _in_use(home: Home, ours: Sequence[Server]) -> Iterator[None]:
    """Start the servers unless they run; stop them unless another process still uses them."""
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
def _alone(home: Home) -> Iterator[None]:
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
