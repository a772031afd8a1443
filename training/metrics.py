"""Every number we report, with its interval, or the reason why there is none. [core]

Definitions stand in docs/statistics.md. Grades are an (n readers, N images) float array with NaN where a reader gave
none: an incomplete design is normal. Intervals are percentile bootstrap intervals over images, 95 %, seeded.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
LEVEL = 95  # per cent
BOOTSTRAP_SEED = 20190101
DRAWS_AT_ONCE = 2**22  # 32 MB of indices, however many images there are
FEWEST_IMAGES = 2  # one image has no spread to take an interval from
FEWEST_TO_CORRELATE = 3  # any two images lie on a line
ROUNDING = 1e-9  # grades and scores that differ by less are the same number

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval and the images it rests on; or the reason why there is none."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Comparison:
    """The machine's RMSE minus a reader's, both against the mean of the other readers, on the same images."""

    difference: Estimate
    # Share of the resamples in which the machine's RMSE is the smaller one.
    machine_better: float | None

    def as_json(self) -> dict[str, Any]:
        return {**self.difference.as_json(), "machine_better": self.machine_better}


def consensus(grades: Floats) -> Floats:
    """Return (N,): the mean of each image's grades; NaN where it has none."""
    given = np.isfinite(grades)
    with np.errstate(invalid="ignore"):
        means: Floats = np.where(given, grades, 0).sum(axis=0) / given.sum(axis=0)
    return means


def consensus_without(grades: Floats, reader: int) -> Floats:
    """Return (N,): the mean of the other readers' grades."""
    return consensus(np.delete(grades, reader, axis=0))


def rmse(values: Floats, against: Floats) -> Estimate:
    """Return the root mean square of (N,) values - (N,) against, over the images where both are there."""
    squares = (values - against) ** 2
    squares = squares[np.isfinite(squares)]
    return _estimate(squares[:, None], lambda means: np.sqrt(means[..., 0]))


def reader_rmse(grades: Floats, reader: int) -> Estimate:
    """The published form: against the consensus that includes the reader."""
    return rmse(grades[reader], consensus(grades))


def reader_rmse_leave_one_out(grades: Floats, reader: int) -> Estimate:
    """Against the mean of the others. On complete data the published form is (n - 1) / n times this one."""
    return rmse(grades[reader], consensus_without(grades, reader))


def mean_absolute_error(values: Floats, against: Floats) -> Estimate:
    errors = np.abs(values - against)
    errors = errors[np.isfinite(errors)]
    return _estimate(errors[:, None], lambda means: means[..., 0])


def pearson_r(values: Floats, against: Floats) -> Estimate:
    """Pearson's correlation. A constant side has none, and any two images lie on a line."""
    both = np.isfinite(values) & np.isfinite(against)
    x, y = values[both], against[both]
    if len(x) < FEWEST_TO_CORRELATE:
        return _none(len(x), f"A correlation needs at least {FEWEST_TO_CORRELATE} images.")
    if min(np.ptp(x), np.ptp(y)) < ROUNDING:
        return _none(len(x), "One side never varies, so there is nothing to correlate.")
    x, y = _standardised(x), _standardised(y)  # moments of far-off numbers would cancel each other's digits
    return _estimate(np.stack([x, y, x * x, y * y, x * y], axis=1), _r_from_moments)


def compare_with_reader(scores: Floats, grades: Floats, reader: int) -> Comparison:
    """Pair the machine with a reader: RMSE of each against the mean of the others, on the images the reader graded."""
    others = consensus_without(grades, reader)
    squares = np.stack([(scores - others) ** 2, (grades[reader] - others) ** 2], axis=1)
    squares = squares[np.isfinite(squares).all(axis=1)]

    def difference(means: Floats) -> Floats:
        return np.sqrt(means[..., 0]) - np.sqrt(means[..., 1])

    estimate = _estimate(squares, difference)
    if estimate.value is None:
        return Comparison(estimate, None)
    return Comparison(estimate, float(np.mean(difference(_resampled_means(squares)) < -ROUNDING)))


def confusion(values: Floats, against: Floats, levels: tuple[int, ...]) -> NDArray[np.int64]:
    """Return (levels, levels) counts: rows are `against`, columns `values`, each cut half-way between two grades."""
    cuts = np.array(levels[:-1]) + 0.5
    both = np.isfinite(values) & np.isfinite(against)
    table = np.zeros((len(levels), len(levels)), dtype=np.int64)
    np.add.at(table, (np.digitize(against[both], cuts), np.digitize(values[both], cuts)), 1)
    return table


def _estimate(terms: Floats, statistic: Callable[[Floats], Floats]) -> Estimate:
    """Return statistic(mean of terms) for (N, k) terms per image, and its bootstrap interval."""
    n = len(terms)
    if n == 0:
        return _none(0, "No image has what this number needs.")
    value = float(statistic(terms.mean(axis=0)))
    if n < FEWEST_IMAGES:
        return Estimate(value, None, None, n, "One image gives no interval.")
    spread = statistic(_resampled_means(terms))
    low, high = np.percentile(spread[np.isfinite(spread)], [(100 - LEVEL) / 2, (100 + LEVEL) / 2])
    return Estimate(value, float(low), float(high), n)


def _resampled_means(terms: Floats) -> Floats:
    """Return (RESAMPLES, k): the means of the (N, k) terms over images drawn with replacement."""
    n = len(terms)
    # NumPy and Python both promise that this generator's numbers never change, and that they are the same ones: the
    # export's stand-alone script draws them with `random.Random(BOOTSTRAP_SEED)`.
    draws = np.random.RandomState([BOOTSTRAP_SEED])
    rows_at_once = max(1, DRAWS_AT_ONCE // n)
    blocks = [
        _times_drawn(draws, rows=min(rows_at_once, RESAMPLES - start), n=n) @ terms / n
        for start in range(0, RESAMPLES, rows_at_once)
    ]
    return np.concatenate(blocks)


def _times_drawn(draws: np.random.RandomState, *, rows: int, n: int) -> NDArray[np.intp]:
    """Return (rows, n): how often each of n images is among n drawn with replacement."""
    drawn = (draws.random_sample((rows, n)) * n).astype(np.intp)
    cells = drawn + n * np.arange(rows)[:, None]
    return np.bincount(cells.ravel(), minlength=rows * n).reshape(rows, n)


def _standardised(values: Floats) -> Floats:
    standardised: Floats = (values - values.mean()) / values.std()
    return standardised


def _r_from_moments(means: Floats) -> Floats:
    """Return r from the means of x, y, xx, yy, xy of standardised numbers; NaN for a resample without variance."""
    x, y, xx, yy, xy = np.moveaxis(means, -1, 0)
    of_x, of_y = xx - x * x, yy - y * y
    # Each side by itself: a side that never varies leaves 1e-17 or so, and the other side would hide that in a product.
    varies = np.minimum(of_x, of_y) > ROUNDING
    with np.errstate(invalid="ignore", divide="ignore"):
        r: Floats = np.where(varies, (xy - x * y) / np.sqrt(of_x * of_y), np.nan)
    return np.clip(r, -1, 1)


def _none(n: int, reason: str) -> Estimate:
    return Estimate(None, None, None, n, reason)
