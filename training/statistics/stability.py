"""Test-retest stability: repeats within readers, and the noise ceiling they imply."""

from dataclasses import dataclass

import numpy as np

from training.statistics import agreement
from training.statistics.intervals import Estimate, Floats, People, estimate, none, share

SPREADS = 1.96 * np.sqrt(2)  # of s_w: what two readings of one image stay within, 95 times in 100


@dataclass(frozen=True)
class Repeats:
    """A reader's second readings against the first (Bland and Altman 1986)."""

    sd: Estimate  # s_w = sqrt(mean d^2 / 2): the standard deviation of one reading
    repeatability: Estimate  # 1.96 sqrt(2) s_w
    kappa: Estimate  # quadratic weighted, of the reader with themself
    same: Estimate  # share of the images that got the same grade again


def repeats(first: Floats, second: Floats, people: People | None = None) -> Repeats:
    """Compare (N,) first with (N,) second readings, on the images that have both."""
    differences = first - second
    if not np.isfinite(differences).any():
        nothing = none(0, "The reader met no image twice.")
        return Repeats(nothing, nothing, nothing, nothing)
    halves = (differences**2 / 2)[:, None]
    return Repeats(
        sd=estimate(halves, lambda means: np.sqrt(means[..., 0]), people, scale="size"),
        repeatability=estimate(halves, lambda means: SPREADS * np.sqrt(means[..., 0]), people, scale="size"),
        kappa=agreement.weighted_kappa(first, second, people),
        same=share(np.where(np.isfinite(differences), differences == 0, np.nan), people),
    )


def noise_ceiling(grades: Floats, people: People | None = None) -> Estimate:
    """Return the RMSE that an oracle would have against the consensus of (n, N) grades.

    The oracle says what all readers there could be would say on average. Of m readers' mean the variance around that
    is s^2 / m, s^2 being the variance between and within readers on one image, pooled over images. So the ceiling is
    sqrt(s^2 mean 1/m). Below it a golden RMSE tells of luck, not of a better machine.
    """
    m = np.isfinite(grades).sum(axis=0)
    people = None if people is None else people[m >= 1]
    grades, m = grades[:, m >= 1], m[m >= 1]
    if not (m >= 2).any():
        return none(len(m), "No image was graded by two readers, so nothing tells noise from severity.")
    means = np.nansum(grades, axis=0) / m
    squares = np.nansum((grades - means) ** 2, axis=0)
    return estimate(np.stack([squares, m - 1, 1 / m], axis=1), _ceiling, people, scale="size")


def _ceiling(means: Floats) -> Floats:
    squares, freedom, share = np.moveaxis(means, -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        ceiling: Floats = np.where(freedom > 0, np.sqrt(squares / freedom * share), np.nan)
    return ceiling
