"""The published study's table `image_labels_new` as CSV: import and export.

One row is one act: labeler, image_name, label (0 is "Not acne"), label_at, shared_image (1: a golden image).
"""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from labeler.exchange.export import FETCHED, image_code
from labeler.exchange.tables import Column, Kind, Row, Table
from labeler.models import Label, NotGradable, Study
from labeler.platform.spreadsheets import delimiter_of, said_delimiter
from labeler.record import subject_codes

COLUMNS = ("labeler", "image_name", "label", "label_at", "shared_image")
NOT_ACNE = 0  # the layout's only way to give no grade
YES, NO = frozenset({"1", "true", "t", "yes", "y"}), frozenset({"0", "false", "f", "no", "n"})
LONGEST_NAME = 100  # characters of a labeler's name: it becomes part of an account's, which may have 150


@dataclass(frozen=True)
class BadRow:
    """A row that can't be imported, and why."""

    line: int
    reason: str


class LayoutError(ValueError):
    """Why nothing was imported: a sentence, and the rows at fault, each by its line."""

    def __init__(self, sentence: str, bad_rows: Sequence[BadRow] = ()) -> None:
        super().__init__(sentence)
        self.bad_rows = tuple(bad_rows)


class _RowError(ValueError):
    """Why one row can't be imported."""


@dataclass(frozen=True)
class PublishedLabel:
    """One row of the layout."""

    line: int
    labeler: str
    image_name: str
    value: int  # a grade, or NOT_ACNE
    labeled_at: datetime
    is_shared: bool


def read(lines: Iterable[str], *, study: Study) -> list[PublishedLabel]:
    """Read a CSV with the layout's columns, in any order, as spreadsheets write it.

    Raises LayoutError naming every bad row.
    """
    lines = iter(lines)
    first = next(lines, "")
    is_instruction = bool(said_delimiter(first))
    table = csv.DictReader(lines if is_instruction else chain([first], lines), delimiter=delimiter_of(first))
    above = 1 if is_instruction else 0  # lines that the reader has not seen
    missing = [name for name in COLUMNS if name not in (table.fieldnames or ())]
    if missing:
        raise LayoutError(f"The first line must name the columns {', '.join(COLUMNS)}; there is no {missing[0]}.")
    scale = dict(study.grade_levels.values_list("value", "name"))
    rows, bad = [], []
    try:
        for cells in table:
            try:
                rows.append(_row(table.line_num + above, cells, scale))
            except _RowError as error:
                bad.append(BadRow(table.line_num + above, str(error)))
    except csv.Error as error:
        raise LayoutError(f"Line {table.line_num + above + 1} is no CSV: {error}.") from error
    bad += _contradictions(rows)
    if bad:
        raise LayoutError(refused(bad), sorted(bad, key=lambda row: row.line))
    if not rows:
        raise LayoutError("There is no row in this file.")
    return rows


def _row(line: int, cells: Mapping[str | None, str | None], scale: Mapping[int, str]) -> PublishedLabel:
    surplus = cells.get(None) or ()
    if any(surplus) or any(cells[column] is None for column in COLUMNS):
        raise _RowError(f"it has not {len(COLUMNS)} cells, as the first line has.")
    labeler, name, label, label_at, shared = ((cells[column] or "").strip() for column in COLUMNS)
    labeler = subject_codes.clean(labeler)
    if not labeler or len(labeler) > LONGEST_NAME:
        raise _RowError(f"the labeler's name must have 1 to {LONGEST_NAME} characters.")
    if not name:
        raise _RowError("there is no image_name.")
    return PublishedLabel(line, labeler, name, _value(label, scale), _time(label_at), _yes_or_no(shared))


def _value(label: str, scale: Mapping[int, str]) -> int:
    by_name = {name.lower(): value for value, name in scale.items()} | {"not acne": NOT_ACNE}
    value = int(label) if label.isascii() and label.isdigit() else by_name.get(label.lower())
    if value is None or value not in {NOT_ACNE, *scale}:
        allowed = ", ".join(f"{value} ({name})" for value, name in scale.items())
        raise _RowError(f"the label {label!r} is neither 0 (Not acne) nor {allowed}.")
    return value


def _time(label_at: str) -> datetime:
    try:
        time = datetime.fromisoformat(label_at)
    except ValueError:
        raise _RowError(
            f"the time {label_at!r} is not like 2018-05-30 14:05:09 (UTC unless it says otherwise)."
        ) from None
    time = time if time.tzinfo else time.replace(tzinfo=UTC)
    if time > timezone.now():
        raise _RowError(f"the time {label_at} is in the future.")
    return time


def _yes_or_no(shared: str) -> bool:
    if shared.lower() not in YES | NO:
        raise _RowError(f"shared_image is {shared!r}; write 1 for a golden image, 0 for another.")
    return shared.lower() in YES


def _contradictions(rows: Sequence[PublishedLabel]) -> Iterator[BadRow]:
    """Yield the rows that say otherwise than an earlier one of the same act or image."""
    shared: dict[str, PublishedLabel] = {}
    acts: dict[tuple[str, str, datetime], PublishedLabel] = {}
    for row in rows:
        first = shared.setdefault(row.image_name, row)
        if first.is_shared != row.is_shared:
            yield BadRow(row.line, f"shared_image of {row.image_name} is another one than in line {first.line}.")
        act = acts.setdefault((row.labeler, row.image_name, row.labeled_at), row)
        if act.value != row.value:
            yield BadRow(row.line, f"the same labeler, image and time have another label in line {act.line}.")


def refused(bad: Sequence[BadRow]) -> str:
    return f"{len(bad)} row{'s' if len(bad) > 1 else ''} can't be imported, so nothing was."


def _rows(study: Study) -> Iterator[Row]:
    """Yield the labels that the layout can hold: grades and "Not acne".

    In the layout the latest row counts. So where a reader's current label is another reason, or was taken back, none of
    their rows on that image may be there.
    """
    holds = Q(grade__isnull=False) | Q(not_gradable=NotGradable.NOT_ACNE)
    current = Label.objects.filter(holds, assignment=OuterRef("assignment"), version=OuterRef("assignment__version"))
    labels = Label.objects.filter(
        holds, Exists(current), assignment__reader__study=study, assignment__is_repeat=False
    ).order_by("pk")
    fields = ("assignment__reader__code", "assignment__image__content_hash", "grade", "labeled_at")
    rows = labels.values_list(*fields, "assignment__image__is_golden")
    for reader, image, grade, labeled_at, golden in rows.iterator(FETCHED):
        yield reader, image_code(study, image), grade or NOT_ACNE, labeled_at, int(golden)


PUBLISHED = Table(
    "image_labels_new",
    'The first readings in the layout of the published study: the latest row counts; grades and "Not acne" only.',
    (
        Column("labeler", Kind.TEXT, "The reader's code."),
        Column("image_name", Kind.TEXT, "The image's code."),
        Column("label", Kind.WHOLE, "The grade; 0 is Not acne.", values="0, or the values of grade_scale.csv"),
        Column("label_at", Kind.TIME, "When the label was given."),
        Column("shared_image", Kind.WHOLE, "1 for a golden image, which every reader grades.", values="0; 1"),
    ),
    _rows,
)
