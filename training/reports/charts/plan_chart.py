"""How the intervals of a planned study narrow with the number of golden images. [core]"""

from collections.abc import Callable
from dataclasses import dataclass

from labeler.charts import axes
from labeler.charts.axes import Frame, Scale
from labeler.charts.chart import WIDE, Chart
from labeler.charts.drawing import Drawing
from training.statistics.planning import Expected, Plan, Widths

LEGEND_ROW = 20.0  # units


@dataclass(frozen=True)
class Line:
    """One of the intervals: how it is called and drawn."""

    title: str
    look: str
    mark: Callable[..., None]  # draws a point
    radius: float
    expected: Callable[[Widths], Expected]


LINES = (
    Line("Machine minus reader", "difference", Drawing.triangle, 6, lambda widths: widths.machine_minus_reader),
    Line("A reader's RMSE", "reader", Drawing.dot, 4.5, lambda widths: widths.reader_rmse),
    Line("The machine's golden RMSE", "machine", Drawing.diamond, 5.5, lambda widths: widths.golden_rmse),
)


def of_widths(plan: Plan) -> Chart:
    """Return a line for each kind of interval: its width over the sizes of the golden set. No width, no point."""
    said = "The width of three intervals falls as golden images are added. The table below has the same numbers."
    chart = Chart("widths", "Interval width against golden images").saying(said)
    return chart.drawn_twice(lambda width: _draw(plan, width))


def _draw(plan: Plan, width: float) -> Drawing:
    is_wide = width >= WIDE
    top = LEGEND_ROW * (1 if is_wide else len(LINES)) + 26
    sheet = Drawing(width, top + (330 if is_wide else 260))
    frame = Frame(52, top, width - 20, sheet.height - 42)
    drawn = {
        line: [(size, found) for size, widths in plan.by_golden if (found := line.expected(widths).width) is not None]
        for line in LINES
    }
    x = Scale(0, plan.by_golden[-1][0], frame.left, frame.right)
    y = Scale(0, 1.06 * max((found for points in drawn.values() for _, found in points), default=1), frame.bottom, top)
    axes.below(sheet, frame, x, "Golden images", ticks=x.ticks(10 if is_wide else 4))
    axes.beside(sheet, frame, y, "Width of the interval, in grades")
    chosen = x(plan.design.golden)
    sheet.line("ideal", (chosen, top), (chosen, frame.bottom))
    said = f"this design: {plan.design.golden}"
    reach = 3.2 * len(said)
    sheet.words("soft", (min(max(chosen, reach), width - reach), top - 6), said, anchor="middle")
    for line, points in drawn.items():
        sheet.path(f"{line.look}-line", [(x(size), y(found)) for size, found in points])
        for size, found in points:
            tip = f"{size} golden images: {line.title} {found:.3f} wide"
            line.mark(sheet, line.look, (x(size), y(found)), line.radius, tip=tip)
    _draw_legend(sheet, frame, is_wide=is_wide)
    return sheet


def _draw_legend(sheet: Drawing, frame: Frame, *, is_wide: bool) -> None:
    at, y = frame.left, 12.0
    for line in LINES:
        line.mark(sheet, line.look, (at + 6, y), line.radius)
        sheet.words("label", (at + 17, y + 4), line.title)
        if is_wide:
            at += 40 + 6.6 * len(line.title)
        else:
            y += LEGEND_ROW
