"""Errors by subgroup of images: readers and machine side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

from labeler.charts import axes
from labeler.charts.axes import Frame, Scale
from labeler.charts.chart import NARROW, Chart, Table
from labeler.charts.drawing import Drawing
from training.reports.charts.wording import ESTIMATE, NO_ESTIMATE, N, estimate_cells, spoken_interval
from training.reports.contents import StudyReport
from training.statistics.intervals import Estimate

ROW = 34.0
COLUMN = 24.0  # units for the name of a column


@dataclass(frozen=True)
class Row:
    """Images of one kind, and who errs by how much on them."""

    column: str
    value: str
    n: int
    readers: Estimate
    machine: Estimate | None


def of_kinds(report: StudyReport) -> Chart:
    rows = _rows(report)
    chart = Chart("subgroups", "On which images readers and machine err", "subgroups", _table(rows))
    if not rows:
        said = "Nothing is known of the golden images that tells kinds of them apart: add metadata, or measure them."
        return chart.saying(said)
    if all(row.readers.value is None for row in rows):
        least = max(row.n for row in rows)
        said = f"The largest group has {least} images; below 20 an error says too little. The table has their sizes."
        return chart.saying(said)
    rests_on = f"{report.golden_images} golden images; n stands beside each group, below 20 nothing is drawn."
    return chart.saying(_sentence(rows), rests_on).drawn_twice(lambda width: _draw(rows, width))


def _rows(report: StudyReport) -> list[Row]:
    run = report.machine_run
    machine = {(row.column, row.value): row.rmse for row in (run.machine.subgroups if run else ())}
    return [
        Row(row.column, row.value, row.images, row.rmse, machine.get((row.column, row.value)))
        for row in report.subgroups
    ]


def _table(rows: Sequence[Row]) -> Table:
    return Table(
        ("column", "value", "images", *(f"readers_{key}" for key in ESTIMATE), *(f"machine_{key}" for key in ESTIMATE)),
        tuple(
            (row.column, row.value, row.n, *estimate_cells(row.readers),
             *(estimate_cells(row.machine) if row.machine else NO_ESTIMATE))
            for row in rows
        ),
    )  # fmt: skip


def _sentence(rows: Sequence[Row]) -> str:
    said = ["RMSE of all readers against the others (circles) and of the machine against the consensus (diamonds)."]
    apart = _furthest_apart([row for row in rows if row.machine and row.machine.value is not None])
    said.append(apart)
    return " ".join(filter(None, said))


def _furthest_apart(rows: Sequence[Row]) -> str:
    """Name the two values of one column between which the machine's errors differ most, if their intervals part."""
    best, name = 0.0, ""
    for one in rows:
        for other in rows:
            if one.column != other.column or one.machine is None or other.machine is None:
                continue
            gap = (one.machine.low or 0.0) - (other.machine.high or 0.0)
            if gap > best:
                best = gap
                name = (
                    f"The machine errs more where {one.column} is {one.value} ({spoken_interval(one.machine)}) than "
                    f"where it is {other.value} ({spoken_interval(other.machine)})."
                )
    return name or "Between no two groups of one kind do the machine's intervals part."


def _draw(rows: Sequence[Row], width: float) -> Drawing:
    is_narrow = width <= NARROW
    columns = list(dict.fromkeys(row.column for row in rows))
    frame = Frame(
        112 if is_narrow else 170, 8, width - (10 if is_narrow else 60), 8 + ROW * len(rows) + COLUMN * len(columns)
    )
    sheet = Drawing(width, frame.bottom + 40)
    ends = [
        one.high or one.value for row in rows for one in (row.readers, row.machine) if one and one.value is not None
    ]
    x = Scale(0, 1.06 * max([*ends, 0.1]), frame.left, frame.right)
    axes.below(sheet, frame, x, "RMSE, in grades")
    y = frame.top
    for column in columns:
        sheet.words("title", (0, y + 16), column)
        y += COLUMN
        for row in rows:
            if row.column == column:
                _draw_row(sheet, frame, x, row, y)
                y += ROW
    return sheet


def _draw_row(sheet: Drawing, frame: Frame, x: Scale, row: Row, top: float) -> None:
    middle = top + ROW / 2
    name = row.value if len(row.value) <= 22 else f"{row.value[:21]}…"
    sheet.words("label", (frame.left - 8, middle + 1), name, anchor="end")
    sheet.words("soft", (frame.left - 8, middle + 13), f"{N}{row.n}", anchor="end", size=10)
    if row.readers.value is None:
        sheet.words("soft", (frame.left + 8, middle + 4), "too few images")
        return
    for estimate, look, y in ((row.readers, "reader", middle - 6), (row.machine, "machine", middle + 7)):
        if estimate is None or estimate.value is None:
            continue
        if estimate.interval:
            low, high = estimate.interval
            sheet.line(f"{look}-line", (x(low), y), (x(high), y))
        tip = f"{'readers' if look == 'reader' else 'machine'}: {spoken_interval(estimate)}"
        if look == "reader":
            sheet.dot(look, (x(estimate.value), y), 4.5, tip=tip)
        else:
            sheet.diamond(look, (x(estimate.value), y), 6, tip=tip)
