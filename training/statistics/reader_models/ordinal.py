"""A cumulative logit model with images and readers as crossed random effects: grades as steps, not as numbers.

P(grade <= k) = logistic(threshold k - image - reader). The likelihood is Laplace's approximation around the modes of
the effects, as in the R package ordinal (Christensen, "Cumulative Link Models for Ordinal Regression", section 5).
It tells whether what the linear model says of readers rests on reading grades as numbers.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.statistics.intervals import Floats
from training.statistics.reader_models.crossed import ReaderEffect, why_not

LATENT = math.pi**2 / 3  # variance of the logistic distribution
MOST_READERS = 60  # beyond, the fit takes a minute
NEWTON_STEPS, CONVERGED = 50, 1e-8
SMALLEST, LARGEST = 1e-3, 30.0  # logits


@dataclass(frozen=True)
class Ordinal:
    """A fitted model, in logits."""

    thresholds: tuple[float, ...]  # between the grades that were given, from the lowest
    of_images: float  # variance
    of_readers: float
    agreement: float  # the share of the latent variance that is of images: an intraclass correlation
    readers: tuple[ReaderEffect, ...]  # above 0: grades higher than the readers they are drawn from
    log_likelihood: float


@dataclass(frozen=True)
class _Data:
    step: NDArray[np.intp]  # (n, N) which of the grades that were given, from 0
    given: NDArray[np.bool_]  # (n, N)


@dataclass
class _Modes:
    """Spherical effects, which the next evaluation starts from; and the readers' block of the inverse Hessian there."""

    images: Floats  # (N,)
    readers: Floats  # (n,)
    inverse: Floats  # (n, n)


def fit(grades: Floats) -> Ordinal | str:
    """Fit (n readers, N images) grades with NaN for gaps; or say why that can't be done."""
    from scipy import optimize

    kept = grades[:, np.isfinite(grades).any(axis=0)] if grades.size else grades
    reason = why_not(kept)
    if not reason and len(kept) > MOST_READERS:
        reason = f"With more than {MOST_READERS} readers it takes too long."
    if reason:
        return reason
    given = np.isfinite(kept)
    levels, steps = np.unique(kept[given], return_inverse=True)
    step = np.zeros(kept.shape, np.intp)
    step[given] = steps
    data = _Data(step, given)
    modes = _Modes(np.zeros(kept.shape[1]), np.zeros(len(kept)), np.eye(len(kept)))
    below = np.cumsum(np.bincount(steps))[:-1] / len(steps)
    thresholds = 2 * np.log(below / (1 - below))  # wider than the marginal ones, as images differ
    start = np.concatenate(
        [thresholds[:1], np.log(np.maximum(np.diff(thresholds), 0.05)), [math.log(2), math.log(0.5)]]
    )
    bounds = [(None, None)] * (len(levels) - 1) + [(math.log(SMALLEST), math.log(LARGEST))] * 2
    found = optimize.minimize(lambda at: _deviance(at, data, modes), start, method="L-BFGS-B", bounds=bounds)
    deviance = _deviance(found.x, data, modes)
    of_images, of_readers = (float(np.exp(2 * log)) for log in found.x[-2:])
    effects = math.sqrt(of_readers) * modes.readers
    sds = np.sqrt(of_readers * np.diag(modes.inverse))
    return Ordinal(
        thresholds=tuple(map(float, _thresholds(found.x[:-2]))),
        of_images=of_images,
        of_readers=of_readers,
        agreement=of_images / (of_images + of_readers + LATENT),
        readers=tuple(ReaderEffect(float(value), float(sd)) for value, sd in zip(effects, sds, strict=True)),
        log_likelihood=-deviance / 2,
    )


def _thresholds(at: Floats) -> Floats:
    return np.cumsum(np.concatenate([at[:1], np.exp(at[1:])]))


def _deviance(at: Floats, data: _Data, modes: _Modes) -> float:
    """Return -2 log likelihood, and leave the modes of the effects in `modes`."""
    ends = np.concatenate([[-np.inf], _thresholds(at[:-2]), [np.inf]])
    low, high = ends[data.step], ends[data.step + 1]
    images, readers = np.exp(at[-2:])

    def terms(of_images: Floats, of_readers: Floats) -> tuple[float, Floats, Floats]:
        """Return the penalised deviance / 2, and the first and second derivative by each cell's sum of effects."""
        effect = images * of_images + readers * of_readers[:, None]
        upper, lower = _logistic(high - effect), _logistic(low - effect)
        chance = np.where(data.given, np.maximum(upper - lower, 1e-300), 1.0)
        slope_up, slope_low = upper * (1 - upper), lower * (1 - lower)
        first = np.where(data.given, (slope_up - slope_low) / chance, 0)
        curve = (slope_up * (1 - 2 * upper) - slope_low * (1 - 2 * lower)) / chance
        second = np.where(data.given, np.maximum(first**2 - curve, 1e-10), 0)
        size = -np.log(chance).sum() + ((of_images**2).sum() + (of_readers**2).sum()) / 2
        return float(size), first, second

    of_images, of_readers = modes.images, modes.readers
    size, first, second = terms(of_images, of_readers)
    for _ in range(NEWTON_STEPS):
        down_images = of_images + images * first.sum(axis=0)
        down_readers = of_readers + readers * first.sum(axis=1)
        diagonal, cross, inverse, _ = _hessian(second, images, readers)
        step_readers = inverse @ (down_readers - cross @ (down_images / diagonal))
        step_images = (down_images - cross.T @ step_readers) / diagonal
        share = 1.0
        while True:
            tried = terms(of_images - share * step_images, of_readers - share * step_readers)
            if tried[0] <= size + CONVERGED or share < 1e-6:
                break
            share /= 2
        of_images, of_readers = of_images - share * step_images, of_readers - share * step_readers
        gained, (size, first, second) = size - tried[0], tried
        if gained < CONVERGED and max(np.abs(step_images).max(), np.abs(step_readers).max()) < 1e-6:
            break
    diagonal, _, inverse, log_block = _hessian(second, images, readers)
    modes.images, modes.readers, modes.inverse = of_images, of_readers, inverse
    return 2 * size + float(np.log(diagonal).sum()) + log_block


def _hessian(second: Floats, images: float, readers: float) -> tuple[Floats, Floats, Floats, float]:
    """Return the images' diagonal, the cross block, and inverse and log determinant of what is left to the readers."""
    diagonal = 1 + images**2 * second.sum(axis=0)
    cross = images * readers * second
    block = np.diag(1 + readers**2 * second.sum(axis=1)) - (cross / diagonal) @ cross.T
    return diagonal, cross, np.linalg.inv(block), float(np.linalg.slogdet(block)[1])


def _logistic(values: Floats) -> Floats:
    from scipy import special

    return np.asarray(special.expit(values), np.float64)
