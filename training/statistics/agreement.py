"""Agreement of readers: weighted kappa, intraclass correlation, Krippendorff's alpha.

Grades are an (n readers, N images) float array with NaN where a reader gave none. Two readers are always compared on
the images that both of them graded.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from training.statistics.intervals import FEWEST_TO_SHOW, ROUNDING, UPPER, Estimate, Floats, People, estimate, none

# Pairs grow with the square of the readers: beyond, a heat map of intervals takes minutes and is unreadable.
MOST_READERS_WITH_INTERVALS = 24
MOST_LEVELS = 40  # that alpha counts pairs of grades for; a finer scale is read as numbers, by the interval metric


@dataclass(frozen=True)
class Pair:
    """Quadratic weighted kappa of two readers, by their places."""

    first: int
    second: int
    kappa: Estimate


@dataclass(frozen=True)
class Intraclass:
    """Shrout and Fleiss's (1979) two-way coefficients, on the images that all readers graded.

    single: ICC(2,1), agreement of one reader with another; average: ICC(2,k), of the readers' mean with that of k
    others; consistency: ICC(3,1), as single, but steady differences between readers are forgiven.
    """

    single: Estimate
    average: Estimate
    consistency: Estimate
    readers: int  # k
    dropped: int  # images that some reader did not grade


@dataclass(frozen=True)
class _MeanSquares:
    """Of a complete two-way table of n images and k readers."""

    images: float
    readers: float
    left: float
    n: int
    k: int


def weighted_kappa(first: Floats, second: Floats, people: People | None = None) -> Estimate:
    """Return the quadratic weighted kappa of two (N,) rows, on the images where both have a grade.

    1 - mean (x - y)^2 / mean (x - y')^2, where y' is of any other image: Cohen 1968, weights by the grades' values.
    """
    both = np.isfinite(first) & np.isfinite(second)
    x, y = first[both], second[both]
    n = len(x)
    reason = _why_no_kappa(n, varies=n > 0 and np.ptp(np.concatenate([x, y])) > ROUNDING)
    if reason:
        return none(n, reason)
    middle = x.mean()
    x, y = x - middle, y - middle
    terms = np.stack([x, y, x * x, y * y, x * y], axis=1)
    return estimate(terms, _kappa, None if people is None else people[both], scale="correlation")


def _why_no_kappa(n: int, *, varies: bool) -> str:
    if n < FEWEST_TO_SHOW:
        return f"Both graded {n} images; below {FEWEST_TO_SHOW} a kappa says too little."
    return "" if varies else "Both gave one and the same grade throughout, so chance alone would agree."


def _kappa(means: Floats) -> Floats:
    x, y, xx, yy, xy = np.moveaxis(means, -1, 0)
    by_chance = xx + yy - 2 * x * y
    with np.errstate(invalid="ignore", divide="ignore"):
        kappa: Floats = np.where(by_chance > ROUNDING, 1 - (xx + yy - 2 * xy) / by_chance, np.nan)
    return kappa


def pairwise_kappa(grades: Floats, people: People | None = None) -> list[Pair]:
    """Return the kappa of every pair of readers."""
    if len(grades) > MOST_READERS_WITH_INTERVALS:
        return _without_intervals(grades)
    return [
        Pair(one, other, weighted_kappa(grades[one], grades[other], people))
        for one, other in combinations(range(len(grades)), 2)
    ]


def _without_intervals(grades: Floats) -> list[Pair]:
    """Return the same numbers for all pairs at once: 300 readers have 44,850."""
    given = np.isfinite(grades).astype(float)  # (n, N)
    y = np.nan_to_num(grades - (np.nanmean(grades) if given.any() else 0.0))
    counts = given @ given.T  # (n, n): images that both graded
    sums = np.stack([y @ given.T, given @ y.T, (y * y) @ given.T, given @ (y * y).T, y @ y.T], axis=-1)
    kappas = _kappa(sums / np.maximum(counts, 1)[..., None])  # NaN where both gave one grade throughout
    return [
        Pair(one, other, _without_interval(int(counts[one, other]), float(kappas[one, other])))
        for one, other in combinations(range(len(grades)), 2)
    ]


def _without_interval(n: int, kappa: float) -> Estimate:
    reason = _why_no_kappa(n, varies=math.isfinite(kappa))
    if reason:
        return none(n, reason)
    return Estimate(kappa, None, None, n, f"Beyond {MOST_READERS_WITH_INTERVALS} readers pairs have no interval.")


def intraclass(grades: Floats) -> Intraclass:
    """Return the coefficients over all readers with a grade, with McGraw and Wong's (1996) F intervals."""
    taking_part = grades[np.isfinite(grades).any(axis=1)]
    graded = np.isfinite(taking_part).any(axis=0) if len(taking_part) else np.zeros(0, dtype=bool)
    complete = taking_part[:, np.isfinite(taking_part).all(axis=0)] if len(taking_part) else taking_part
    k, n = complete.shape
    dropped = int(graded.sum()) - (n if k else 0)
    reason = _why_no_intraclass(complete)
    if reason:
        nothing = none(n if k else 0, reason)
        return Intraclass(nothing, nothing, nothing, k, dropped)
    squares = _mean_squares(complete)
    single = _single(squares)
    return Intraclass(single, _average(single, squares), _consistency(squares), k, dropped)


def _why_no_intraclass(complete: Floats) -> str:
    k, n = complete.shape
    if k < 2:
        return "Agreement needs at least two readers."
    if n < 2:
        return f"{n or 'No'} image{'' if n == 1 else 's'} graded by all {k} readers; at least two are needed."
    if np.ptp(complete) < ROUNDING:
        return "Every grade is the same, so there are no differences to attribute."
    return ""


def _mean_squares(grades: Floats) -> _MeanSquares:
    k, n = grades.shape
    middle = grades.mean()
    images, readers = grades.mean(axis=0) - middle, grades.mean(axis=1) - middle
    left = grades - middle - images - readers[:, None]
    return _MeanSquares(
        images=float(k * np.square(images).sum() / (n - 1)),
        readers=float(n * np.square(readers).sum() / (k - 1)),
        left=float(np.square(left).sum() / ((n - 1) * (k - 1))),
        n=n,
        k=k,
    )


def _single(ms: _MeanSquares) -> Estimate:
    in_all = ms.images + (ms.k - 1) * ms.left + ms.k * (ms.readers - ms.left) / ms.n
    if in_all < ROUNDING:
        return none(ms.n, _NO_VARIANCE)
    value = (ms.images - ms.left) / in_all
    if ms.left < ROUNDING:
        return Estimate(value, None, None, ms.n, _NOTHING_LEFT)
    if value > 1 - ROUNDING:
        return Estimate(value, None, None, ms.n, _NOTHING_LEFT)
    if ms.images < ROUNDING:
        return Estimate(value, None, None, ms.n, _NO_VARIANCE)
    freedom = _freedom(value, ms)
    to_low, to_high = _f(ms.n - 1, freedom), _f(freedom, ms.n - 1)
    others = ms.k * ms.readers + (ms.k * ms.n - ms.k - ms.n) * ms.left
    low = ms.n * (ms.images - to_low * ms.left) / (to_low * others + ms.n * ms.images)
    high = ms.n * (to_high * ms.images - ms.left) / (others + ms.n * to_high * ms.images)
    return Estimate(value, float(low), float(high), ms.n)


_NO_VARIANCE = "The readers' means differ no more between images than chance would have it."
_NOTHING_LEFT = "Readers differ by constants only, so there is nothing to take an interval from."


def _freedom(value: float, ms: _MeanSquares) -> float:
    """Return Satterthwaite's degrees of freedom of what readers add to an image's variance."""
    readers = ms.k * value / (ms.n * (1 - value)) * ms.readers
    left = (1 + ms.k * value * (ms.n - 1) / (ms.n * (1 - value))) * ms.left
    spread = readers**2 / (ms.k - 1) + left**2 / ((ms.n - 1) * (ms.k - 1))
    return max((readers + left) ** 2 / spread, ROUNDING) if spread else ROUNDING


def _f(freedom: float, other: float) -> float:
    """Return the F distribution's quantile for these degrees of freedom."""
    from scipy import special

    return float(special.fdtri(freedom, other, UPPER))


def _average(single: Estimate, ms: _MeanSquares) -> Estimate:
    """Step the coefficient of one reader up to the mean of k (Spearman and Brown)."""
    below = ms.images + (ms.readers - ms.left) / ms.n
    if below < ROUNDING:
        return none(ms.n, _NO_VARIANCE)
    value = (ms.images - ms.left) / below
    if single.low is None or single.high is None:
        return Estimate(value, None, None, ms.n, single.reason)
    if 1 + (ms.k - 1) * single.low < ROUNDING:
        return Estimate(value, None, None, ms.n, "The readers agree so little that the interval has no lower end.")
    low, high = (ms.k * end / (1 + (ms.k - 1) * end) for end in (single.low, single.high))
    return Estimate(value, low, high, ms.n)


def _consistency(ms: _MeanSquares) -> Estimate:
    in_all = ms.images + (ms.k - 1) * ms.left
    if in_all < ROUNDING:
        return none(ms.n, _NO_VARIANCE)
    value = (ms.images - ms.left) / in_all
    if ms.left < ROUNDING:
        return Estimate(value, None, None, ms.n, _NOTHING_LEFT)
    ratio, of_images, of_left = ms.images / ms.left, ms.n - 1, (ms.n - 1) * (ms.k - 1)
    ends = ratio / _f(of_images, of_left), ratio * _f(of_left, of_images)
    low, high = (float((end - 1) / (end + ms.k - 1)) for end in ends)
    return Estimate(value, low, high, ms.n)


def alpha_interval(grades: Floats, people: People | None = None) -> Estimate:
    """Return Krippendorff's alpha, a difference counting by its square: on all images with at least two grades."""
    units = _units(grades)
    reason = _why_no_alpha(grades, units)
    if reason:
        return none(units.shape[1], reason)
    units = units - np.nanmean(units)
    given = np.isfinite(units).sum(axis=0)  # (N,)
    sums, squares = np.nansum(units, axis=0), np.nansum(units**2, axis=0)
    within = 2 * (given * squares - sums**2) / (given - 1)
    n = units.shape[1]

    def alpha(means: Floats) -> Floats:
        total, first, second, observed = np.moveaxis(means * n, -1, 0)
        return _one_less(observed, 2 * (total * second - first**2), total)

    terms = np.stack([given, sums, squares, within], axis=1).astype(float)
    return estimate(terms, alpha, _of_units(people, grades), scale="correlation")


def alpha_ordinal(grades: Floats, people: People | None = None) -> Estimate:
    """Return Krippendorff's alpha for ranks: a difference counts by the square of the grades given in between.

    That is the interval metric on the middle ranks of the grades (Krippendorff 2011, section C).
    """
    units = _units(grades)
    levels = np.unique(units[np.isfinite(units)])
    reason = _why_no_alpha(grades, units)
    if not reason and len(levels) > MOST_LEVELS:
        reason = f"{len(levels)} different grades are no ordinal scale; alpha_interval reads them as numbers."
    if reason:
        return none(units.shape[1], reason)
    counts = (units[None] == levels[:, None, None]).sum(axis=1).T.astype(float)  # (N, levels)
    below, above = np.triu_indices(len(levels), 1)
    pairs = 2 * counts[:, below] * counts[:, above] / (counts.sum(axis=1)[:, None] - 1)
    n, steps = units.shape[1], len(levels)

    def alpha(means: Floats) -> Floats:
        of_level, observed = means[..., :steps] * n, means[..., steps:] * n
        ranks = np.cumsum(of_level, axis=-1) - of_level / 2
        apart = np.square(ranks[..., above] - ranks[..., below])
        total = of_level.sum(axis=-1)
        expected = 2 * (total * (of_level * ranks**2).sum(axis=-1) - (of_level * ranks).sum(axis=-1) ** 2)
        return _one_less((observed * apart).sum(axis=-1), expected, total)

    return estimate(np.concatenate([counts, pairs], axis=1), alpha, _of_units(people, grades), scale="correlation")


def ac2(grades: Floats, levels: Sequence[float], people: People | None = None) -> Estimate:
    """Return Gwet's AC2 with quadratic weights: chance agreement by how mixed the grades are, not by each reader's own.

    Gwet 2014, "Handbook of Inter-Rater Reliability", chapter 5, for any number of readers and gaps. `levels` is the
    whole scale, also what nobody gave. Where nearly all images have one grade kappa and alpha collapse; this does not.
    """
    units = _units(grades)
    if np.isfinite(grades).any(axis=1).sum() < 2:
        return none(0, "Agreement needs at least two readers.")
    if not units.shape[1]:
        return none(0, "No image was graded by two readers.")
    scale = np.asarray(levels, np.float64)
    weights = 1 - np.square(scale[:, None] - scale) / np.ptp(scale) ** 2
    graded = grades[:, np.isfinite(grades).any(axis=0)]
    counts = (graded[None] == scale[:, None, None]).sum(axis=1).T.astype(float)  # (N, levels)
    given = counts.sum(axis=1, keepdims=True)
    is_pair = given[:, 0] >= 2
    weighted = (counts * (counts @ weights - 1)).sum(axis=1)
    agreed = np.where(is_pair, weighted / np.maximum(given[:, 0] * (given[:, 0] - 1), 1), 0)
    spread = weights.sum() / (len(scale) * (len(scale) - 1))

    def coefficient(means: Floats) -> Floats:
        shares, observed, pairs = means[..., :-2], means[..., -2], means[..., -1]
        chance = spread * (shares * (1 - shares)).sum(axis=-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            value: Floats = (observed / pairs - chance) / (1 - chance)
        return value

    of_whom = None if people is None else people[np.isfinite(grades).any(axis=0)]
    terms = np.column_stack([counts / given, agreed, is_pair])
    found = estimate(terms, coefficient, of_whom, scale="correlation")
    return replace(found, n=units.shape[1])


def _one_less(observed: Floats, expected: Floats, total: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        alpha: Floats = np.where(expected > ROUNDING, 1 - (total - 1) * observed / expected, np.nan)
    return alpha


def _units(grades: Floats) -> Floats:
    """Return the images that can be compared within: those with at least two grades."""
    units: Floats = grades[:, np.isfinite(grades).sum(axis=0) >= 2]
    return units


def _of_units(people: People | None, grades: Floats) -> People | None:
    return None if people is None else people[np.isfinite(grades).sum(axis=0) >= 2]


def _why_no_alpha(grades: Floats, units: Floats) -> str:
    if np.isfinite(grades).any(axis=1).sum() < 2:
        return "Agreement needs at least two readers."
    if not units.shape[1]:
        return "No image was graded by two readers."
    if np.ptp(units[np.isfinite(units)]) < ROUNDING:
        return "Every grade is the same, so chance alone would agree."
    return ""
