"""An estimate with its interval and n, or the reason why there is none.

Intervals are percentile bootstrap intervals over images, 95 %, seeded. A statistic is a function of means over images,
so that all resamples are one product of matrices: how often each image was drawn, times what it adds to the means.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
LEVEL = 95  # per cent
TAILS = ((100 - LEVEL) / 2, (100 + LEVEL) / 2)  # per cent
BOOTSTRAP_SEED = 20190101
DRAWS_AT_ONCE = 2**21  # 16 MB of counts, however many images there are
FEWEST_IMAGES = 2  # one image has no spread to take an interval from
FEWEST_TO_SHOW = 20  # images that a pair of readers, or a subgroup, must have
ROUNDING = 1e-9  # grades and scores that differ by less are the same number
NO_VARIANCE = 1e-12  # grades squared: rounding leaves less of the variance of equal numbers, or of points on a line

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]  # of (..., k) means, NaN where a resample has no such number


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval and the images it rests on; or the reason why there is none."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    reason: str = ""

    @property
    def known(self) -> float:
        """The value, where the caller has seen to it that there is one. Raises ValueError with the reason."""
        if self.value is None:
            raise ValueError(self.reason)
        return self.value

    @property
    def interval(self) -> tuple[float, float] | None:
        """The two ends of the interval, if it has one."""
        return None if self.low is None or self.high is None else (self.low, self.high)


def root(variance: Floats) -> Floats:
    """Return the root of a variance that is a difference of means; 0 where it is a rounding error.

    The root of such an error is large enough to be printed.
    """
    sd: Floats = np.sqrt(np.where(variance > NO_VARIANCE, variance, 0))
    return sd


def none(n: int, reason: str) -> Estimate:
    return Estimate(None, None, None, n, reason)


def estimate(terms: Floats, statistic: Statistic) -> Estimate:
    """Return statistic(mean of terms) for (N, k) terms per image, and its bootstrap interval.

    The statistic of all images must be a number; that of a resample may be NaN, and such a resample is left out.
    """
    return estimates(terms, [statistic])[0]


def estimates(terms: Floats, statistics: Sequence[Statistic]) -> list[Estimate]:
    """Return several statistics of the same terms, on the same resamples."""
    n = len(terms)
    if n == 0:
        return [none(0, "No image has what this number needs.") for _ in statistics]
    values = [float(statistic(terms.mean(axis=0))) for statistic in statistics]
    if n < FEWEST_IMAGES:
        return [Estimate(value, None, None, n, "One image gives no interval.") for value in values]
    resampled = resampled_means(terms)
    return [_estimate(value, statistic(resampled), n) for value, statistic in zip(values, statistics, strict=True)]


def _estimate(value: float, spread: Floats, n: int) -> Estimate:
    spread = spread[np.isfinite(spread)]
    if len(spread) < RESAMPLES / 2:
        return Estimate(value, None, None, n, "Most resamples have no such number, so there is no interval.")
    low, high = np.percentile(spread, TAILS)
    return Estimate(value, float(low), float(high), n)


def mean(values: Floats) -> Estimate:
    """Return the mean of (N,) values, over those that are there."""
    return estimate(values[np.isfinite(values)][:, None], lambda means: means[..., 0])


def resampled_means(terms: Floats) -> Floats:
    """Return (RESAMPLES, k): the means of the (N, k) terms over images drawn with replacement."""
    n = len(terms)
    if n * RESAMPLES <= DRAWS_AT_ONCE:
        means: Floats = _all_times_drawn(n) @ terms / n
        return means
    # NumPy and Python both promise that this generator's numbers never change, and that they are the same ones: the
    # export's stand-alone script draws them with `random.Random(BOOTSTRAP_SEED)`.
    draws = np.random.RandomState([BOOTSTRAP_SEED])
    rows_at_once = max(1, DRAWS_AT_ONCE // n)
    blocks = [
        _times_drawn(draws, rows=min(rows_at_once, RESAMPLES - start), n=n) @ terms / n
        for start in range(0, RESAMPLES, rows_at_once)
    ]
    return np.concatenate(blocks)


@lru_cache(maxsize=4)
def _all_times_drawn(n: int) -> Floats:
    """Return (RESAMPLES, n). Kept, because most numbers of a panel rest on equally many images."""
    return _times_drawn(np.random.RandomState([BOOTSTRAP_SEED]), rows=RESAMPLES, n=n).astype(np.float64)


def _times_drawn(draws: np.random.RandomState, *, rows: int, n: int) -> NDArray[np.intp]:
    """Return (rows, n): how often each of n images is among n drawn with replacement."""
    drawn = (draws.random_sample((rows, n)) * n).astype(np.intp)
    cells = drawn + n * np.arange(rows)[:, None]
    return np.bincount(cells.ravel(), minlength=rows * n).reshape(rows, n)
