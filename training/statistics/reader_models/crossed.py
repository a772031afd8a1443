"""A linear mixed model with images and readers as crossed random effects, fitted by REML to whatever grades there are.

grade = mean + image + reader + rest, each normal with a variance of its own. On complete data its variances are those
of the analysis of variance (where these are not negative); with gaps it uses every grade, where ICC by the analysis of
variance keeps the complete images only. The profiled deviance is that of Bates, Maechler, Bolker and Walker 2015,
"Fitting linear mixed-effects models using lme4", equation 42.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from training.statistics.intervals import FEWEST_TO_SHOW, LEVEL, ROUNDING, Estimate, Floats, none

FEWEST_READERS = 3  # two readers tell next to nothing of how much readers differ
# Of a standard deviation over that of the rest: grades that differ by less, or more, have one of the two alone.
SMALLEST, LARGEST = 1e-6, 1e4
PRECISE = {"ftol": 1e-14, "gtol": 1e-8}


@dataclass(frozen=True)
class ReaderEffect:
    """How much higher a reader grades than the readers they are drawn from, shrunken towards 0; in grades."""

    value: float
    sd: float  # of the effect, given the grades


@dataclass(frozen=True)
class Crossed:
    """A fitted model. Variances are in grades squared."""

    of_images: float
    of_readers: float
    of_rest: float  # a reader's changing mind, and what each sees in this image alone
    mean: float
    single: Estimate  # ICC(2,1): agreement of one reader with another
    consistency: Estimate  # ICC(3,1): the same, steady differences forgiven
    readers: tuple[ReaderEffect, ...]  # in the order of the rows; 0 with the whole variance for one without grades
    grades: int
    images: int


@dataclass(frozen=True)
class _Table:
    """What the deviance needs of (n, N) grades: sums over rows and columns."""

    given: Floats  # (n, N) ones and noughts
    of_image: Floats  # (N,) sums of grades less their mean
    of_reader: Floats  # (n,)
    squares: float
    middle: float
    n: int  # grades


@dataclass(frozen=True)
class _Solved:
    """The penalised least squares for one pair of ratios of standard deviations to that of the rest."""

    log_determinant: float
    precision: float  # of the mean, in units of the rest's
    mean: float
    residual: float  # penalised sum of squares
    reader_scores: Floats  # (n,) spherical effects
    inverse: Floats  # (n, n) of the readers' block


def fit(grades: Floats) -> Crossed | str:
    """Fit (n readers, N images) grades with NaN for gaps; or say why that can't be done."""
    kept = grades[:, np.isfinite(grades).any(axis=0)] if grades.size else grades
    reason = why_not(kept)
    if reason:
        return reason
    table = _sums(kept)
    images, readers = _minimum(table)
    solved = _solve(table, images, readers)
    rest = float(solved.residual) / (table.n - 1)
    effects = readers * solved.reader_scores
    sds = readers * np.sqrt(rest * np.diag(solved.inverse))
    deviance = _deviance(table, images, readers)
    return Crossed(
        of_images=images**2 * rest,
        of_readers=readers**2 * rest,
        of_rest=rest,
        mean=solved.mean + table.middle,
        single=_profiled(table, deviance, images**2 / (1 + images**2 + readers**2), _at_single),
        consistency=_profiled(table, deviance, images**2 / (1 + images**2), _at_consistency),
        readers=tuple(ReaderEffect(float(value), float(sd)) for value, sd in zip(effects, sds, strict=True)),
        grades=table.n,
        images=kept.shape[1],
    )


def why_not(grades: Floats) -> str:
    """Return why no model of readers can be fitted to (n, N) grades, or nothing."""
    given = np.isfinite(grades)
    readers = int(given.any(axis=1).sum()) if grades.size else 0
    if readers < FEWEST_READERS:
        return f"Readers as a sample need {FEWEST_READERS} readers at least; {readers} graded."
    twice = int((given.sum(axis=0) >= 2).sum())
    if twice < FEWEST_TO_SHOW:
        return f"{twice} images have two grades; below {FEWEST_TO_SHOW} a model says too little."
    if np.ptp(grades[given]) < ROUNDING:
        return "Every grade is the same, so there are no differences to attribute."
    return ""


def _sums(grades: Floats) -> _Table:
    given = np.isfinite(grades)
    middle = float(grades[given].mean())
    centred = np.where(given, grades - middle, 0)
    return _Table(
        given=given.astype(float),
        of_image=centred.sum(axis=0),
        of_reader=centred.sum(axis=1),
        squares=float((centred**2).sum()),
        middle=middle,
        n=int(given.sum()),
    )


def _solve(table: _Table, images: float, readers: float) -> _Solved:
    """Solve for both kinds of effects, the many images eliminated first: what is left has the size of the readers."""
    per_image, per_reader = table.given.sum(axis=0), table.given.sum(axis=1)
    diagonal = 1 + images**2 * per_image
    cross = images * readers * table.given  # (n, N)
    block = np.diag(1 + readers**2 * per_reader) - (cross / diagonal) @ cross.T
    inverse = np.linalg.inv(block)
    right = [  # of the grades, and of the constant
        (images * of_image, readers * of_reader)
        for of_image, of_reader in ((table.of_image, table.of_reader), (per_image, per_reader))
    ]
    solutions = []
    for of_image, of_reader in right:
        scores = inverse @ (of_reader - cross @ (of_image / diagonal))
        solutions.append(((of_image - cross.T @ scores) / diagonal, scores))

    def product(one: int, other: int) -> float:
        return float(right[one][0] @ solutions[other][0] + right[one][1] @ solutions[other][1])

    precision = table.n - product(1, 1)
    mean = (table.of_image.sum() - product(1, 0)) / precision
    residual = table.squares - product(0, 0) - mean**2 * precision
    return _Solved(
        log_determinant=float(np.log(diagonal).sum() + np.linalg.slogdet(block)[1]),
        precision=precision,
        mean=float(mean),
        residual=max(float(residual), ROUNDING**2),
        reader_scores=solutions[0][1] - mean * solutions[1][1],
        inverse=inverse,
    )


def _deviance(table: _Table, images: float, readers: float) -> float:
    """Return -2 log of the restricted likelihood, but for a constant."""
    solved = _solve(table, images, readers)
    return solved.log_determinant + math.log(solved.precision) + (table.n - 1) * math.log(solved.residual)


def _minimum(table: _Table) -> tuple[float, float]:
    """Return the ratios (images, readers) of standard deviations to the rest's with the smallest deviance."""
    from scipy import optimize

    def deviance(logs: Floats) -> float:
        return _deviance(table, *np.exp(logs))

    bounds = [(math.log(SMALLEST), math.log(LARGEST))] * 2
    starts = ((0.5, -1.0), (-2.0, -2.0))
    best = min(
        (optimize.minimize(deviance, start, method="L-BFGS-B", bounds=bounds, options=PRECISE) for start in starts),
        key=lambda found: float(found.fun),
    )
    images, readers = np.exp(best.x)
    return float(images), float(readers)


# The interval of a coefficient: those values which the likelihood, at its best over the other ratio, does not rule out.

_At = Callable[[float, float], tuple[float, float]]  # of the coefficient and the free ratio: both ratios


def _at_single(coefficient: float, readers: float) -> tuple[float, float]:
    return math.sqrt(coefficient / (1 - coefficient) * (1 + readers**2)), readers


def _at_consistency(coefficient: float, readers: float) -> tuple[float, float]:
    return math.sqrt(coefficient / (1 - coefficient)), readers


def _profiled(table: _Table, deviance: float, value: float, at: _At) -> Estimate:
    from scipy import optimize, special

    allowed = float(special.chdtri(1, 1 - LEVEL / 100))
    logs = (math.log(SMALLEST), math.log(LARGEST))
    images = table.given.shape[1]
    if not ROUNDING < value < 1 - ROUNDING:
        return none(images, "All differences are between images, or none is, so there is no such interval.")

    def excess(coefficient: float) -> float:
        found = optimize.minimize_scalar(
            lambda log: _deviance(table, *at(coefficient, math.exp(log))), bounds=logs, method="bounded"
        )
        return float(found.fun) - deviance - allowed

    low, high = ROUNDING, 1 - ROUNDING
    return Estimate(
        value=value,
        low=float(optimize.brentq(excess, low, value, xtol=1e-5)) if excess(low) > 0 else 0.0,
        high=float(optimize.brentq(excess, value, high, xtol=1e-5)) if excess(high) > 0 else 1.0,
        n=images,
    )
