"""An estimate with its interval and n, or the reason why there is none.

Intervals are 95 %, by the jackknife: each person's images are left out in turn, and Student's t with one degree of
freedom less than there are people spans what the number varies by. It does so on the scale on which the number's
spread depends least on its size: its logarithm for an error or a standard deviation, Fisher's z for a correlation or a
kappa (Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapters 11 and 12). Shares have Wilson's
interval with the effective sample size (Korn and Graubard 1998). Nothing is random. `benchmarks/training/coverage`
says how often they hold the truth; below FEWEST they do not, and none is given.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

LEVEL = 95  # per cent
UPPER = (100 + LEVEL) / 200  # of a two-sided interval
FEWEST_TO_SHOW = 20  # images that a pair of readers, or a subgroup, must have
# People: with fewer an interval on this scale holds the truth less often than it says.
FEWEST: dict["Scale", int] = {"plain": 10, "size": 20, "spread": 30, "correlation": 20}
ROUNDING = 1e-9  # grades and scores that differ by less are the same number
NO_VARIANCE = 1e-12  # grades squared: rounding leaves less of the variance of equal numbers, or of points on a line
Z = 1.959963984540054  # of a 95 % interval of a normal distribution

Floats = NDArray[np.float64]
People = NDArray[np.intp]  # (N,) the number of the person in each image
Statistic = Callable[[Floats], Floats]  # of (..., k) means, NaN where there is no such number
# A size is an error, above 0; a spread a standard deviation around what was fitted; a correlation is at most 1.
Scale = Literal["plain", "size", "spread", "correlation"]


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


def estimate(terms: Floats, statistic: Statistic, people: People | None = None, *, scale: Scale = "plain") -> Estimate:
    """Return statistic(mean of terms) for (N, k) terms per image, and its interval.

    Images with a NaN among their terms do not count. Without `people` each image is of a person of its own.
    """
    there = np.isfinite(terms).all(axis=1)
    terms = terms[there]
    n = len(terms)
    if n == 0:
        return none(0, "No image has what this number needs.")
    value = float(statistic(terms.mean(axis=0)))
    if not math.isfinite(value):
        return none(n, "These images give no such number.")
    sums, images = _by_person(terms, None if people is None else people[there])
    fewest = FEWEST[scale]
    if len(sums) < fewest:
        whom = (
            f"{len(sums)} {'person' if len(sums) == 1 else 'people'}" if len(sums) < n else f"{n} image{'s' * (n > 1)}"
        )
        return Estimate(value, None, None, n, f"{whom}; below {fewest} an interval would promise too much.")
    rest = n - images
    if not rest.all():
        return Estimate(value, None, None, n, "All images are of one person.")
    return _spanned(value, statistic((sums.sum(axis=0) - sums) / rest[:, None]), n, scale)


def _by_person(terms: Floats, people: People | None) -> tuple[Floats, Floats]:
    """Return (m, k) sums and (m,) numbers of images."""
    if people is None:
        return terms, np.ones(len(terms))
    _, person = np.unique(people, return_inverse=True)
    images = np.bincount(person).astype(float)
    sums = np.zeros((len(images), terms.shape[1]))
    np.add.at(sums, person, terms)
    return sums, images


def _spanned(value: float, left_out: Floats, n: int, scale: Scale) -> Estimate:
    to, back = _SCALES[scale]
    m = len(left_out)
    with np.errstate(invalid="ignore", divide="ignore"):
        middle, moved = to(np.array(value)), to(left_out)
    if not np.isfinite(moved).all() or not math.isfinite(middle):
        return Estimate(value, None, None, n, "It rests on one person, or is at the end of its scale: no interval.")
    error = math.sqrt((m - 1) / m * float(np.square(moved - moved.mean()).sum()))
    half = student(m - 1) * error
    low, high = back(np.array([middle - half, middle + half]))
    return Estimate(value, float(low), float(high), n)


def student(freedom: int) -> float:
    """Return the t that the 95 % interval reaches to."""
    from scipy.special import stdtrit  # on first use: docs/decisions.md

    return float(stdtrit(freedom, UPPER))


_SCALES: dict[Scale, tuple[Callable[[Floats], Floats], Callable[[Floats], Floats]]] = {
    "plain": (lambda value: value, lambda value: value),
    "size": (np.log, np.exp),
    "spread": (np.log, np.exp),
    "correlation": (np.arctanh, np.tanh),
}


def mean(values: Floats, people: People | None = None) -> Estimate:
    """Return the mean of (N,) values, over those that are there."""
    return estimate(values[:, None], lambda means: means[..., 0], people)


def share(held: Floats, people: People | None = None) -> Estimate:
    """Return the share of ones among (n, N) ones and noughts with NaN where nothing was there; one row may be (N,).

    What was said of one image, or of one person's images, counts for as much as the spread between people says.
    """
    rows = np.atleast_2d(held)
    given = np.isfinite(rows).sum(axis=0)
    ones = np.nansum(rows, axis=0)
    n = int((given > 0).sum())
    if n == 0:
        return none(0, "No image has what this number needs.")
    terms = np.stack([ones, given], axis=1)[given > 0]
    sums, _ = _by_person(terms, None if people is None else people[given > 0])
    total, value, m = float(sums[:, 1].sum()), float(sums[:, 0].sum() / sums[:, 1].sum()), len(sums)
    effective = float(m)  # where all say the same, nothing tells that one person's are worth more than one
    if 0 < value < 1 and m > 1:
        variance = m / (m - 1) * float(np.square(sums[:, 0] - value * sums[:, 1]).sum()) / total**2
        effective = min(value * (1 - value) / variance, total) if variance > 0 else total
    low, high = _wilson(value, effective)
    return Estimate(value, low, high, n)


def _wilson(value: float, n: float) -> tuple[float, float]:
    """Return Wilson's (1927) interval."""
    middle = (value + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(value * (1 - value) / n + Z**2 / (4 * n**2))
    return max(middle - half, 0.0) if value > 0 else 0.0, min(middle + half, 1.0) if value < 1 else 1.0
