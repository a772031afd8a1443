"""Readers' RMSE shrunken towards each other, and how sure their order is.

An RMSE from few images is off by luck, so the smallest and the largest of many are mostly too small and too large. A
normal model for the logarithms of the mean squares (Efron and Morris 1975; the variance between readers by DerSimonian
and Laird 1986) takes back as much as luck explains. Ranks are those of draws from what the model leaves possible, after
Goldstein and Spiegelhalter 1996, "League tables and their limitations".
"""

import math
from dataclasses import dataclass

import numpy as np

from training.statistics import metrics
from training.statistics.intervals import FEWEST_TO_SHOW, LEVEL, Estimate, Floats, Z, none

DRAWS, SEED = 4000, 20190101
TAILS = ((100 - LEVEL) / 2, (100 + LEVEL) / 2)  # per cent
FEWEST_READERS = 3


@dataclass(frozen=True)
class Ranked:
    """A reader's RMSE (leave one out) as the model has it, and the ranks that are possible; 1 is the closest."""

    rmse: Estimate
    first: int | None  # 95 % of the draws have a rank from here
    last: int | None  # to here


def shrink(grades: Floats) -> tuple[Ranked, ...]:
    """Return one row per reader of (n, N) grades, NaN for gaps."""
    squares = metrics.residuals(grades) ** 2
    n = np.isfinite(squares).sum(axis=1)
    counted = n >= FEWEST_TO_SHOW
    if counted.any():
        means = np.nanmean(squares[counted], axis=1)
        counted[counted] = means > 0
    if counted.sum() < FEWEST_READERS:
        reason = f"Fewer than {FEWEST_READERS} readers share {FEWEST_TO_SHOW} images with others."
        return tuple(Ranked(none(int(number), reason), None, None) for number in n)
    kept = squares[counted]
    logs = np.log(np.nanmean(kept, axis=1))
    errors = np.nanvar(kept, axis=1, ddof=1) / (n[counted] * np.nanmean(kept, axis=1) ** 2)  # delta method
    middle, between = moments(logs, errors)
    weight = between / (between + errors)
    values = middle + weight * (logs - middle)
    of_middle = 1 / np.sum(1 / (between + errors))
    variances = weight * errors + (1 - weight) ** 2 * of_middle
    low, high = _ranks(values, variances)
    rows = iter(zip(values, variances, low, high, strict=True))
    return tuple(
        _row(int(number), *next(rows)) if counts else Ranked(_unranked(int(number)), None, None)
        for number, counts in zip(n, counted, strict=True)
    )


def moments(values: Floats, variances: Floats) -> tuple[float, float]:
    """Return the mean and the variance between of (r,) values with known error variances: DerSimonian and Laird."""
    weights = 1 / variances
    q = float(np.sum(weights * (values - np.average(values, weights=weights)) ** 2))
    scale = float(weights.sum() - np.sum(weights**2) / weights.sum())
    between = max((q - (len(values) - 1)) / scale, 0.0)
    return float(np.average(values, weights=1 / (variances + between))), between


def _ranks(values: Floats, variances: Floats) -> tuple[Floats, Floats]:
    draws = np.random.RandomState([SEED]).standard_normal((DRAWS, len(values)))
    ranks = 1 + np.argsort(np.argsort(values + draws * np.sqrt(variances), axis=1), axis=1)
    low, high = np.percentile(ranks, TAILS, axis=0, method="inverted_cdf")
    return low, high


def _row(n: int, value: float, variance: float, low: float, high: float) -> Ranked:
    ends = [math.exp(end / 2) for end in (value - Z * variance**0.5, value + Z * variance**0.5)]
    return Ranked(Estimate(math.exp(value / 2), ends[0], ends[1], n), int(low), int(high))


def _unranked(n: int) -> Estimate:
    return none(n, f"Fewer than {FEWEST_TO_SHOW} images shared with others, or no difference on any.")
