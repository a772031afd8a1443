"""`manage.py migrate` never keeps readers waiting for long, and says what keeps it waiting."""

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.migrations import Migration, RunPython

from labeler.management.commands import migrate

LAST, BEFORE = "0020", "0019"  # changes the table of users


@pytest.fixture
def _one_behind(transactional_db: None) -> Iterator[None]:
    """The database stands one migration behind."""
    call_command("migrate", "labeler", BEFORE, verbosity=0)
    yield
    call_command("migrate", verbosity=0)


@pytest.fixture
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "LOCK_SECONDS", 0.2)
    monkeypatch.setattr(migrate, "PAUSE", 0.05)
    monkeypatch.setattr(migrate, "TRIES", 3)


@contextmanager
def somebody_reads_users() -> Iterator[int]:
    """Hold the table as a long export does, from a session of its own; give its number."""
    other = connections.create_connection("default")
    try:
        other.set_autocommit(autocommit=False)
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid(), count(*) FROM labeler_user")
            yield cursor.fetchone()[0]
    finally:
        other.close()


def is_applied() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM django_migrations WHERE app = 'labeler' AND name LIKE %s", [f"{LAST}%"])
        return bool(cursor.fetchone()[0])


@pytest.mark.usefixtures("_one_behind", "_hurry")
def test_who_holds_a_table_is_named_and_nothing_is_half_done() -> None:
    with (
        somebody_reads_users() as number,
        pytest.raises(CommandError, match=rf"3 times in a row: session {number} \(idle in transaction.*run `manage.py"),
    ):
        call_command("migrate", stdout=io.StringIO())
    assert not is_applied()


class Heard(io.StringIO):
    """Calls back when something is said."""

    def __init__(self, word: str, then: Callable[[], object]) -> None:
        super().__init__()
        self.word, self.then = word, then

    def write(self, text: str) -> int:
        if self.word in text:
            self.then()
        return super().write(text)


@pytest.mark.usefixtures("_one_behind", "_hurry")
def test_it_comes_again_when_they_have_ended() -> None:
    holding, released = threading.Event(), threading.Event()

    def hold() -> None:
        with somebody_reads_users():
            holding.set()
            released.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait(60)

    def end() -> None:
        released.set()
        thread.join(60)

    said = Heard("Trying again", end)
    call_command("migrate", stdout=said)
    assert "(2 left)" in said.getvalue()
    assert is_applied()


@pytest.mark.usefixtures("_one_behind")
def test_a_change_of_tables_that_takes_too_long_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "STATEMENT_SECONDS", 0.1)  # the wait for a lock is a part of it
    with somebody_reads_users(), pytest.raises(CommandError, match="at an hour when nobody is served"):
        call_command("migrate", stdout=io.StringIO())
    assert not is_applied()


def limits() -> list[str]:
    names = ("lock_timeout", "statement_timeout", "idle_in_transaction_session_timeout")
    with connection.cursor() as cursor:
        cursor.execute("SELECT " + ", ".join(f"current_setting('{name}')" for name in names))
        return list(cursor.fetchone())


def a_migration(*, atomic: bool = True, changes_rows: bool = False) -> Migration:
    operations = [RunPython(RunPython.noop)] if changes_rows else []
    kind: type[Migration] = type("Added", (Migration,), {"atomic": atomic, "operations": operations})
    return kind("added", "labeler")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("migration", "is_patient", "expected"),
    [
        (a_migration(), False, ["3s", "1min", "0"]),
        (a_migration(changes_rows=True), False, ["3s", "0", "0"]),
        (a_migration(atomic=False), False, ["0", "0", "0"]),
        (a_migration(), True, ["0", "0", "0"]),
    ],
)
def test_only_what_shuts_tables_is_hurried(migration: Migration, is_patient: bool, expected: list[str]) -> None:
    command = migrate.Command(stdout=io.StringIO())
    command.verbosity, command.is_patient = 1, is_patient
    command.migration_progress_callback("apply_start", migration)
    assert limits() == expected
