"""Least-squares line with intervals for its slope and its residuals."""

from dataclasses import dataclass

import numpy as np

from training.statistics.intervals import ROUNDING, Estimate, Floats, People, estimate, none, root

FEWEST_TO_FIT = 3  # a line goes through any two points


@dataclass(frozen=True)
class Line:
    """y = intercept + slope x, and the standard deviation of what is left, with n - 2 degrees of freedom."""

    slope: Estimate
    intercept: Estimate
    residual_sd: Estimate


def fit_line(x: Floats, y: Floats, people: People | None = None) -> Line:
    """Return the line of (N,) y on (N,) x, over the places where both are there."""
    both = np.isfinite(x) & np.isfinite(y)
    x, y = x[both], y[both]
    n = len(x)
    if n < FEWEST_TO_FIT:
        return _no_line(n, f"A line needs at least {FEWEST_TO_FIT} images.")
    if np.ptp(x) < ROUNDING:
        return _no_line(n, "What the line would be drawn over never varies.")
    x_middle, y_middle = x.mean(), y.mean()
    x, y = x - x_middle, y - y_middle  # moments of far-off numbers would cancel each other's digits
    terms = np.stack([x, y, x * x, x * y, y * y], axis=1)

    def intercept(means: Floats) -> Floats:
        at_zero: Floats = y_middle + means[..., 1] - _slope(means) * (x_middle + means[..., 0])
        return at_zero

    def residual_sd(means: Floats) -> Floats:
        x_mean, y_mean, _, xy, yy = np.moveaxis(means, -1, 0)
        left = (yy - y_mean**2) - _slope(means) * (xy - x_mean * y_mean)
        sd: Floats = root(left) * np.sqrt(n / (n - 2))
        return sd

    of_whom = None if people is None else people[both]
    return Line(
        slope=estimate(terms, _slope, of_whom),
        intercept=estimate(terms, intercept, of_whom),
        residual_sd=estimate(terms, residual_sd, of_whom, scale="spread"),
    )


def _slope(means: Floats) -> Floats:
    """Return the slope from the means of x, y, xx, xy; NaN where x does not vary."""
    x, y, xx, xy = np.moveaxis(means[..., :4], -1, 0)
    variance = xx - x * x
    with np.errstate(invalid="ignore", divide="ignore"):
        slope: Floats = np.where(variance > ROUNDING, (xy - x * y) / variance, np.nan)
    return slope


def _no_line(n: int, reason: str) -> Line:
    return Line(none(n, reason), none(n, reason), none(n, reason))
