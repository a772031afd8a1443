"""An export table: its columns with their meaning, written as CSV and Parquet.

A column carries its own meaning, so that the codebook cannot speak of other columns than there are.
"""

import codecs
import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import chain, islice
from typing import BinaryIO, TypeVar

from arro3.core import Array, DataType, Field, RecordBatch, RecordBatchReader, Schema
from arro3.io import write_parquet

from labeler.models import Study

Value = str | int | float | bool | datetime | None
Row = Sequence[Value]
Item = TypeVar("Item")

ROWS_AT_ONCE = 2000  # about half a megabyte of CSV
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What a spreadsheet takes for the beginning of a formula, or skips before one; the last four are full-width.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
SHIELD = "'"


class Kind(StrEnum):
    """What the cells of a column hold."""

    TEXT = "text"
    WHOLE = "whole number"
    NUMBER = "number"
    YES_NO = "yes or no"
    TIME = "time, UTC, ISO 8601"


@dataclass(frozen=True)
class Column:
    """A column and what the codebook says of it."""

    name: str
    kind: Kind
    meaning: str
    unit: str = ""
    values: str = ""  # which ones are allowed, where they are few


@dataclass(frozen=True)
class Table:
    """A table of a study; `rows` reads them from the database one by one."""

    name: str
    about: str
    columns: tuple[Column, ...]
    rows: Callable[[Study], Iterable[Row]]


def as_csv(table: Table, study: Study) -> Iterator[bytes]:
    """Yield the table as UTF-8 CSV (RFC 4180), some thousand rows at a time."""
    names = tuple(column.name for column in table.columns)
    lines = ([_cell(value) for value in row] for row in table.rows(study))
    return csv_chunks(chain([names], lines))


def csv_chunks(rows: Iterable[Sequence[str]]) -> Iterator[bytes]:
    """Yield rows as CSV, after the mark by which Excel knows UTF-8."""
    mark = codecs.BOM_UTF8
    for some in _batched(rows, ROWS_AT_ONCE):
        page = io.StringIO(newline="")
        csv.writer(page).writerows(some)
        yield mark + page.getvalue().encode()
        mark = b""


def defuse(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would run as a formula.

    Text that begins with an apostrophe gets one too; so taking one off, where there is one, always gives the original.
    """
    return SHIELD + text if text.startswith((*FORMULA_STARTS, SHIELD)) else text


def restore(cell: str) -> str:
    """Undo `defuse`."""
    return cell.removeprefix(SHIELD)


def write_as_parquet(table: Table, study: Study, file: BinaryIO) -> None:
    """Write the table with typed columns and its text as it is; a batch of rows at a time is in memory."""
    schema = Schema([Field(column.name, _TYPES[column.kind], nullable=True) for column in table.columns])
    batches = (_record_batch(table, schema, rows) for rows in _batched(table.rows(study), ROWS_AT_ONCE))
    write_parquet(
        RecordBatchReader.from_batches(schema, batches),
        file,
        compression="zstd(3)",
        # A row group is held until it is full.
        max_row_group_size=50 * ROWS_AT_ONCE,
        created_by="acne-study",
    )


def _batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    waiting = iter(items)
    while some := list(islice(waiting, size)):
        yield some


def _cell(value: Value) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case str():
            return defuse(value)
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case _:
            return repr(value)


_TYPES = {
    Kind.TEXT: DataType.string(),
    Kind.WHOLE: DataType.int64(),
    Kind.NUMBER: DataType.float64(),
    Kind.YES_NO: DataType.bool(),
    Kind.TIME: DataType.timestamp("us", tz="UTC"),
}


def _record_batch(table: Table, schema: Schema, rows: Sequence[Row]) -> RecordBatch:
    columns = zip(table.columns, zip(*rows, strict=True), strict=True)
    return RecordBatch.from_arrays([_array(column, values) for column, values in columns], schema=schema)


def _array(column: Column, values: Sequence[Value]) -> Array:
    if column.kind is Kind.TIME:
        return Array(
            [
                ((value - EPOCH) // timedelta(microseconds=1) if isinstance(value, datetime) else None)
                for value in values
            ],
            DataType.int64(),
        ).cast(_TYPES[Kind.TIME])
    return Array(values, _TYPES[column.kind])
