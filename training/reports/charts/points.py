"""Image by image, machine or reader against consensus: scatter, Bland-Altman, calibration."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

from labeler.charts import axes
from labeler.charts.axes import Frame, Scale
from labeler.charts.chart import HALF, Chart, Table
from labeler.charts.drawing import Drawing
from training.reports.charts.matrices import NO_MACHINE
from training.reports.charts.wording import N, estimate_cells, images, spoken_interval
from training.reports.contents import Calibration, Level, ReaderNumbers, RunReport
from training.statistics.bias import Limits
from training.statistics.intervals import Estimate

BIN = 0.25  # grades, of the histograms beside the scatter
HIDDEN = (
    "Each point is a golden image, and its score tells which one. "
    "So the points are shown to the study's admins once they gave a reason."
)
MARGIN = 46.0  # what the histograms take
FRAME = Frame(46, 12, HALF - 12, HALF - 46)


@dataclass(frozen=True)
class Place:
    """Where a point leads, for those who may see it."""

    address: str
    name: str


def scatter(run: RunReport | None, places: Sequence[Place] = ()) -> Chart:
    """Score against consensus; with `places`, one for each point, a point opens its image."""
    chart = Chart("scatter", "Score against consensus", "golden-rmse")
    if not run:
        return chart.saying(NO_MACHINE)
    if not run.points:
        return chart.saying(HIDDEN)
    points = [(point.consensus, point.score) for point in run.points]
    r = run.machine.pearson_r
    said = "On the dashed line the machine says what the readers said; the bars count how often each was said."
    if r.value is not None:
        said = f"The score follows the consensus with a correlation of {spoken_interval(r)}. {said}"
    chart = replace(chart, table=Table(("consensus", "score"), tuple(points)))
    chart = chart.saying(said, f"One point for each of {N}{images(len(points))}.")
    return chart.drawn(_draw_scatter(points, run.machine.levels, places))


def _draw_scatter(points: Sequence[tuple[float, float]], levels: Sequence[Level], places: Sequence[Place]) -> Drawing:
    sheet = Drawing(HALF, HALF)
    frame = Frame(FRAME.left, FRAME.top + MARGIN, FRAME.right - MARGIN, FRAME.bottom)
    values = [float(level.value) for level in levels]
    low = min([values[0] - 0.5, *(min(point) for point in points)])
    high = max([values[-1] + 0.5, *(max(point) for point in points)])
    x, y = Scale(low, high, frame.left, frame.right), Scale(low, high, frame.bottom, frame.top)
    ends = f"{values[0]:g} {levels[0].name} … {values[-1]:g} {levels[-1].name}"
    axes.below(sheet, frame, x, f"consensus of the readers ({ends})", ticks=values)
    axes.beside(sheet, frame, y, "score of the machine", ticks=values)
    sheet.line("ideal", (x(low), y(low)), (x(high), y(high)))
    for start, share in _histogram([point[0] for point in points], low, high):
        height = (MARGIN - 8) * share
        sheet.box("reader-bar", (x(start), frame.top - 4 - height), (x(start + BIN) - x(start) - 1, height))
    for start, share in _histogram([point[1] for point in points], low, high):
        width = (MARGIN - 8) * share
        sheet.box("machine-bar", (frame.right + 4, y(start + BIN)), (width, y(start) - y(start + BIN) - 1))
    for place, (consensus, score) in enumerate(points):
        said = f"consensus {consensus:.2f}, score {score:.2f}"
        opens = sheet.linked(places[place].address, f"{places[place].name}: {said}") if places else nullcontext()
        with opens:
            sheet.dot("point", (x(consensus), y(score)), 4.5, tip=said)
    return sheet


def _histogram(values: Sequence[float], low: float, high: float) -> list[tuple[float, float]]:
    """Return where each bin begins, and its height relative to the fullest."""
    bins = max(1, round((high - low) / BIN))
    counts = [0] * bins
    for value in values:
        counts[min(int((value - low) / BIN), bins - 1)] += 1
    fullest = max([*counts, 1])
    return [(low + BIN * place, count / fullest) for place, count in enumerate(counts)]


def machine_differences(run: RunReport | None) -> Chart:
    """Bland and Altman's plot of score and consensus."""
    chart = Chart("differences", "Score less consensus", "limits")
    if not run:
        return chart.saying(NO_MACHINE)
    if not run.points:
        return chart.saying(HIDDEN)
    points = [(point.score, point.consensus) for point in run.points]
    machine = run.machine
    who = ("the machine", "the consensus")
    return _differences(chart, points, machine.bias, machine.limits_of_agreement, look="point", who=who)


def reader_differences(reader: ReaderNumbers, pairs: Sequence[tuple[float, float]]) -> Chart:
    """Bland and Altman's plot of a reader's grades and the mean of the others; pairs: (grade, mean of the others)."""
    code = reader.code
    chart = Chart(f"differences-{code}", f"{code} less the others", "limits")
    limits = reader.limits_of_agreement
    return _differences(chart, pairs, reader.bias, limits, look="reader-point", who=(code, "the others"))


def _differences(
    chart: Chart,
    points: Sequence[tuple[float, float]],
    bias: Estimate,
    limits: Limits,
    *,
    look: str,
    who: tuple[str, str],
) -> Chart:
    rows = tuple(((value + against) / 2, value - against) for value, against in points)
    chart = replace(chart, table=Table(("mean", "difference"), rows))
    lower, upper = limits.lower, limits.upper
    if lower.value is None:
        return chart.saying(lower.reason)
    side = "above" if bias.known > 0 else "below"
    said = (
        f"On average {who[0]} is {abs(bias.known):.2f} grades {side} {who[1]}; 95 % of the differences lie "
        f"between {_signed(lower.known)} and {_signed(upper.known)}, where they are normal. Shaded: the "
        "intervals of these three lines."
    )
    chart = chart.saying(said, f"{N}{images(len(rows))}.")
    return chart.drawn(_draw_differences(rows, {"mean": bias, "lower": lower, "upper": upper}, look))


def _draw_differences(rows: Sequence[tuple[float, float]], lines: Mapping[str, Estimate], look: str) -> Drawing:
    sheet = Drawing(HALF, HALF * 0.84)
    frame = Frame(FRAME.left, FRAME.top, FRAME.right - 34, sheet.height - 46)
    middles, moved = [row[0] for row in rows], [row[1] for row in rows]
    ends = [end for line in lines.values() for end in (line.known, *(line.interval or ()))]
    reach = 1.08 * max(*(abs(value) for value in (*moved, *ends)), 0.5)
    x = Scale(min(middles) - 0.25, max(middles) + 0.25, frame.left, frame.right)
    y = Scale(-reach, reach, frame.bottom, frame.top)
    axes.below(sheet, frame, x, "mean of the two, in grades")
    axes.beside(sheet, frame, y, "difference, in grades")
    for name, line in lines.items():
        if line.interval:
            low, high = line.interval
            band = "machine-band" if look == "point" else "reader-band"
            sheet.box(band, (frame.left, y(high)), (frame.right - frame.left, y(low) - y(high)))
        sheet.line("axis" if name == "mean" else "limit", (frame.left, y(line.known)), (frame.right, y(line.known)))
        sheet.words("soft", (frame.right + 5, y(line.known) + 4), _signed(line.known))
    for middle, difference in rows:
        tip = f"mean {middle:.2f}, difference {_signed(difference)}"
        sheet.dot(look, (x(middle), y(difference)), 4, tip=tip)
    return sheet


def calibration(run: RunReport | None) -> Chart:
    """What the consensus is where the score says so."""
    chart = Chart("calibration", "Does a score mean what it says?", "calibration")
    if not run:
        return chart.saying(NO_MACHINE)
    told = run.machine.calibration
    rows = tuple((step.score, *estimate_cells(step.consensus)[:-1]) for step in told.reliability)
    chart = replace(chart, table=Table(("score", "consensus", "low", "high", "n"), rows))
    counted = f"{N}{images(sum(step.consensus.n for step in told.reliability))}, each counted under one dot."
    return chart.saying(_calibration_in_words(told), counted).drawn(_draw_calibration(told, run.machine.levels))


def _calibration_in_words(told: Calibration) -> str:
    slope = told.slope
    if slope.value is None:
        return slope.reason
    perfect = "Dots on the dashed line: what is scored 3 is 3 to the readers, on average."
    if slope.interval is None or slope.interval[0] <= 1 <= slope.interval[1]:
        leaning = "an interval with 1 in it: no stretching or shrinking is established"
    elif slope.value > 1:
        leaning = "above 1: scores shrink to the middle of the scale"
    else:
        leaning = "below 1: scores are stretched beyond what the readers say"
    return f"The slope of the consensus on the score is {spoken_interval(slope)}, {leaning}. {perfect}"


def _draw_calibration(told: Calibration, levels: Sequence[Level]) -> Drawing:
    sheet = Drawing(HALF, HALF * 0.84)
    frame = Frame(FRAME.left, FRAME.top, FRAME.right, sheet.height - 46)
    values = [float(level.value) for level in levels]
    low, high = values[0] - 0.5, values[-1] + 0.5
    x, y = Scale(low, high, frame.left, frame.right), Scale(low, high, frame.bottom, frame.top)
    axes.below(sheet, frame, x, "score of the machine", ticks=values)
    axes.beside(sheet, frame, y, "consensus, on average", ticks=values)
    sheet.line("ideal", (x(low), y(low)), (x(high), y(high)))
    slope, intercept = told.slope.value, told.intercept.value
    if slope is not None and intercept is not None:
        ends = _inside(slope, intercept, low, high)
        sheet.path("machine-line", [(x(at), y(intercept + slope * at)) for at in ends])
    for step in told.reliability:
        said, at = step.consensus, x(step.score)
        if said.interval:
            sheet.line("machine-line", (at, y(said.interval[0])), (at, y(said.interval[1])))
        tip = f"scored {step.score:.2f} on average, consensus {spoken_interval(said)}, {N}{said.n}"
        sheet.diamond("machine", (at, y(said.known)), 6, tip=tip)
        sheet.words("soft", (at + 9, y(said.known) + 14), f"{N}{said.n}")
    return sheet


def _inside(slope: float, intercept: float, low: float, high: float) -> tuple[float, float]:
    """Return between which scores the line stays on the sheet."""
    if abs(slope) < 1e-9:
        return low, high
    crossings = sorted(((low - intercept) / slope, (high - intercept) / slope))
    return max(low, crossings[0]), min(high, crossings[1])


def _signed(value: float) -> str:
    return f"{round(value, 2) + 0.0:+.2f}".replace("-", "\N{MINUS SIGN}")
