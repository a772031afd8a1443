"""Somewhere for real servers to live, and the tests' own ones, to be stopped."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from labeler.server.embedded.home import Home
from labeler.server.embedded.postgresql import PostgreSQL
from labeler.server.embedded.valkey import Valkey


class Behind:
    """The tests' own PostgreSQL and Valkey, which no other test uses meanwhile."""

    def __init__(self) -> None:
        home = Home.prepare(Path(settings.VAR_DIR))
        self.folder, self.postgresql, self.valkey = home.folder, PostgreSQL(home), Valkey(home)

    def signal_valkey(self, number: int) -> None:
        os.kill(int((self.folder / "valkey" / "valkey.pid").read_text()), number)

    def recover(self) -> None:
        self.signal_valkey(signal.SIGCONT)
        if not self.postgresql.answers():
            self.postgresql.start()


@pytest.fixture
def behind(transactional_db: None) -> Iterator[Behind]:
    connection.close()  # it would be a broken one
    servers = Behind()
    yield servers
    servers.recover()


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder that the servers' account may pass through, which pytest's own is not."""
    folder = Path(tempfile.mkdtemp(prefix="acne-faults-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)
