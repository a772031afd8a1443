"""The folder of the embedded servers' files, and the account that owns them."""

import hashlib
import os
import pwd
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ACCOUNTS = ("postgres", "nobody")  # what the servers run as when root starts them: the first that exists
ELSEWHERE = Path("/var/lib/acne-study")  # for root's data where that account can't enter the installation's folder
START_SECONDS = 30  # seconds until a server that does not answer counts as broken


class EmbeddedError(RuntimeError):
    """Why a server can't run here, as a sentence for people."""


@dataclass(frozen=True)
class Home:
    """The folder of the servers' files, and the account that owns them (None: the present one)."""

    folder: Path
    account: str | None

    @classmethod
    def prepare(cls, var: Path) -> "Home":
        account = _unprivileged() if os.geteuid() == 0 else None
        folder = var / "servers"
        if not var.exists():
            var.mkdir(parents=True)
            var.chmod(0o711 if account else 0o700)
        if account and not _can_enter(account, var):
            # We never open a closed parent folder: the data go where the account can reach them.
            folder = ELSEWHERE / hashlib.sha256(str(var).encode()).hexdigest()[:16]
            folder.parent.mkdir(exist_ok=True)
            folder.parent.chmod(0o711)
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


def retry(start: Callable[[], None], times: int = 5) -> None:
    for _ in range(times - 1):
        with suppress(EmbeddedError):
            return start()
        time.sleep(0.5)
    return start()


def await_answer(answers: Callable[[], bool], name: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not answers():
        if time.monotonic() > deadline:
            raise EmbeddedError(f"{name} was started but does not answer after {START_SECONDS} seconds.")
        time.sleep(0.02)
