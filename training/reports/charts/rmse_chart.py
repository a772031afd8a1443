"""The RMSE chart: readers, machine, bar and noise ceiling."""

from collections.abc import Sequence
from dataclasses import dataclass

from labeler.charts import axes
from labeler.charts.axes import Frame, Scale
from labeler.charts.chart import NARROW, Chart, Table
from labeler.charts.drawing import Drawing
from training.reports.charts.wording import (
    ESTIMATE,
    NO_ESTIMATE,
    N,
    enumerate_words,
    estimate_cells,
    span,
    spoken_interval,
)
from training.reports.contents import StudyReport
from training.statistics.intervals import Estimate

TITLE = "RMSE on the golden set"
ROW = 27.0
HEAD = 44.0  # above the rows: the names of the two lines, and what each mark means
MOST_ROWS = 60  # beyond, the ones in the middle are in the table only


@dataclass(frozen=True)
class Row:
    """A reader's place, or the machine's."""

    code: str
    estimate: Estimate
    alone: float | None  # leave one out; the machine is in no consensus
    look: str


def of_everybody(report: StudyReport) -> Chart:
    """Readers in the published form, so that the bar is the worst of them; leave one out as a tick beside it."""
    rows = sorted(_rows(report), key=lambda row: (row.estimate.known, row.code))
    chart = Chart("errors", TITLE, "reader-rmse", _table(report))
    if not rows:
        return chart.saying(report.enough.sentence)
    shown, left = _fewer(rows)
    chart = chart.saying(_sentence(report, rows, left), _rests_on(report, rows))
    return chart.drawn_twice(lambda width: _draw(shown, report, width))


def _rows(report: StudyReport) -> list[Row]:
    rows = [
        Row(
            reader.code,
            reader.rmse,
            reader.rmse_leave_one_out.value,
            "simulated" if reader.is_simulated else "reader",
        )
        for reader in report.readers
        if reader.rmse.value is not None
    ]
    run = report.machine_run
    if run and run.machine.golden_rmse.value is not None:
        rows.append(Row("Machine", run.machine.golden_rmse, None, "machine"))
    return rows


def _fewer(rows: Sequence[Row]) -> tuple[list[Row], int]:
    if len(rows) <= MOST_ROWS:
        return list(rows), 0
    ends = [*rows[: MOST_ROWS // 2], *rows[-MOST_ROWS // 2 :]]
    machine = [row for row in rows if row.look == "machine" and row not in ends]
    return sorted([*ends, *machine], key=rows.index), len(rows) - len(ends) - len(machine)


def _sentence(report: StudyReport, rows: Sequence[Row], left: int) -> str:
    said = ["Further left is closer to the consensus; whiskers are 95 % intervals."]
    if report.bar:
        said.append(f"The paper's bar is the worst reader here, {report.bar.reader}, at {report.bar.value:.2f}.")
    machine = next((row for row in rows if row.look == "machine"), None)
    if machine:
        said.append(f"The machine stands at {spoken_interval(machine.estimate)}.")
    if machine and report.bar:
        said.append("Both are estimates on the same images: whether it is closer, the next picture says.")
    ceiling = report.agreement.noise_ceiling.value
    if ceiling is not None:
        said.append(f"No machine can be expected below the noise ceiling of {ceiling:.2f}.")
    without = [reader.code for reader in report.readers if reader.rmse.value is None]
    if without:
        said.append(f"Without a golden grade so far: {enumerate_words(without)}.")
    if left:
        said.append(f"{left} readers in the middle are in the table only.")
    return " ".join(said)


def _rests_on(report: StudyReport, rows: Sequence[Row]) -> str:
    return f"{N}{span([row.estimate.n for row in rows])} for each. {report.enough.sentence}"


def _table(report: StudyReport) -> Table:
    alone = tuple(f"leave_one_out_{key}" for key in ESTIMATE)
    rows = [
        (reader.code, *estimate_cells(reader.rmse), *estimate_cells(reader.rmse_leave_one_out))
        for reader in report.readers
    ]
    run = report.machine_run
    if run:
        rows.append(("machine", *estimate_cells(run.machine.golden_rmse), *NO_ESTIMATE))
    rows.append(("noise ceiling", *estimate_cells(report.agreement.noise_ceiling), *NO_ESTIMATE))
    return Table(("who", *ESTIMATE, *alone), tuple(rows))


def _draw(rows: Sequence[Row], report: StudyReport, width: float) -> Drawing:
    is_narrow = width <= NARROW
    longest = max(len(row.code) for row in rows)
    left = min(14 + 7.4 * longest, width / 3)
    frame = Frame(left, HEAD, width - (12 if is_narrow else 170), HEAD + ROW * len(rows))
    sheet = Drawing(width, frame.bottom + 62)
    x = Scale(0, 1.04 * _largest(rows, report), frame.left, frame.right)
    axes.below(sheet, frame, x, "RMSE, in grades")
    _draw_lines(sheet, frame, x, report)
    for place, row in enumerate(rows):
        _draw_row(sheet, frame, x, row, HEAD + ROW * (place + 0.5), is_narrow=is_narrow)
    _draw_legend(sheet, frame, {row.look for row in rows})
    return sheet


def _largest(rows: Sequence[Row], report: StudyReport) -> float:
    ends = [row.estimate.high or row.estimate.known for row in rows] + [row.alone or 0.0 for row in rows]
    return float(max([*ends, report.bar.value if report.bar else 0.0, 0.1]))


def _draw_lines(sheet: Drawing, frame: Frame, x: Scale, report: StudyReport) -> None:
    ceiling, bar = report.agreement.noise_ceiling.value, report.bar
    if ceiling is not None:
        sheet.line("ceiling", (x(ceiling), frame.top - 6), (x(ceiling), frame.bottom))
        sheet.words("ceiling-label", (x(ceiling), frame.top - 10), f"noise ceiling {ceiling:.2f}", anchor="middle")
    if bar:
        sheet.line("bar", (x(bar.value), frame.top - 22), (x(bar.value), frame.bottom))
        sheet.words("bar-label", (x(bar.value), frame.top - 27), f"the bar {bar.value:.2f}", anchor="middle")


def _draw_row(sheet: Drawing, frame: Frame, x: Scale, row: Row, y: float, *, is_narrow: bool) -> None:
    line = "machine-line" if row.look == "machine" else "reader-line"
    said = f"{row.code}: RMSE {spoken_interval(row.estimate)}, {N}{row.estimate.n}"
    sheet.words("title" if row.look == "machine" else "label", (frame.left - 8, y + 4), row.code, anchor="end")
    if row.estimate.interval:
        low, high = row.estimate.interval
        sheet.line(line, (x(low), y), (x(high), y))
        for end in (low, high):
            sheet.line(line, (x(end), y - 4), (x(end), y + 4))
    if row.alone is not None:
        sheet.line("axis", (x(row.alone), y - 6), (x(row.alone), y + 6))
    if row.look == "machine":
        sheet.diamond("machine", (x(row.estimate.known), y), 8, tip=said)
    else:
        sheet.dot(row.look, (x(row.estimate.known), y), 5, tip=said)
    if not is_narrow:
        n = f"  {N}{row.estimate.n}"
        sheet.words("soft", (frame.right + 12, y + 4), spoken_interval(row.estimate) + n)


def _draw_legend(sheet: Drawing, frame: Frame, looks: set[str]) -> None:
    """Say under the axis what each mark is."""
    at, y = 10.0, frame.bottom + 52
    for look, said in (("reader", "reader"), ("simulated", "SIMULATED reader"), ("machine", "machine")):
        if look not in looks:
            continue
        if look == "machine":
            sheet.diamond("machine", (at + 4, y), 6)
        else:
            sheet.dot(look, (at + 4, y), 4.5)
        sheet.words("soft", (at + 14, y + 4), said)
        at += 26 + 6.1 * len(said)
    if looks - {"machine"}:
        sheet.line("axis", (at + 2, y - 6), (at + 2, y + 6))
        sheet.words("soft", (at + 9, y + 4), "leave one out")
