"""Changes over time: each reader over a study's images, the machine over the nights."""

from collections.abc import Sequence
from dataclasses import dataclass

from labeler.charts import axes
from labeler.charts.axes import Frame, Scale
from labeler.charts.chart import NARROW, WIDE, Chart, Table
from labeler.charts.drawing import Drawing
from training.reports.charts.wording import (
    ESTIMATE,
    N,
    enumerate_words,
    estimate_cells,
    span,
    spoken_interval,
)
from training.reports.contents import ReaderNumbers
from training.statistics.drift import WEIGHT, Drift
from training.statistics.intervals import Estimate

MOST_PANELS = 24
PANEL = 120.0  # units high
MOST_RUNS = 30


def drift(readers: Sequence[ReaderNumbers], *, only: str = "") -> Chart:
    """A panel for every reader: the moving average of their golden residuals, and its limits."""
    asked = [reader for reader in readers if only in ("", reader.code)]
    readers = [reader for reader in asked if reader.drift.ewma]
    name, title = (f"drift-{only}", f"Does {only} drift?") if only else ("drift", "Does anybody drift?")
    chart = Chart(name, title, "drift", _drift_table(readers))
    if not readers:
        reasons = dict.fromkeys(reader.drift.reason for reader in asked)
        return chart.saying(" ".join(reasons) or "There are no readers yet.")
    # Whoever is beyond a limit comes first where not all can be shown.
    shown = readers if len(readers) <= MOST_PANELS else sorted(readers, key=_alarm_first)[:MOST_PANELS]
    said = _one_in_words(readers[0]) if only else _drift_in_words(readers, len(readers) - len(shown))
    counts = span([reader.drift.n for reader in readers])
    rests_on = f"{N}{counts} in the order of reading; an average looks back over about {2 / WEIGHT:.0f}."
    return chart.saying(said, rests_on).drawn_twice(lambda width: _draw_drift(shown, width))


def _alarm_first(reader: ReaderNumbers) -> tuple[bool, float]:
    return reader.drift.alarm_at is None, reader.drift.p or 1.0


def _one_in_words(reader: ReaderNumbers) -> str:
    alarm = reader.drift.alarm_at
    where = f"goes beyond the limits from golden image {alarm} on" if alarm else "stays within the limits"
    return f"{reader.code} {where}. Of 100 readers who never change, 5 would go beyond somewhere, by chance."


def _drift_in_words(readers: Sequence[ReaderNumbers], left: int) -> str:
    beyond = [f"{reader.code} from image {reader.drift.alarm_at} on" for reader in readers if reader.drift.alarm_at]
    said = f"Beyond their limits: {enumerate_words(beyond)}." if beyond else "No reader is beyond their limits."
    more = f" {left} more readers are in the table." if left else ""
    expected = 0.05 * len(readers)
    return f"{said} Of {len(readers)} readers who never change, {expected:.1f} would be, by chance.{more}"


def _drift_table(readers: Sequence[ReaderNumbers]) -> Table:
    rows = [
        (reader.code, place, value, _limit(reader.drift, place))
        for reader in readers
        for place, value in enumerate(reader.drift.ewma, start=1)
    ]
    return Table(("reader", "golden_image", "average", "limit"), tuple(rows))


def _limit(moved: Drift, place: int) -> float:
    return float((moved.limit or 0.0) * (1 - (1 - WEIGHT) ** (2 * place)) ** 0.5)


def _draw_drift(readers: Sequence[ReaderNumbers], width: float) -> Drawing:
    columns = min(len(readers), 1 if width <= NARROW else 4)
    gap = 18.0
    side = (width - gap * (columns - 1)) / columns
    rows = -(-len(readers) // columns)
    sheet = Drawing(width, (PANEL + 34) * rows + 8)
    averages = [abs(value) for reader in readers for value in reader.drift.ewma]
    reach = 1.1 * max(averages + [reader.drift.limit or 0.0 for reader in readers])
    for place, reader in enumerate(readers):
        left, top = (side + gap) * (place % columns), (PANEL + 34) * (place // columns) + 20
        _draw_panel(sheet, Frame(left + 30, top, left + side - 4, top + PANEL - 16), reader, reach)
    return sheet


def _draw_panel(sheet: Drawing, frame: Frame, reader: ReaderNumbers, reach: float) -> None:
    moved = reader.drift
    averages = moved.ewma
    x = Scale(1, max(len(averages), 2), frame.left, frame.right)
    y = Scale(-reach, reach, frame.bottom, frame.top)
    axes.beside(sheet, frame, y, "", ticks=Scale(-reach, reach, 0, 1).ticks(4))
    for tick in (1, len(averages)):
        sheet.words("soft", (x(tick), frame.bottom + 13), str(tick), anchor="start" if tick == 1 else "end", size=10)
    for side in (-1, 1):
        limits = [(x(place), y(side * _limit(moved, place))) for place in range(1, len(averages) + 1)]
        sheet.path("limit", limits)
    sheet.path("reader-line", [(x(place), y(value)) for place, value in enumerate(averages, start=1)])
    sheet.words("title", (frame.left, frame.top - 6), reader.code)
    alarm = moved.alarm_at
    if alarm:
        sheet.dot("alarm", (x(alarm), y(averages[alarm - 1])), 6, tip=f"beyond the limit from image {alarm} on")
        sheet.words("bar-label", (frame.right, frame.top - 6), f"beyond from {alarm} on", anchor="end")


@dataclass(frozen=True)
class Night:
    """One run that has a report."""

    run: int
    day: str
    golden_rmse: Estimate
    bar: float | None
    recipe: str
    is_published: bool


def history(nights: Sequence[Night]) -> Chart:
    """The machine's golden RMSE from run to run, and the bar it was held against."""
    table = Table(
        ("run", "day", "recipe", "published", *ESTIMATE, "bar"),
        tuple(
            (night.run, night.day, night.recipe, "yes" if night.is_published else "no",
             *estimate_cells(night.golden_rmse), night.bar)
            for night in nights
        ),
    )  # fmt: skip
    chart = Chart("history", "From night to night", "golden-rmse", table)
    if not nights:
        return chart.saying("No run has finished yet.")
    shown = nights[-MOST_RUNS:]
    said = f"{_nights_in_words(nights)} Dashed: the bar at each run."
    rests_on = f"{N}{span([night.golden_rmse.n for night in nights])}."
    return chart.saying(said, rests_on).drawn_twice(lambda width: _draw_history(shown, width))


def _nights_in_words(nights: Sequence[Night]) -> str:
    latest, published = nights[-1], sum(night.is_published for night in nights)
    stands = spoken_interval(latest.golden_rmse)
    if len(nights) == 1:
        return f"The only run stands at {stands} and was {'' if published else 'not '}published."
    return f"The latest of {len(nights)} runs stands at {stands}; {published} were published (filled)."


def _draw_history(nights: Sequence[Night], width: float) -> Drawing:
    sheet = Drawing(width, 260)
    frame = Frame(46, 14, width - 14, 206)
    ends = [night.golden_rmse.high or night.golden_rmse.known for night in nights]
    highest = max(ends + [night.bar or 0.0 for night in nights])
    inset = 26.0
    ends_of_x = (0, len(nights) - 1) if len(nights) > 1 else (-1, 1)
    x = Scale(*ends_of_x, frame.left + inset, frame.right - inset)
    y = Scale(0, 1.08 * max(highest, 0.1), frame.bottom, frame.top)
    axes.beside(sheet, frame, y, "golden RMSE")
    bars = [(x(place), y(night.bar)) for place, night in enumerate(nights) if night.bar is not None]
    if len(bars) == 1:
        bars = [(frame.left, bars[0][1]), (frame.right, bars[0][1])]
    sheet.path("bar-line", bars)
    sheet.path("machine-line", [(x(place), y(night.golden_rmse.known)) for place, night in enumerate(nights)])
    every = max(1, -(-len(nights) // (12 if width >= WIDE else 5)))
    for place, night in enumerate(nights):
        _draw_night(sheet, (x(place), y), night)
        if place % every == 0:
            sheet.words("soft", (x(place), frame.bottom + 16), f"run {night.run}", anchor="middle")
            sheet.words("soft", (x(place), frame.bottom + 30), night.day, anchor="middle", size=10)
    return sheet


def _draw_night(sheet: Drawing, at: tuple[float, Scale], night: Night) -> None:
    x, y = at
    estimate = night.golden_rmse
    if estimate.interval:
        low, high = estimate.interval
        sheet.line("machine-line", (x, y(low)), (x, y(high)))
    tip = (
        f"run {night.run}, {night.recipe}: {spoken_interval(estimate)}, {'' if night.is_published else 'not '}published"
    )
    sheet.diamond("machine" if night.is_published else "unpublished", (x, y(estimate.known)), 7, tip=tip)
