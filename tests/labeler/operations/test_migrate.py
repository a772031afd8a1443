"""`manage.py migrate` never keeps readers waiting for long, and says what keeps it waiting."""

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.migrations import Migration, RunPython
from django.db.migrations.recorder import MigrationRecorder

from labeler.management.commands import migrate
from labeler.operations.backup import rows
from labeler.platform import squashed_migrations
from labeler.platform.squashed_migrations import SQUASHED


@pytest.fixture
def _without_scoring(transactional_db: None) -> Iterator[None]:
    """The database lacks the tables of scoring, and so of training. One of them points to users."""
    call_command("migrate", "scoring", "zero", verbosity=0)
    yield
    call_command("migrate", verbosity=0)


@pytest.fixture
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "LOCK_SECONDS", 0.2)
    monkeypatch.setattr(migrate, "PAUSE", 0.05)
    monkeypatch.setattr(migrate, "TRIES", 3)


@contextmanager
def somebody_changes_users() -> Iterator[int]:
    """Hold the table as a long import does, from a session of its own; give its number."""
    other = connections.create_connection("default")
    try:
        other.set_autocommit(autocommit=False)
        with other.cursor() as cursor:
            cursor.execute("UPDATE labeler_user SET last_login = now()")
            cursor.execute("SELECT pg_backend_pid()")
            yield cursor.fetchone()[0]
    finally:
        other.close()


def is_applied() -> bool:
    return ("scoring", "0001_initial") in squashed_migrations.applied()


@pytest.mark.usefixtures("_without_scoring", "_hurry")
def test_who_holds_a_table_is_named_and_nothing_is_half_done() -> None:
    with (
        somebody_changes_users() as number,
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


@pytest.mark.usefixtures("_without_scoring", "_hurry")
def test_it_comes_again_when_they_have_ended() -> None:
    holding, released = threading.Event(), threading.Event()

    def hold() -> None:
        with somebody_changes_users():
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


@pytest.mark.usefixtures("_without_scoring")
def test_a_change_of_tables_that_takes_too_long_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migrate, "STATEMENT_SECONDS", 0.1)  # the wait for a lock is a part of it
    with somebody_changes_users(), pytest.raises(CommandError, match="while the site is stopped or idle"):
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


def record(migrations: set[tuple[str, str]]) -> None:
    for app, name in migrations:
        MigrationRecorder(connection).record_applied(app, name)


def test_a_database_with_all_squashed_migrations_counts_as_migrated(db: None) -> None:
    before = rows.migrations()
    record(SQUASHED)
    said = io.StringIO()
    call_command("migrate", stdout=said)
    assert "No migrations to apply" in said.getvalue()
    assert rows.migrations() == before  # its backup can be restored where they never were


@pytest.mark.parametrize(
    "lacking", [{("labeler", "0021_chores")}, SQUASHED - {("scoring", "0002_api")}], ids=["the last", "almost all"]
)
def test_a_database_between_squashed_migrations_is_refused(db: None, lacking: set[tuple[str, str]]) -> None:
    record(SQUASHED - lacking)
    with pytest.raises(CommandError, match=f"lacks {len(lacking)} of the migrations"):
        call_command("migrate")


def test_a_database_that_only_began_with_squashed_migrations_is_refused(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {squashed_migrations.ADDED_LATER} RENAME TO made_later")
    with pytest.raises(CommandError, match="lacks 28 of the migrations"):
        call_command("migrate")
