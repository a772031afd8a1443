"""What runs of the release before goes on while the database is brought to this version."""

import io
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.models import Field

from labeler.models import Study
from tests import builders
from tests.migration_rules import broken
from tests.processes import REPOSITORY

PREVIOUS = tomllib.loads((REPOSITORY / "deploy" / "previous-release.toml").read_text())
APPS = tuple(PREVIOUS["migrations"])
# Why it is harmless all the same, by migration (app.name) and rule.
EXPLAINED: dict[tuple[str, str], str] = {
    ("labeler.0006_study_secret", "ADD_CHECK"): "the new column's: the database fills it for the old code",
    ("labeler.0009_note_changed_facts", "TRIGGER"): "they note what a statement changed, and refuse nothing",
    ("labeler.0012_turn_images", "TRIGGER"): "the one of 0009, made anew with one more column",
    ("training.0002_note_changed_facts", "TRIGGER"): "they note what a statement changed, and refuse nothing",
}


@pytest.fixture
def loader(db: None) -> MigrationLoader:
    return MigrationLoader(connection)


def newer(loader: MigrationLoader) -> Iterator[tuple[str, str]]:
    """Return our migrations that the release before does not have."""
    known: set[tuple[str, str]] = set()
    for leaf in PREVIOUS["migrations"].items():
        known |= set(loader.graph.forwards_plan(leaf))
    return (key for key in sorted(loader.disk_migrations) if key[0] in APPS and key not in known)


def sql_of(app: str, name: str) -> str:
    said = io.StringIO()
    call_command("sqlmigrate", app, name, stdout=said, no_color=True)
    return said.getvalue()


def test_every_migration_lets_the_release_before_run_or_says_why_it_does(loader: MigrationLoader) -> None:
    found = {(f"{app}.{name}", code) for app, name in newer(loader) for code in broken(sql_of(app, name))}
    assert found == set(EXPLAINED)


@pytest.mark.parametrize(
    ("sql", "codes"),
    [
        ('ALTER TABLE "labeler_reader" DROP COLUMN "code" CASCADE;', {"DROP_COLUMN"}),
        ('ALTER TABLE "labeler_reader" RENAME COLUMN "code" TO "number";', {"RENAME_COLUMN"}),
        ('ALTER TABLE "labeler_reader" RENAME TO "labeler_person";', {"RENAME_TABLE"}),
        ('DROP TABLE "labeler_reader" CASCADE;', {"DROP_TABLE"}),
        ('ALTER TABLE "labeler_reader" ALTER COLUMN "code" TYPE varchar(5);', {"ALTER_COLUMN"}),
        ('ALTER TABLE "labeler_reader" ALTER COLUMN "left_at" SET NOT NULL;', {"NOT_NULL"}),
        ('ALTER TABLE "labeler_reader" ADD CONSTRAINT "one" UNIQUE ("code");', {"ADD_UNIQUE"}),
        ('ALTER TABLE "labeler_reader" ADD CONSTRAINT "few" CHECK ("done" < 9);', {"ADD_CHECK"}),
        ('CREATE INDEX "by_grade" ON "labeler_label" ("grade");', {"CREATE_INDEX"}),
        ('CREATE INDEX CONCURRENTLY "by_grade" ON "labeler_label" ("grade");', set()),
        ('CREATE INDEX "by_code" ON "labeler_reader" ("code");', set()),
        ("CREATE TRIGGER strict BEFORE INSERT ON labeler_label EXECUTE FUNCTION refuse();", {"TRIGGER"}),
        # A column of the same migration with a default hides none without one.
        (
            (
                'ALTER TABLE "labeler_user" ADD COLUMN "a" boolean DEFAULT false NOT NULL;\n'
                'ALTER TABLE "labeler_user" ALTER COLUMN "a" DROP DEFAULT;\n'
                'ALTER TABLE "labeler_user" ADD COLUMN "b" boolean DEFAULT false NOT NULL;'
            ),
            {"NOT_NULL"},
        ),
        ('ALTER TABLE "labeler_user" ADD COLUMN "b" boolean DEFAULT false NOT NULL;', set()),
        ('CREATE TABLE "labeler_new" ("a" int NOT NULL);\nCREATE INDEX "b" ON "labeler_new" ("a");', set()),
        # Nor does a table that it makes hide one that it does not.
        (
            (
                'CREATE TABLE "labeler_new" ("a" int NOT NULL);\nCREATE INDEX "b" ON "labeler_new" ("a");\n'
                'CREATE INDEX "c" ON "labeler_image" ("subject");'
            ),
            {"CREATE_INDEX"},
        ),
    ],
)
def test_a_rule_finds_what_would_stop_the_release_before(sql: str, codes: set[str]) -> None:
    assert broken(sql) == codes


def without_length(kind: str | None) -> str:
    """Return a column's type by one of its names; it may get longer."""
    kind = re.sub(r"\(\d+\)", "", kind or "")
    return kind.replace("character varying", "varchar").replace("time without time zone", "time")


def columns() -> dict[str, dict[str, tuple[str, bool]]]:
    """Return each table's columns as they are: their type, and whether a row that does not name one is refused."""
    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT cls.relname, att.attname, format_type(att.atttypid, att.atttypmod),
                   att.attnotnull AND NOT att.atthasdef AND att.attidentity = ''
            FROM pg_attribute att JOIN pg_class cls ON cls.oid = att.attrelid
            WHERE cls.relkind = 'r' AND cls.relnamespace = 'public'::regnamespace
              AND att.attnum > 0 AND NOT att.attisdropped
        """)
        found: dict[str, dict[str, tuple[str, bool]]] = {}
        for table, name, kind, is_required in cursor.fetchall():
            found.setdefault(table, {})[name] = (without_length(kind), is_required)
    return found


def test_the_release_before_finds_its_columns_and_is_asked_for_no_others(loader: MigrationLoader) -> None:
    there = columns()
    old = loader.project_state(list(PREVIOUS["migrations"].items())).apps
    for model in (model for app in APPS for model in old.get_app_config(app).get_models(include_auto_created=True)):
        table = there[model._meta.db_table]
        fields: dict[str, Field[Any, Any]] = {str(field.column): field for field in model._meta.local_fields}
        kinds = {name: without_length(field.db_type(connection)) for name, field in fields.items()}
        assert {name: table[name][0] for name in fields} == kinds
        new = {name for name, (_, is_required) in table.items() if is_required and name not in fields}
        assert not new, f"{model._meta.db_table}: the release before does not fill {new}; give them a db_default"


def test_each_study_of_before_gets_a_secret_of_its_own(db: None) -> None:
    """A default that Python draws would be the same for all rows of a migration."""
    for slug in "abc":
        builders.make_study(slug)
    [adding] = (line for line in sql_of("labeler", "0006_study_secret").splitlines() if "ADD COLUMN" in line)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE labeler_study DROP COLUMN secret CASCADE")
        cursor.execute(adding)
        cursor.execute(
            "INSERT INTO labeler_study (slug, title, seed, is_simulated, created_at) VALUES ('d', '', 1, false, now())"
        )
    found = [bytes(secret) for secret in Study.objects.values_list("secret", flat=True)]
    assert [len(secret) for secret in found] == [32] * 4
    assert len(set(found)) == 4
