"""Where the processes have a database role of their own, it can add to history and never change it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any
from uuid import uuid4

import psycopg2
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from psycopg2.errors import InsufficientPrivilege

from labeler.grading import queries
from labeler.models import AuditEvent, Label, Reader
from tests.labeler.oversight.test_progress_report import say
from tests.labeler.record.test_ledger import seal

ROLE, PASSWORD = "acne_processes", "one for this test"


@pytest.fixture
def role(transactional_db: None) -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'")
    call_command("restrict_role", ROLE)
    yield ROLE
    with connection.cursor() as cursor:
        cursor.execute(f"DROP OWNED BY {ROLE}")
        cursor.execute(f"DROP ROLE {ROLE}")


@contextmanager
def signed_in(role: str) -> Iterator[Any]:
    """Sign in to the database as this role, with its password."""
    given = connection.get_connection_params()
    where = {name: given[name] for name in ("host", "port") if given.get(name)}
    connected = psycopg2.connect(user=role, password=PASSWORD, dbname=given["dbname"], **where)
    connected.autocommit = True
    with closing(connected), connected.cursor() as cursor:
        yield cursor


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE labeler_label SET grade = 1",
        "DELETE FROM labeler_label",
        "TRUNCATE labeler_label CASCADE",
        "UPDATE labeler_auditevent SET reason = ''",
        "DELETE FROM labeler_auditevent",
        "DELETE FROM labeler_ledgerblock",
        "DELETE FROM labeler_erasednote",
        "ALTER TABLE labeler_label DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
        "DROP TRIGGER labels_are_append_only ON labeler_label",
    ],
)
def test_the_processes_role_can_change_no_history(role: str, reader: Reader, statement: str) -> None:
    say(queries.upcoming(reader)[0], 3)
    seal()
    before = (Label.objects.get().grade, AuditEvent.objects.count())
    with signed_in(role) as cursor, pytest.raises(InsufficientPrivilege):
        cursor.execute(statement)
    assert (Label.objects.get().grade, AuditEvent.objects.count()) == before


def test_the_processes_role_can_do_its_work(role: str, reader: Reader) -> None:
    assignment = queries.upcoming(reader)[0]
    with signed_in(role) as cursor:
        cursor.execute("UPDATE labeler_assignment SET version = 1, is_done = true WHERE id = %s", [assignment.pk])
        cursor.execute(
            "INSERT INTO labeler_label (submission, assignment_id, version, grade, not_gradable, note, is_undo, "
            "input_kind, labeled_at) VALUES (%s, %s, 1, 3, '', '', false, '', now())",
            [str(uuid4()), assignment.pk],
        )
        cursor.execute("SELECT count(*) FROM labeler_label")
        assert cursor.fetchone() == (1,)
    assert Label.objects.get().grade == 3


def test_the_owner_is_not_restricted_by_mistake(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        (owner,) = cursor.fetchone()
    for role in (owner, "nobody_here"):
        with pytest.raises(CommandError, match="CREATE ROLE"):
            call_command("restrict_role", role)
