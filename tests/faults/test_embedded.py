"""The embedded servers keep what they were given, however they are stopped."""

import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
import redis

from labeler.server import embedded

REPOSITORY = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(autouse=True)
def _nothing_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("DATABASE_URL", "REDIS_URL", "VAR_DIR", "SECRET_KEY", "LOCAL"):
        monkeypatch.delenv(variable, raising=False)


def postgresql() -> "psycopg2.extensions.connection":
    return psycopg2.connect(os.environ["DATABASE_URL"])


def valkey() -> redis.Redis:
    return redis.Redis.from_url(os.environ["REDIS_URL"])


def execute(*statements: str) -> list[tuple[object, ...]]:
    connection = postgresql()
    connection.autocommit = True
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        rows = cursor.fetchall() if cursor.description else []
    connection.close()
    return rows


def home_of(folder: Path) -> Path:
    note = folder / "servers-are-at"
    return Path(note.read_text().strip()) if note.exists() else folder / "servers"


def processes_in(folder: Path) -> list[int]:
    """Return the processes whose command line names the servers' folder."""
    home = str(home_of(folder)).encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if home in command:
                found.append(int(entry.name))
    return found


def test_a_restart_finds_the_data_again(folder: Path) -> None:
    with embedded.servers(folder):
        execute("CREATE TABLE kept (word text)", "INSERT INTO kept VALUES ('here')")
        valkey().set("kept", "here")
    with embedded.servers(folder):
        assert execute("SELECT word FROM kept") == [("here",)]
        assert valkey().get("kept") == b"here"
    assert not processes_in(folder)


def test_servers_that_were_killed_start_again_with_what_they_had(folder: Path) -> None:
    with embedded.servers(folder):
        execute("CREATE TABLE kept (word text)", "INSERT INTO kept VALUES ('here')")
        for pid in processes_in(folder):
            os.kill(pid, signal.SIGKILL)
    with embedded.servers(folder):
        assert execute("SELECT word FROM kept") == [("here",)]


def test_two_users_share_one_server_and_the_last_one_stops_it(folder: Path) -> None:
    program = "from labeler.server import embedded; from pathlib import Path; import sys\n"
    program += "with embedded.servers(Path(sys.argv[1])): print('up', flush=True); sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", program, str(folder)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert other.stdin
    assert other.stdout
    assert other.stdout.readline() == b"up\n"
    with embedded.servers(folder):
        execute("CREATE TABLE ours (word text)")
    running = processes_in(folder)
    assert running
    other.communicate()
    assert other.returncode == 0
    assert not processes_in(folder)


def test_two_installations_do_not_collide(folder: Path) -> None:
    with embedded.servers(folder / "one"):
        execute("CREATE TABLE mine (word text)")
        one = os.environ["DATABASE_URL"], os.environ["REDIS_URL"]
        os.environ.pop("DATABASE_URL"), os.environ.pop("REDIS_URL")
        with embedded.servers(folder / "other"):
            assert (os.environ["DATABASE_URL"], os.environ["REDIS_URL"]) != one
            assert execute("SELECT 1 FROM pg_tables WHERE tablename = 'mine'") == []
        os.environ["DATABASE_URL"], os.environ["REDIS_URL"] = one


def test_nobody_else_can_read_anything_or_connect(folder: Path) -> None:
    with embedded.servers(folder):
        home = home_of(folder)
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        secret = [home / name for name in ("secret-key", "postgresql-password", "valkey-url", "valkey.conf")]
        assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in secret)
        without_password = os.environ["REDIS_URL"].replace(os.environ["REDIS_URL"].split("@")[0], "redis://")
        with pytest.raises(redis.AuthenticationError):
            redis.Redis.from_url(without_password.replace("redis://@", "redis://")).ping()
        assert execute("SHOW listen_addresses") == [("",)]


def test_a_path_too_long_for_a_socket_works_too(folder: Path) -> None:
    with embedded.servers(folder / ("long" * 20)):
        assert execute("SELECT 1") == [(1,)]


def test_given_servers_are_used_and_nothing_is_started(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://given/acne")
    monkeypatch.setenv("REDIS_URL", "redis://given:6379/0")
    with embedded.servers(folder):
        assert os.environ["DATABASE_URL"] == "postgresql://given/acne"
    assert not list(folder.iterdir())


def test_a_local_installation_on_given_servers_has_its_own_key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in embedded.SERVER_KINDS:
        monkeypatch.setenv(variable, "given")
    monkeypatch.setenv("LOCAL", "1")
    with embedded.servers(folder):
        first = os.environ["SECRET_KEY"]
    with embedded.servers(folder):
        assert os.environ["SECRET_KEY"] == first
        assert len(first) > 50
        assert not processes_in(folder)


@pytest.fixture
def closed_folder(folder: Path) -> Iterator[Path]:
    """A folder below one that only its owner may enter, as below root's home."""
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    yield closed / "var"
    shutil.rmtree(home_of(closed / "var"))
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700, "a parent folder's rights were changed"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to give its servers to another account")
def test_root_serves_from_where_the_servers_account_can_be(closed_folder: Path) -> None:
    with embedded.servers(closed_folder):
        assert execute("SELECT 1") == [(1,)]
        owners = {Path(f"/proc/{pid}").stat().st_uid for pid in processes_in(closed_folder)}
        assert 0 not in owners
