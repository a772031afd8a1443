"""Planning: the width of the report's intervals for a design, before any grading. SIMULATED.

Readers of the design grade images that do not exist; from their errors follows, by the delta method, the width of each
interval that `metrics` takes by bootstrap (the tests hold the two against each other). Widths go down with the
square root of the number of images, so one simulation answers for every size of the golden set.
"""

from bisect import bisect_left
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

import numpy as np

from scoring.regressor.score_scale import Scale
from training.statistics import intervals
from training.statistics.intervals import Floats

# Labels of the published study by grade, Clear to Severe.
PUBLISHED_COUNTS = (244, 1156, 1822, 614, 160)
PUBLISHED_SCALE = Scale.of_steps(len(PUBLISHED_COUNTS))
IMAGES = 4000  # simulated: a width comes out within 2 % of what ten times as many give
FEWEST_READERS = 200  # simulated: a small panel is simulated several times over
GOLDEN_SIZES = (50, 100, 150, 230, 350, 500, 750, 1000)
REPEAT_SIZES = (10, 20, 40, 60, 100, 150)
ONE_IN_TEN = 90  # the percentile that one reader in ten is beyond
SEED = 2019
WORTHWHILE = 0.05  # grades: a difference of RMSE that people would act on
# Of a normal distribution, from the middle to the end of the report's intervals.
REACH = NormalDist().inv_cdf((100 + intervals.LEVEL) / 200)


ONE_SIDE = (100 - intervals.LEVEL) / 200  # the error beyond one end of the report's intervals, and of a first verdict

# What a design may be: beyond it a number is a slip of the finger.
LIMITS: dict[str, tuple[float, float]] = {
    "readers": (2, 500),
    "golden": (10, 20_000),
    "repeats": (0, 20_000),
    "drop_out": (0, 0.9),
    "noise": (0.05, 2),
    "bias": (0, 2),
    "machine": (0.05, 2),
    "grades": (2, 9),  # as a study's levels, each of which has a digit key
    "margin": (0, 1),
    "power": (0.5, 0.99),
}


class DesignError(ValueError):
    """Why a design can't be simulated, as a sentence for people."""


@dataclass(frozen=True)
class Design:
    """What is chosen, and what is expected of people and machine. Standard deviations are in grades.

    Raises DesignError for what is beyond LIMITS.
    """

    readers: int = 11
    golden: int = 230  # images
    repeats: int = 40  # images that each reader meets a second time
    drop_out: float = 0.0  # share of the readers who stop, each at a random place of their list
    # With these defaults the published form of the readers' RMSE is 0.46 on average, as in the published study (0.388
    # to 0.517). Noise is taken for fresh at every look; how it splits there is not published.
    noise: float = 0.36  # of one grade around what the reader would say on average, before it is rounded
    bias: float = 0.20  # of the readers' biases
    machine: float = 0.45  # of the score around the true severity
    grades: int = len(PUBLISHED_COUNTS)  # of the scale, in steps of 1
    margin: float = 0.0  # grades of RMSE that the machine may be farther off than the worst reader
    power: float = 0.8  # the chance that what is so will be established

    def __post_init__(self) -> None:
        for name, (low, high) in LIMITS.items():
            if not low <= getattr(self, name) <= high:
                raise DesignError(f"{name} must be from {low:g} to {high:g}; it is {getattr(self, name):g}.")


@dataclass(frozen=True)
class Expected:
    """A number of the report and the width of its 95 % interval, from end to end; None where there would be none.

    Widths are what to expect on average: a single study's come out somewhat wider or narrower.
    """

    value: float
    width: float | None  # that half of the readers stay within
    wide: float | None  # that nine in ten readers stay within


@dataclass(frozen=True)
class Widths:
    """What to expect of each kind of number."""

    reader_rmse: Expected  # leave one out
    golden_rmse: Expected  # the machine's, against the consensus
    machine_minus_reader: Expected  # of the RMSE, on the same images
    repeat_sd: Expected  # sqrt(mean d^2 / 2) over the differences d of a reader's two grades


@dataclass(frozen=True)
class Plan:
    """What a design would tell, and how that changes with the two sizes that are cheap to choose."""

    design: Design
    expected: Widths
    by_golden: tuple[tuple[int, Widths], ...]
    by_repeats: tuple[tuple[int, Expected], ...]
    # Golden images at which a difference of WORTHWHILE from one reader, for half of the readers, is established with
    # the design's power.
    golden_to_compare: int
    # The same for a machine of the design to be closer than the worst reader, or not farther off by the margin; None
    # where too often it is not so. And the power that the design has for it.
    golden_for_verdict: int | None
    power_of_verdict: float
    is_simulated: bool = True


@dataclass(frozen=True)
class Readings:
    """Simulated grades: (panels, readers, images), NaN where a reader had stopped, and scores (panels, images)."""

    first: Floats
    second: Floats  # a second look of the same reader at the same image
    scores: Floats
    finished: Floats  # (panels, readers): the share of the list that each one did


@dataclass(frozen=True)
class _Spread:
    """Of each reader (P, n): a number of the report, and its interval's width if it rested on a single image."""

    values: Floats
    widths: Floats

    @property
    def deviations(self) -> Floats:
        """Return (P, n): the standard deviation of what one image adds to the number."""
        return self.widths / (2 * REACH)

    def expect(self, images: Floats | float) -> Expected:
        """Return what to expect with so many images, (P, n) or one number for all."""
        enough = np.broadcast_to(np.asarray(images) >= intervals.FEWEST["size"], self.widths.shape)
        widths = np.full(self.widths.shape, np.inf)
        np.divide(self.widths, np.sqrt(images), out=widths, where=enough)
        median, wide = (np.percentile(widths, share, method="nearest") for share in (50, ONE_IN_TEN))
        return Expected(float(np.nanmean(self.values)), _finite(median), _finite(wide))


def plan(design: Design, *, seed: int = SEED) -> Plan:
    """Simulate the design, and the same with other numbers of golden images and repeats."""
    readings = simulate(design, panels=-(-FEWEST_READERS // design.readers), images=IMAGES, seed=seed)
    spreads = _spreads(readings)
    repeats = sorted({*REPEAT_SIZES, design.repeats})
    golden = sorted({*GOLDEN_SIZES, design.golden})
    expected = _widths(spreads, readings, design)
    return Plan(
        design=design,
        expected=expected,
        by_golden=tuple((size, _widths(spreads, readings, replace(design, golden=size))) for size in golden),
        by_repeats=tuple((size, spreads["repeat_sd"].expect(size * readings.finished)) for size in repeats),
        golden_to_compare=_golden_to_compare(expected.machine_minus_reader, design),
        golden_for_verdict=_golden_for_verdict(spreads["machine_minus_reader"], design),
        power_of_verdict=_power_of_verdict(spreads["machine_minus_reader"], design),
    )


def images_needed(deviation: float, difference: float, *, power: float, errs: float) -> float:
    """Return how many images establish a difference with this power: ((z_errs + z_power) deviation / difference)^2.

    deviation: the standard deviation of what one image adds. errs: the error on one side. A half width of the interval
    as large as the difference is a power of one half, no more.
    """
    normal = NormalDist()
    reach = normal.inv_cdf(1 - errs) + normal.inv_cdf(power)
    return (reach * deviation / difference) ** 2


def power_with(images: float, deviation: float, difference: float, *, errs: float) -> float:
    """Return the chance that so many images establish a difference: Phi(difference sqrt(images) / deviation - z_errs).

    The error is on one side; a difference of 0 or less is established by error alone.
    """
    normal = NormalDist()
    return normal.cdf(difference * images**0.5 / deviation - normal.inv_cdf(1 - errs))


def in_words(plan: Plan) -> list[str]:
    """Say what the plan means, a sentence for each decision."""
    design, expected = plan.design, plan.expected
    sentences = (
        f"For measuring, each reader grades {design.golden} golden images, and {design.repeats} images a second time.",
        f"A reader's RMSE, leaving one out, would be about {_said(expected.reader_rmse)}.",
        f"The machine's golden RMSE would be about {_said(expected.golden_rmse)}.",
        _comparison(plan),
        _repetition(expected.repeat_sd),
        _drop_out(expected.reader_rmse) if design.drop_out else "",
    )
    return [sentence for sentence in sentences if sentence]


def _comparison(plan: Plan) -> str:
    width = plan.expected.machine_minus_reader.width
    if width is None:
        return "Machine and readers could not be compared."
    chance, design = f"{100 * plan.design.power:.0f} %", plan.design
    sentences = [
        f"Machine against one reader: half of all studies would establish a difference of RMSE of {width / 2:.2f}.",
        f"For {chance} of them to establish one of {WORTHWHILE} takes about {plan.golden_to_compare:,} golden images.",
    ]
    shown = f"not to be {design.margin:g} farther off than" if design.margin else "to be closer than"
    if plan.golden_for_verdict is None:
        sentences.append(
            f"No size lets {chance} of studies show such a machine {shown} the worst reader: too often it is not so."
        )
    else:
        sentences.append(
            f"To show such a machine {shown} the worst reader in {chance} of all studies takes about "
            f"{plan.golden_for_verdict:,} golden images; with {design.golden:,} the chance is "
            f"{100 * plan.power_of_verdict:.0f} %. That is for the first look; each later one needs somewhat more."
        )
    return " ".join(sentences)


def _repetition(expected: Expected) -> str:
    if expected.width is None:
        return "Without repeats, nothing would be known of how much a reader differs from themself."
    return f"How much a reader differs from themself, as a standard deviation, would be about {_said(expected)}."


def _drop_out(expected: Expected) -> str:
    """Say what becomes of those who stop early."""
    beyond = f"would have an interval wider than {expected.wide:.2f}" if expected.wide else "would have no interval"
    return f"Some stop on the way: one reader in ten {beyond}."


def _said(expected: Expected) -> str:
    if expected.width is None:
        return f"{expected.value:.2f}, without an interval"
    low, high = (expected.value + side * expected.width / 2 for side in (-1, 1))
    return f"{expected.value:.2f}, with an interval {expected.width:.2f} wide ({max(low, 0):.2f} to {high:.2f})"


def simulate(design: Design, *, panels: int, images: int, seed: int) -> Readings:
    """Let `panels` times the design's readers grade `images` images each."""
    rng = np.random.default_rng(seed)
    shape = (panels, design.readers, images)
    scale = Scale.of_steps(design.grades)
    severities = draw_severities((panels, 1, images), rng, steps=design.grades)
    seen = severities + rng.normal(0, design.bias, (panels, design.readers, 1))
    stops = rng.random(shape[:2]) < design.drop_out
    finished = np.where(stops, rng.random(shape[:2]), 1.0)
    given = rng.random(shape) < finished[..., None]  # lists are shuffled: who stops leaves out images at random
    looks = (seen + rng.normal(0, design.noise, shape) for _ in range(2))
    first, second = (np.where(given, scale.grades_of(look), np.nan) for look in looks)
    scores = severities[:, 0] + rng.normal(0, design.machine, (panels, images))
    return Readings(first, second, scale.clip(scores), finished)


def draw_severities(
    shape: int | tuple[int, ...], rng: np.random.Generator, *, steps: int = len(PUBLISHED_COUNTS)
) -> Floats:
    """Draw severities on a scale of 1 to `steps`: grades in the published proportions, evenly within half a grade."""
    shares = np.array(PUBLISHED_COUNTS) / sum(PUBLISHED_COUNTS)
    grades = rng.choice(PUBLISHED_SCALE.grades, size=shape, p=shares)
    return stretched(grades + rng.uniform(-0.5, 0.5, shape), steps)


def stretched(severities: Floats, steps: int) -> Floats:
    """Bring severities from the published scale to one of 1 to `steps`, half a grade beyond its ends included."""
    share = steps / len(PUBLISHED_COUNTS)
    return severities * share + (1 - share) / 2


def _spreads(readings: Readings) -> dict[str, _Spread]:
    """Return each kind of number by its name in `Widths`."""
    grades, scores = readings.first, readings.scores[:, None]
    given = np.isfinite(grades)
    sums, counts = (np.where(given, grades, 0).sum(axis=1, keepdims=True), given.sum(axis=1, keepdims=True))
    with np.errstate(invalid="ignore", divide="ignore"):  # an image that nobody else graded has no mean
        others = (sums - grades) / (counts - 1)
        everybody = sums / counts
    reader, machine = (grades - others) ** 2, (scores - others) ** 2
    return {
        "reader_rmse": _of_root(reader),
        "golden_rmse": _of_root((scores - everybody) ** 2),
        "machine_minus_reader": _of_difference(machine, reader),
        "repeat_sd": _of_root((readings.first - readings.second) ** 2 / 2),
    }


def _of_root(squares: Floats) -> _Spread:
    """Return sqrt(mean) of (P, n, images) squares; its error is that of the mean over twice the root."""
    roots = _root_mean(squares)
    return _Spread(roots, _full_width(squares / (2 * roots[..., None])))


def _of_difference(machine: Floats, reader: Floats) -> _Spread:
    """Return sqrt(mean) of the one less that of the other, on the images where there are both."""
    both = np.where(np.isfinite(machine + reader), 1.0, np.nan)
    machine, reader = machine * both, reader * both
    roots = _root_mean(machine), _root_mean(reader)
    influence = machine / (2 * roots[0][..., None]) - reader / (2 * roots[1][..., None])
    return _Spread(roots[0] - roots[1], _full_width(influence))


def _root_mean(squares: Floats) -> Floats:
    given = np.isfinite(squares)
    means = np.where(given, squares, 0).sum(axis=-1) / np.maximum(given.sum(axis=-1), 1)
    roots: Floats = np.where(means > 0, np.sqrt(means), np.nan)
    return roots


def _full_width(influence: Floats) -> Floats:
    """Return the width, from end to end, that an interval on a single image would have; NaN counts as endless."""
    given = np.isfinite(influence)
    n = np.maximum(given.sum(axis=-1), 1)
    means = np.where(given, influence, 0).sum(axis=-1) / n
    squares = np.where(given, (influence - means[..., None]) ** 2, 0).sum(axis=-1) / n
    widths: Floats = np.where(given.any(axis=-1), 2 * REACH * np.sqrt(squares), np.inf)
    return widths


def _widths(spreads: dict[str, _Spread], readings: Readings, design: Design) -> Widths:
    graded = design.golden * readings.finished
    return Widths(
        reader_rmse=spreads["reader_rmse"].expect(graded),
        golden_rmse=spreads["golden_rmse"].expect(design.golden),
        machine_minus_reader=spreads["machine_minus_reader"].expect(graded),
        repeat_sd=spreads["repeat_sd"].expect(design.repeats * readings.finished),
    )


def _golden_to_compare(compared: Expected, design: Design) -> int:
    """Return the size at which half of the readers' differences of WORTHWHILE are established."""
    deviation = (compared.width or 0.0) / (2 * REACH) * design.golden**0.5
    return int(np.ceil(images_needed(deviation, WORTHWHILE, power=design.power, errs=ONE_SIDE)))


def _golden_for_verdict(compared: _Spread, design: Design) -> int | None:
    """Return the smallest size at which the verdict on the worst reader comes with the design's power."""

    def is_enough(golden: int) -> bool:
        return _power_of_verdict(compared, replace(design, golden=golden)) >= design.power

    sizes = range(int(LIMITS["golden"][0]), int(LIMITS["golden"][1]) + 1)
    place = bisect_left(sizes, True, key=is_enough)  # noqa: FBT003
    return sizes[place] if place < len(sizes) else None


def _power_of_verdict(compared: _Spread, design: Design) -> float:
    """Return the chance of the verdict on the worst reader with the design's golden images, on average over panels.

    The bound of each of n readers errs with a share of the error (training/verdicts/against_readers.py); one that is
    below the margin is enough, so the reader of whom that is likeliest tells the least that the chance can be.
    """
    of_panels = [
        max(
            (
                power_with(design.golden, deviation, design.margin - value, errs=ONE_SIDE / design.readers)
                for value, deviation in zip(values, deviations, strict=True)
                if np.isfinite(value) and np.isfinite(deviation)
            ),
            default=0.0,
        )
        for values, deviations in zip(compared.values, compared.deviations, strict=True)
    ]
    return float(np.mean(of_panels))


def _finite(width: np.floating[Any]) -> float | None:
    return float(width) if np.isfinite(width) else None
