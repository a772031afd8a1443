"""Errors and correlations of readers and machine, with intervals.

docs/science/statistics.md has the definitions. Grades are an (n readers, N images) float array with NaN where a reader
gave none: an incomplete design is normal.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.regressor.score_scale import steps
from training.statistics.intervals import ROUNDING, Estimate, Floats, People, estimate, mean, none, share

FEWEST_TO_CORRELATE = 3  # any two images lie on a line
MOST_TO_RANK = 2000  # images: they are ranked anew without each person, in a table of people and images


@dataclass(frozen=True)
class ReliabilityStep:
    """The scores that fall on one step of the scale: their mean, and that of what they should have said."""

    score: float
    consensus: Estimate


def consensus(grades: Floats) -> Floats:
    """Return (N,): the mean of each image's grades; NaN where it has none."""
    given = np.isfinite(grades)
    with np.errstate(invalid="ignore"):
        means: Floats = np.where(given, grades, 0).sum(axis=0) / given.sum(axis=0)
    return means


def consensus_without(grades: Floats, reader: int) -> Floats:
    """Return (N,): the mean of the other readers' grades."""
    return consensus(np.delete(grades, reader, axis=0))


def residuals(grades: Floats) -> Floats:
    """Return (n, N): each grade less the mean of the other readers' grades of the image; NaN without both."""
    given = np.isfinite(grades)
    others = given.sum(axis=0) - given
    with np.errstate(invalid="ignore", divide="ignore"):
        left: Floats = grades - (np.nansum(grades, axis=0) - np.where(given, grades, 0)) / others
    return left


def root_mean_square(values: Floats) -> float:
    """Return that of (N,) values, NaN left out: a number alone, where no interval is wanted. NaN of none."""
    known = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(known**2))) if len(known) else np.nan


def rmse(values: Floats, against: Floats, people: People | None = None) -> Estimate:
    """Return the root mean square of (N,) values - (N,) against, over the images where both are there."""
    return estimate((values - against)[:, None] ** 2, lambda means: np.sqrt(means[..., 0]), people, scale="size")


def reader_rmse(grades: Floats, reader: int, people: People | None = None) -> Estimate:
    """The published form: against the consensus that includes the reader."""
    return rmse(grades[reader], consensus(grades), people)


def reader_rmse_leave_one_out(grades: Floats, reader: int, people: People | None = None) -> Estimate:
    """Against the mean of the others. On complete data the published form is (n - 1) / n times this one."""
    return rmse(grades[reader], consensus_without(grades, reader), people)


def mean_absolute_error(values: Floats, against: Floats, people: People | None = None) -> Estimate:
    return mean(np.abs(values - against), people)


def pearson_r(values: Floats, against: Floats, people: People | None = None) -> Estimate:
    """Pearson's correlation. A constant side has none, and any two images lie on a line."""
    both = np.isfinite(values) & np.isfinite(against)
    x, y = values[both], against[both]
    reason = _why_no_correlation(x, y)
    if reason:
        return none(len(x), reason)
    x, y = _standardised(x), _standardised(y)  # moments of far-off numbers would cancel each other's digits
    terms = np.stack([x, y, x * x, y * y, x * y], axis=1)
    return estimate(terms, _r_from_moments, None if people is None else people[both], scale="correlation")


def compare_with_reader(scores: Floats, grades: Floats, reader: int, people: People | None = None) -> Estimate:
    """Return the machine's RMSE less a reader's: each against the mean of the others, on what the reader graded."""
    others = consensus_without(grades, reader)
    squares = np.stack([(scores - others) ** 2, (grades[reader] - others) ** 2], axis=1)
    return estimate(squares, lambda means: np.sqrt(means[..., 0]) - np.sqrt(means[..., 1]), people)


def spearman_r(values: Floats, against: Floats, people: People | None = None) -> Estimate:
    """Spearman's rank correlation, ties by middle ranks; without each person the rest is ranked anew."""
    both = np.isfinite(values) & np.isfinite(against)
    x, y = values[both], against[both]
    n = len(x)
    reason = _why_no_correlation(x, y)
    if reason:
        return none(n, reason)
    if n > MOST_TO_RANK:
        return none(n, f"More than {MOST_TO_RANK} images are not ranked anew without each person.")
    columns = (np.unique(side, return_inverse=True)[1] for side in (x, y))
    x_of, y_of = (np.eye(column.max() + 1)[column] for column in columns)  # (N, different values)

    def of_ranks(times: Floats) -> Floats:
        """Return r of the middle ranks, for (..., N) shares of how often each image was drawn."""
        ranks = []
        for which in (x_of, y_of):
            drawn = times @ which
            ranks.append((np.cumsum(drawn, axis=-1) - drawn / 2) @ which.T - 0.5)
        one, other = ranks
        pairs = ((times * one * one), (times * other * other), (times * one * other))
        zero = np.zeros(times.shape[:-1])
        return _r_from_moments(np.stack([zero, zero, *(pair.sum(axis=-1) for pair in pairs)], axis=-1))

    return estimate(np.eye(n), of_ranks, None if people is None else people[both], scale="correlation")


def confusion(values: Floats, against: Floats, levels: Sequence[float]) -> NDArray[np.int64]:
    """Return (levels, levels) counts: rows are `against`, columns `values`, each cut half-way between two grades."""
    both = np.isfinite(values) & np.isfinite(against)
    table = np.zeros((len(levels), len(levels)), dtype=np.int64)
    np.add.at(table, (steps(against[both], levels), steps(values[both], levels)), 1)
    return table


def recall(
    values: Floats, against: Floats, levels: Sequence[float], people: People | None = None
) -> tuple[Estimate, ...]:
    """Return, per level, the share of the images at it that the values are at it too."""
    both = np.isfinite(values) & np.isfinite(against)
    found, wanted = steps(values[both], levels), steps(against[both], levels)
    of_whom = None if people is None else people[both]
    return tuple(share(np.where(wanted == level, found == level, np.nan), of_whom) for level in range(len(levels)))


def reliability(
    scores: Floats, target: Floats, levels: Sequence[float], people: People | None = None
) -> tuple[ReliabilityStep, ...]:
    """Return the steps of the scale that (N,) scores fall on, each with what the (N,) target is there."""
    both = np.isfinite(scores) & np.isfinite(target)
    scores, target = scores[both], target[both]
    of_whom = np.arange(len(scores)) if people is None else people[both]
    on = steps(scores, levels)
    return tuple(
        ReliabilityStep(float(scores[on == step].mean()), mean(target[on == step], of_whom[on == step]))
        for step in np.unique(on)
    )


def _why_no_correlation(x: Floats, y: Floats) -> str:
    if len(x) < FEWEST_TO_CORRELATE:
        return f"A correlation needs at least {FEWEST_TO_CORRELATE} images."
    if min(np.ptp(x), np.ptp(y)) < ROUNDING:
        return "One side never varies, so there is nothing to correlate."
    return ""


def _standardised(values: Floats) -> Floats:
    standardised: Floats = (values - values.mean()) / values.std()
    return standardised


def _r_from_moments(means: Floats) -> Floats:
    """Return r from the means of x, y, xx, yy, xy of standardised numbers; NaN where one side has no variance."""
    x, y, xx, yy, xy = np.moveaxis(means, -1, 0)
    of_x, of_y = xx - x * x, yy - y * y
    # Each side by itself: a side that never varies leaves 1e-17 or so, and the other side would hide that in a product.
    varies = np.minimum(of_x, of_y) > ROUNDING
    with np.errstate(invalid="ignore", divide="ignore"):
        r: Floats = np.where(varies, (xy - x * y) / np.sqrt(of_x * of_y), np.nan)
    return np.clip(r, -1, 1)
