"""manage.py migrate: Django's own, that waits for a lock less long than a page does, and comes again."""

import time
from collections.abc import Iterator
from typing import Any

from django.core.management import CommandError, CommandParser
from django.core.management.commands import migrate
from django.db import OperationalError, connection
from django.db.migrations import Migration, RunPython, RunSQL

from labeler.platform import squashed_migrations

# Requests that come after us for a table wait until we have had it: less than the 5 seconds that a page waits.
LOCK_SECONDS = 3
# A change of tables holds them shut for so long at most. What changes rows may take its time.
STATEMENT_SECONDS = 60
TRIES, PAUSE = 20, 5.0  # seconds in which waiting requests get on
LOCK_NOT_AVAILABLE, DEADLOCK, CANCELLED = "55P03", "40P01", "57014"  # PostgreSQL's codes
HOLDERS = """
    SELECT DISTINCT pid, coalesce(state, 'state unknown'), extract(epoch FROM now() - xact_start)::int
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'relation' AND granted AND pid <> pg_backend_pid() AND datname = current_database()
    ORDER BY 3 DESC NULLS LAST LIMIT 5
"""


class Command(migrate.Command):
    """What is applied stays applied: each migration is a transaction, and the next try goes on where this one ended."""

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--patiently", action="store_true", help="Without time limits: run it while the site is stopped or idle."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self.is_patient = options.pop("patiently")
        if missing := squashed_migrations.missing():
            name, app = min((name, app) for app, name in missing)
            raise CommandError(_BETWEEN.format(number=len(missing), first=f"{app}.{name}"))
        try:
            self._in_several_tries(*args, **options)
        finally:
            if connection.connection and not connection.in_atomic_block:
                _limit("DEFAULT", "DEFAULT", "DEFAULT")

    def _in_several_tries(self, *args: Any, **options: Any) -> None:
        for left in reversed(range(TRIES)):
            try:
                super().handle(*args, **options)
            except OperationalError as error:
                if connection.in_atomic_block:  # Django leaves it open where adding a foreign key, its last step, fails
                    connection.close()
                    connection.connect()
                code = getattr(error.__cause__, "pgcode", None)
                if code == CANCELLED:
                    raise CommandError(_TOO_LONG) from error
                if code not in {LOCK_NOT_AVAILABLE, DEADLOCK}:
                    raise
                holders = "; ".join(_holders()) or "they have ended since"
                if not left:
                    raise CommandError(_NO_LOCK.format(tries=TRIES, holders=holders)) from error
                self.stdout.write(f"\nOthers hold a table: {holders}. Trying again in {PAUSE:.0f} s ({left} left).")
                time.sleep(PAUSE)
            else:
                return

    def migration_progress_callback(  # Django's signature
        self,
        action: str,
        migration: Migration | None = None,
        fake: bool = False,  # noqa: FBT001, FBT002
    ) -> None:
        """Django says what it begins: the limits are those of this migration."""
        if action in {"apply_start", "unapply_start"} and migration:
            self._limit_for(migration)
        super().migration_progress_callback(action, migration, fake)

    def _limit_for(self, migration: Migration) -> None:
        # One without a transaction, such as an index made CONCURRENTLY, waits for others and blocks none.
        if self.is_patient or not migration.atomic:
            _limit("0", "0", "0")
            return
        changes_rows = any(isinstance(operation, RunPython | RunSQL) for operation in migration.operations)
        _limit(f"'{LOCK_SECONDS}s'", "0" if changes_rows else f"'{STATEMENT_SECONDS}s'", "0")


_BETWEEN = (
    "This database lacks {number} of the migrations that this version's first ones were made out of, such as {first}, "
    "so its tables would stay incomplete. Run `manage.py migrate` of commit "
    f"{squashed_migrations.LAST_REVISION}, which still has them, then this version's."
)
_TOO_LONG = (
    f"A statement took more than {STATEMENT_SECONDS} seconds, and readers waited for the table that it held. Nothing "
    "of this migration was kept. Run `manage.py migrate --patiently` while the site is stopped or idle."
)
_NO_LOCK = (
    "Others hold a table that must be changed, {tries} times in a row: {holders}. What was applied stays. Wait until "
    "they end, or end them (SELECT pg_terminate_backend(number)), and run `manage.py migrate` again."
)


def _limit(lock: str, statement: str, idle: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SET lock_timeout TO {lock}; SET statement_timeout TO {statement}; "
            f"SET idle_in_transaction_session_timeout TO {idle}"
        )


def _holders() -> Iterator[str]:
    """Say who has held tables longest. What they asked stays unsaid: it may name people."""
    with connection.cursor() as cursor:
        cursor.execute(HOLDERS)
        rows = cursor.fetchall()
    return (f"session {pid} ({state}, {'?' if age is None else age} s)" for pid, state, age in rows)
