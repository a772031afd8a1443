"""A CSV of labels from anywhere, read as a panel."""

import csv
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from training.statistics import panels
from training.statistics.panels import Panel, Reading

NEEDED = ("reader", "image", "grade")
OPTIONAL = ("position", "graded_at", "is_golden", "is_repeat")
YES, NO = {"yes", "true", "1", "y", "t"}, {"no", "false", "0", "n", "f", ""}
BAD_ROWS_SHOWN = 20  # bad rows named one by one; more are usually one mistake many times


class TableError(Exception):
    """Why a table can't be read, in sentences for people; each bad row has one."""

    def __init__(self, sentences: Sequence[str]) -> None:
        self.sentences = tuple(sentences)
        super().__init__("\n".join(sentences))


@dataclass(frozen=True)
class LabelTable:
    """What a table says."""

    panel: Panel
    rows: int
    without_grade: int
    images: int  # that readers are compared on
    images_of_one_reader: int  # left out of comparisons
    has_golden: bool  # whether the table says which images are to compare on


@dataclass(frozen=True)
class _Row:
    line: int
    is_golden: bool
    reading: Reading


def read(lines: Iterable[str], *, scale: Sequence[str] = ()) -> LabelTable:
    """Read a CSV. Grades are numbers, or names of the scale in order, the lowest first.

    Readers are compared on golden images, if the table says which these are; else on every image that two readers
    graded. Raises TableError.
    """
    table = csv.DictReader(lines)
    columns = [name.strip() for name in table.fieldnames or ()]
    _require_columns(columns)
    rows, bad = [], []
    for row in table:
        try:
            rows.append(_read_row(table.line_num, {key: cell for key, cell in row.items() if key}, scale))
        except ValueError as error:
            bad.append(f"Line {table.line_num}: {error}")
    bad += _doubles(rows) + _inconsistent(rows)
    if bad:
        raise TableError(_shortened(bad))
    if not rows:
        raise TableError(["The table has no rows below its heading."])
    return _arrange(rows, has_golden="is_golden" in columns, scale=scale)


def _require_columns(names: Sequence[str]) -> None:
    missing = [name for name in NEEDED if name not in names]
    if missing:
        needed, optional = ", ".join(NEEDED), ", ".join(OPTIONAL)
        cure = f"Its first line must name {needed}, with commas between; {optional} may be there too."
        raise TableError([f"The table has no column {' and no column '.join(missing)}. {cure}"])
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise TableError([f"The column {twice[0]} is there twice. Leave one of them out."])


def _read_row(line: int, row: Mapping[str, str | None], scale: Sequence[str]) -> _Row:
    cells = {name.strip(): (cell or "").strip() for name, cell in row.items()}
    for name in ("reader", "image"):
        if not cells[name]:
            raise ValueError(f"the {name} is empty.")
    reading = Reading(
        reader=cells["reader"],
        image=cells["image"],
        grade=_grade(cells["grade"], scale),
        is_repeat=_flag(cells, "is_repeat"),
        position=_number("position", cells.get("position", "")),
        graded_at=_time(cells.get("graded_at", "")),
    )
    return _Row(line, _flag(cells, "is_golden"), reading)


def _grade(cell: str, scale: Sequence[str]) -> float | None:
    if not cell:
        return None
    if not scale:
        return _number("grade", cell, " Grades are numbers; if they are names, give --scale.")
    if cell not in scale:
        raise ValueError(f"the grade {cell} is not on the scale {', '.join(scale)}.")
    return float(1 + scale.index(cell))


def _number(name: str, cell: str, cure: str = "") -> float | None:
    if not cell:
        return None
    try:
        number = float(cell)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"the {name} {cell} is not a number.{cure}")
    return number


def _time(cell: str) -> float | None:
    if not cell:
        return None
    try:
        time = datetime.fromisoformat(cell)
    except ValueError:
        raise ValueError(f"graded_at is {cell}; it must be a time such as 2026-11-25T09:15:00.") from None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _flag(cells: Mapping[str, str], name: str) -> bool:
    cell = cells.get(name, "").lower()
    if cell not in YES | NO:
        raise ValueError(f"{name} is {cell}; it must be yes or no.")
    return cell in YES


def _doubles(rows: Sequence[_Row]) -> list[str]:
    seen: dict[tuple[str, str, bool], int] = {}
    bad = []
    for row in rows:
        reading = row.reading
        first = seen.setdefault((reading.reader, reading.image, reading.is_repeat), row.line)
        if first != row.line:
            bad.append(
                f"Line {row.line}: {reading.reader} has graded {reading.image} in line {first} already. Keep the label "
                "that counts; a second reading of the image says so in is_repeat."
            )
    return bad


def _inconsistent(rows: Sequence[_Row]) -> list[str]:
    golden: dict[str, tuple[bool, int]] = {}
    bad = []
    for row in rows:
        is_golden, line = golden.setdefault(row.reading.image, (row.is_golden, row.line))
        if is_golden != row.is_golden:
            bad.append(f"Line {row.line}: is_golden of {row.reading.image} is not what line {line} says.")
    return bad


def _shortened(bad: Sequence[str]) -> list[str]:
    more = [f"And {len(bad) - BAD_ROWS_SHOWN} more bad rows."] if len(bad) > BAD_ROWS_SHOWN else []
    return [*bad[:BAD_ROWS_SHOWN], *more]


def _arrange(rows: Sequence[_Row], *, has_golden: bool, scale: Sequence[str]) -> LabelTable:
    readings = [row.reading for row in rows]
    first = [row for row in rows if row.reading.grade is not None and not row.reading.is_repeat]
    graded = Counter(row.reading.image for row in first)
    golden = {row.reading.image for row in first if row.is_golden}
    shared = golden if has_golden else {image for image, times in graded.items() if times > 1}
    readers = sorted({reading.reader for reading in readings})
    return LabelTable(
        panel=panels.build(readings, readers=readers, images=shared, levels=_levels(readings, scale)),
        rows=len(rows),
        without_grade=sum(reading.grade is None for reading in readings),
        images=len(shared),
        images_of_one_reader=sum(times == 1 for times in graded.values()),
        has_golden=has_golden,
    )


def _levels(readings: Sequence[Reading], scale: Sequence[str]) -> dict[float, str]:
    """Return the scale: the names given, or else the grades that occur."""
    if scale:
        return {float(place): name for place, name in enumerate(scale, start=1)}
    return {grade: f"{grade:g}" for grade in sorted({r.grade for r in readings if r.grade is not None})}
