"""How many labels came in on each day. [core]"""

from collections.abc import Sequence

from labeler.charts import axes
from labeler.charts.axes import Frame
from labeler.charts.chart import WIDE, Chart
from labeler.charts.drawing import Drawing

DATE = 66.0  # units: the width of a date under the bars
THICKEST = 40.0  # units


def of_days(days: Sequence[tuple[str, int]]) -> Chart:
    """Return a bar chart of (day in words, labels given on it), the latest day last."""
    chart = Chart("days", "Labels per day")
    if not days:
        return chart.saying("No label is counted yet.")
    counts = [labels for _, labels in days]
    said = f"{sum(counts):,} labels in {len(days)} day{'' if len(days) == 1 else 's'}, at most {max(counts):,} in one."
    return chart.saying(f"{said} The table below has the same numbers.").drawn_twice(lambda width: _draw(days, width))


def _draw(days: Sequence[tuple[str, int]], width: float) -> Drawing:
    sheet = Drawing(width, 240 if width >= WIDE else 200)
    frame = Frame(46, 8, width - 4, sheet.height - 24)
    y = axes.counted_beside(sheet, frame, max(labels for _, labels in days))
    slot = (frame.right - frame.left) / len(days)
    thickness = min(0.75 * slot, THICKEST)
    every = -(-len(days) // int((frame.right - frame.left) / (DATE + 34)))
    for place, (day, labels) in enumerate(days):
        middle = frame.left + slot * (place + 0.5)
        top = y(labels)
        sheet.box(
            "count", (middle - thickness / 2, top), (thickness, frame.bottom - top), tip=f"{day}: {labels:,} labels"
        )
        if (len(days) - 1 - place) % every == 0:  # today has its date
            at = min(max(middle, DATE / 2), width - DATE / 2)
            sheet.words("soft", (at, frame.bottom + 16), day, anchor="middle")
    return sheet
