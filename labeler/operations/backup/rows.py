"""Export and import of all tables' rows in PostgreSQL's COPY text format."""

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import BinaryIO

from django.apps import apps
from django.contrib.sessions.models import Session
from django.core.management.color import no_style
from django.db import connection, models
from psycopg2 import sql

from labeler.platform import squashed_migrations

ROWS_PART_BYTES = 16 * 2**20  # bytes of rows that are held at a time
LEFT_OUT = {Session}  # people sign in again

TakePart = Callable[[bytes], None]


@dataclass(frozen=True)
class StoredTable:
    """A table and the columns that are backed up."""

    name: str
    columns: tuple[str, ...]

    def with_columns(self) -> sql.Composed:
        """Return it with its columns, for COPY."""
        return sql.SQL("{} ({})").format(self.identifier(), sql.SQL(", ").join(map(sql.Identifier, self.columns)))

    def identifier(self) -> sql.Identifier:
        return sql.Identifier(self.name)


def stored_tables() -> list[StoredTable]:
    """Every model's table, each after those that its rows point to."""
    return [StoredTable(model._meta.db_table, _columns(model)) for model in _models()]


def migrations() -> list[str]:
    """Return the migrations that the database has, as app.name, sorted."""
    return sorted(f"{app}.{name}" for app, name in squashed_migrations.applied())


def write(table: StoredTable, take: TakePart) -> int:
    """Hand the rows over in parts of whole rows; return how many rows there were."""
    parts = _Parts(take)
    with connection.cursor() as cursor:
        cursor.copy_expert(sql.SQL("COPY {} TO STDOUT").format(table.with_columns()), parts)
        parts.end()
        return int(cursor.rowcount)


def read(table: StoredTable, part: BinaryIO) -> None:
    """Add the rows of a part. Raises DatabaseError."""
    with connection.cursor() as cursor, connection.wrap_database_errors:
        cursor.copy_expert(sql.SQL("COPY {} FROM STDIN").format(table.with_columns()), part)


def count(table: StoredTable) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(table.identifier()))
        return int(cursor.fetchone()[0])


def empty(tables: Iterable[StoredTable]) -> None:
    """Delete what migrations put there: permissions, and what kinds of objects there are."""
    with connection.cursor() as cursor:
        for table in tables:
            if count(table):
                cursor.execute(sql.SQL("DELETE FROM {}").format(table.identifier()))


def go_on_counting() -> None:
    """Let the next row of every table come after those that were read."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), _models()):
            cursor.execute(statement)


class _Parts(io.RawIOBase):
    """A file for COPY, which writes a row at a time."""

    def __init__(self, take: TakePart) -> None:
        self._take = take
        self._held = bytearray()

    def write(self, row: bytes) -> int:  # type: ignore[override]
        self._held += row
        if len(self._held) >= ROWS_PART_BYTES:
            self.end()
        return len(row)

    def end(self) -> None:
        if self._held:
            self._take(bytes(self._held))
            self._held.clear()


def _models() -> list[type[models.Model]]:
    known = [
        model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy and model not in LEFT_OUT
    ]
    pointed_to = {model: _pointed_to(model) & set(known) - {model} for model in known}
    return list(TopologicalSorter(pointed_to).static_order())


def _pointed_to(model: type[models.Model]) -> set[type[models.Model]]:
    return {field.related_model for field in model._meta.concrete_fields if isinstance(field, models.ForeignKey)}


def _columns(model: type[models.Model]) -> tuple[str, ...]:
    """A column that the database computes is not written back."""
    return tuple(str(field.column) for field in model._meta.concrete_fields if not field.generated)
