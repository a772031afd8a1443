"""What a reader's RMSE owes to images that they called not gradable.

Who calls the hard images not gradable has a small RMSE on the rest. How hard an image is, the other readers tell: the
mean square of each one's difference from the rest of them. On the images that the reader graded, their own mean square
is some multiple of the others'; the same multiple is what they would have had on the images that they did not grade.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.statistics import metrics
from training.statistics.intervals import Floats

FALSE_ALARMS = 0.05  # over all readers of a report
SHUFFLES, SEED = 2000, 20190101
FEWEST_DECLINED = 5  # images: fewer can't be told from chance among many readers


@dataclass(frozen=True)
class Declined:
    """Images that a reader called not gradable and others graded."""

    images: int
    of: int  # images that the reader looked at and at least two others graded
    rmse: float | None  # leave one out, of the images that the reader graded
    rmse_with_declined: float | None  # as it is to be expected, had they graded all
    p: float | None  # chance of images as hard as these, were they any; one-sided
    is_flagged: bool  # p is below 5 % over all readers together, by Holm


def examine(grades: Floats, declined: NDArray[np.bool_]) -> tuple[Declined, ...]:
    """Return one row per reader of (n, N) grades, NaN for gaps, and of whether they said not gradable."""
    rows = [_examine(grades, declined[reader], reader) for reader in range(len(grades))]
    flagged = _holm([row.p for row in rows])
    return tuple(
        Declined(row.images, row.of, row.rmse, row.rmse_with_declined, row.p, is_flagged)
        for row, is_flagged in zip(rows, flagged, strict=True)
    )


def _examine(grades: Floats, declined: NDArray[np.bool_], reader: int) -> Declined:
    others = np.delete(grades, reader, axis=0)
    # Of m grades the mean square of each less the mean of the rest is m / (m - 1) times their variance.
    m = np.isfinite(others).sum(axis=0)
    spread = np.nan_to_num(metrics.residuals(others)) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        hardness = np.where(m >= 2, spread.sum(axis=0) / m, np.nan)
    squares = (grades[reader] - metrics.consensus(others)) ** 2
    graded = np.isfinite(squares) & np.isfinite(hardness)
    left = declined & np.isfinite(hardness) & ~graded
    total = int(graded.sum() + left.sum())
    if not graded.any() or hardness[graded].sum() <= 0:
        return Declined(int(left.sum()), total, None, None, None, is_flagged=False)
    own = float(squares[graded].mean())
    multiple = own / float(hardness[graded].mean())
    expected = (squares[graded].sum() + multiple * hardness[left].sum()) / total
    p = _chance(hardness[graded | left], left[graded | left]) if left.sum() >= FEWEST_DECLINED else None
    return Declined(int(left.sum()), total, math.sqrt(own), math.sqrt(float(expected)), p, is_flagged=False)


def _chance(hardness: Floats, left: NDArray[np.bool_]) -> float:
    """Return the share of ways to choose as many images whose hardness is at least this, by seeded shuffles."""
    if left.all():
        return 1.0
    order = np.random.RandomState([SEED]).random_sample((SHUFFLES, len(hardness))).argsort(axis=1)
    chosen = hardness[order[:, : int(left.sum())]].sum(axis=1)
    return float((1 + (chosen >= hardness[left].sum() - 1e-9).sum()) / (SHUFFLES + 1))


def _holm(chances: list[float | None]) -> list[bool]:
    """Return which of several chances are below the level that all share (Holm 1979)."""
    tested = sorted((p, place) for place, p in enumerate(chances) if p is not None)
    flagged = [False] * len(chances)
    for number, (p, place) in enumerate(tested):
        if p > FALSE_ALARMS / (len(tested) - number):
            break
        flagged[place] = True
    return flagged
