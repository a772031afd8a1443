"""The machine less each reader, and the verdict: the difference and interval that the gate decides by."""

from collections.abc import Sequence

from labeler.charts import axes
from labeler.charts.axes import Frame, Scale
from labeler.charts.chart import NARROW, Chart, Table
from labeler.charts.drawing import Drawing
from training.reports.charts.wording import ESTIMATE, N, estimate_cells, images
from training.reports.contents import ComparedReader, RunReport
from training.verdicts import against_readers
from training.verdicts.against_readers import AgainstReaders

TITLE = "The machine against the readers"
ROW, HEAD = 24.0, 34.0
MOST_ROWS = 40  # readers; beyond, the ones in the middle are in the table only


def of_verdict(run: RunReport | None) -> Chart:
    """Readers are dots; the rule's reader is a diamond with the interval of this look."""
    found = run.against if run else None
    rows = [row for row in run.readers if row.machine_minus_reader.value is not None] if run else []
    rows.sort(key=lambda row: (row.machine_minus_reader.known, row.code))
    chart = Chart("against", TITLE, "against", _table(rows, found))
    if run is None:
        return chart.saying("No regressor has been fitted yet.")
    if found is None:
        return chart.saying("This run was judged by an earlier rule. Retrain for a verdict.")
    said = against_readers.in_words(found)
    if found.value is None:
        return chart.saying(said)
    said += " Left of 0 the machine is closer to the other readers."
    shown = rows if len(rows) <= MOST_ROWS else [*rows[: MOST_ROWS // 2], *rows[-MOST_ROWS // 2 :]]
    rests_on = f"{images(found.n)} with at least {found.grades_needed} grades."
    return chart.saying(said, rests_on).drawn_twice(lambda width: _draw(shown, found, width))


def _table(rows: Sequence[ComparedReader], found: AgainstReaders | None) -> Table:
    cells = [(row.code, *estimate_cells(row.machine_minus_reader)) for row in rows]
    verdict = [(against_readers.NAMES[found.rule.against], *estimate_cells(found))] if found else []
    return Table(("machine_minus", *ESTIMATE), (*verdict, *cells))


def _draw(rows: Sequence[ComparedReader], found: AgainstReaders, width: float) -> Drawing:
    is_narrow = width <= NARROW
    names = [against_readers.NAMES[found.rule.against], *(row.code for row in rows)]
    left = min(14 + 7.0 * max(map(len, names)), width / 3)
    frame = Frame(left, HEAD, width - (14 if is_narrow else 170), HEAD + ROW * (len(rows) + 1))
    sheet = Drawing(width, frame.bottom + 44)
    low, high = found.interval or (found.known, found.known)
    values = [row.machine_minus_reader.known for row in rows]
    reach = max(map(abs, [low, high, found.rule.margin, 0.05, *values]))
    x = Scale(-1.08 * reach, 1.08 * reach, frame.left, frame.right)
    axes.below(sheet, frame, x, "RMSE: machine less reader", ticks=x.ticks(5 if is_narrow else 9))
    sheet.line("ideal", (x(0), frame.top - 4), (x(0), frame.bottom))
    margin = found.rule.margin
    sheet.line("bar", (x(margin), frame.top - 10), (x(margin), frame.bottom))
    name = f"margin {margin:g}"
    at = min(max(x(margin), frame.left + 3.4 * len(name)), width - 3.4 * len(name))
    sheet.words("bar-label", (at, frame.top - 16), name, anchor="middle")
    _draw_verdict(sheet, frame, x, found, is_narrow=is_narrow)
    for place, (row, value) in enumerate(zip(rows, values, strict=True), start=1):
        y = frame.top + ROW * (place + 0.5)
        look = "simulated" if row.is_simulated else "reader"
        sheet.words("label", (frame.left - 8, y + 4), row.code, anchor="end")
        sheet.dot(
            look, (x(value), y), 4.5, tip=f"Machine less {row.code}: {value:+.3f}, {N}{row.machine_minus_reader.n}"
        )
    return sheet


def _draw_verdict(sheet: Drawing, frame: Frame, x: Scale, found: AgainstReaders, *, is_narrow: bool) -> None:
    y, name = frame.top + ROW / 2, against_readers.NAMES[found.rule.against]
    said = f"{found.known:+.2f}"
    sheet.words("title", (frame.left - 8, y + 4), name, anchor="end")
    if found.interval:
        low, high = found.interval
        said += f" ({low:+.2f} to {high:+.2f})"
        sheet.line("machine-line", (x(low), y), (x(high), y))
        for end in (low, high):
            sheet.line("machine-line", (x(end), y - 5), (x(end), y + 5))
    sheet.diamond("machine", (x(found.known), y), 8, tip=f"Machine less {name}: {said}, {N}{found.n}")
    if not is_narrow:
        sheet.words("soft", (frame.right + 12, y + 4), f"{said}  {N}{found.n}")
