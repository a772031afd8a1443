"""Drift of a reader: over weeks (EWMA), from image to image, within a sitting."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from training.statistics.intervals import FEWEST_TO_SHOW, ROUNDING, Estimate, Floats, none
from training.statistics.regression import fit_line

WEIGHT = 0.1  # of the newest residual: the average looks back over about twenty golden images
FALSE_ALARMS = 0.05  # per reader: so often a reader who never changes goes beyond the limit somewhere
NO_ORDER = "The order in which the images were read is not known."
NO_TIME = "When the images were read is not known."
ORDERS, SEED = 2000, 20190101  # random orders, in which nothing drifts
RESIDUALS_AT_ONCE = 2**22  # residuals that are put into other orders at once: 32 MB


@dataclass(frozen=True)
class Drift:
    """An exponentially weighted moving average of a reader's golden residuals, in reading order (Roberts 1959).

    The limit after t residuals is `limit` sqrt(1 - (1 - WEIGHT)^2t), on both sides of the reader's own mean.
    """

    ewma: tuple[float, ...]
    limit: float | None
    alarm_at: int | None  # the first residual, from 1, at which the average is beyond its limit
    p: float | None
    n: int
    reason: str = ""


@dataclass(frozen=True)
class SequenceEffects:
    """What comes before an image, held against the residual on it. All three are slopes."""

    after_previous: Estimate  # per grade of the image before
    position: Estimate  # of the residual, per 100 images into the sitting
    fatigue: Estimate  # of the residual's size, per 100 images into the sitting


def ewma(residuals: Floats) -> Drift:
    """Return the drift of (n,) residuals in reading order.

    The limit is the one that FALSE_ALARMS of the reader's own residuals in random orders go beyond: so it knows their
    steps and tails, and that their mean is their own. A reader who is merely strict does not drift.
    """
    n = len(residuals)
    if n < FEWEST_TO_SHOW:
        return Drift((), None, None, None, n, f"{n} golden images; below {FEWEST_TO_SHOW} a drift can't be seen.")
    moved = residuals - residuals.mean()
    if np.ptp(moved) < ROUNDING:
        return Drift((), None, None, None, n, "The residuals never vary, so nothing drifts.")
    narrow = np.sqrt(1 - (1 - WEIGHT) ** (2 * np.arange(1, n + 1)))
    averages = _average(moved)
    sizes = np.abs(averages) / narrow
    by_chance = _largest_by_chance(moved, narrow)
    limit = float(np.percentile(by_chance, 100 * (1 - FALSE_ALARMS)))
    beyond = np.flatnonzero(sizes > limit + ROUNDING)
    p = float((1 + (by_chance >= sizes.max() - ROUNDING).sum()) / (1 + ORDERS))
    return Drift(tuple(averages.tolist()), limit, int(beyond[0]) + 1 if len(beyond) else None, p, n)


def _average(moved: Floats) -> Floats:
    from scipy.signal import lfilter

    averaged: Floats = lfilter([WEIGHT], [1, WEIGHT - 1], moved, axis=-1)
    return averaged


def _largest_by_chance(moved: Floats, narrow: Floats) -> Floats:
    """Return (ORDERS,): the largest average, relative to its limit, of the residuals in random orders."""
    blocks = np.array_split(_orders(len(moved)), max(1, ORDERS * len(moved) // RESIDUALS_AT_ONCE))
    return np.concatenate([(np.abs(_average(moved[block])) / narrow).max(axis=1) for block in blocks])


@lru_cache(maxsize=4)
def _orders(n: int) -> NDArray[np.int32]:
    """Return (ORDERS, n) random orders: how n uniform numbers rank. Plain Python can draw the same ones."""
    draws = np.random.RandomState([SEED])
    return np.stack([np.argsort(draws.random_sample(n), kind="stable").astype(np.int32) for _ in range(ORDERS)])


def sequence(residuals: Floats, *, previous: Floats, places: Floats) -> SequenceEffects:
    """Regress (n,) golden residuals on the grade given just before, and on the place within the sitting, from 1.

    NaN where there is no image before, or no time to tell sittings by. The lists are shuffled, so neither has to do
    with the image itself.
    """
    hundreds = places / 100
    middle = residuals[np.isfinite(residuals)].mean() if np.isfinite(residuals).any() else 0.0
    return SequenceEffects(
        after_previous=_slope(previous, residuals, NO_ORDER),
        position=_slope(hundreds, residuals, NO_TIME),
        fatigue=_slope(hundreds, np.abs(residuals - middle), NO_TIME),
    )


def _slope(x: Floats, y: Floats, unknown: str) -> Estimate:
    if not np.isfinite(x).any():
        return none(0, unknown)
    both = int((np.isfinite(x) & np.isfinite(y)).sum())
    if both < FEWEST_TO_SHOW:
        return none(both, f"{both} images; below {FEWEST_TO_SHOW} such an effect can't be seen.")
    return fit_line(x, y).slope
