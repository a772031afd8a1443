"""Prediction intervals and the out-of-distribution limit of a fitted regressor. [core]

Both are learnt from ordinary images. Golden ones only show afterwards whether the interval held.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scoring.regressor.out_of_distribution import Familiarity

COVERAGE = 0.9  # of the interval
FAMILIAR = 0.99  # of the ordinary faces are within the limit
PARTS = 10  # a face is measured against the others: its own part of them is left out
LEAST_NOISE = 1e-9  # a variance that no real embedding falls below
FACES_PER_AXIS = 10  # faces for each direction whose spread is estimated
MOST_AXES = 32

Floats = NDArray[np.float32]


def half_width(errors: Sequence[float]) -> float | None:
    """Return the half width of a split-conformal interval: as far as COVERAGE of new images will be off, at most.

    errors: grade - score, one for each validation image, whose patches count once together. The (n + 1) COVERAGE-th
    smallest size (Lei et al. 2018); None where that is beyond the largest (below 9 images).
    """
    return _order_statistic(np.abs(errors), COVERAGE)


def fit_familiarity(faces: Floats) -> Familiarity:
    """Learn from mean embeddings (n, 2048), n >= 2, where faces are, and how far away 99 of 100 new ones may be.

    The limit is of distances of faces that were left out of the fit, and None below 99 faces.
    """
    from sklearn.model_selection import KFold

    distances = np.empty(len(faces))
    for others, part in KFold(min(PARTS, len(faces))).split(faces):
        model = _fit(faces[others])
        distances[part] = [model.distance(face) for face in faces[part]]
    whole = _fit(faces)
    return Familiarity(whole.mean, whole.axes, whole.variances, whole.noise, _order_statistic(distances, FAMILIAR))


def _fit(faces: Floats) -> Familiarity:
    from sklearn.decomposition import PCA

    axes = min(MOST_AXES, len(faces) // FACES_PER_AXIS)
    mean = faces.mean(axis=0)
    total = float(np.square(faces.astype(np.float64) - mean).sum() / max(len(faces) - 1, 1))
    directions, variances = np.empty((0, faces.shape[1])), np.empty(0)
    if axes:
        components = PCA(axes, random_state=0).fit(faces.astype(np.float64))
        directions, variances = components.components_, components.explained_variance_
    # Over all directions that are left. (scikit-learn divides by no more than there are faces, so that its noise, and
    # with it a limit found on nine tenths of them, would depend on their number.)
    noise = max((total - float(variances.sum())) / (faces.shape[1] - axes), LEAST_NOISE)
    return Familiarity(mean, directions.astype(np.float32), np.maximum(variances, noise).astype(np.float32), noise)


def _order_statistic(values: NDArray[np.floating], share: float) -> float | None:
    """Return the smallest of the values below which the next one falls with at least this probability."""
    place = math.ceil((len(values) + 1) * share)
    return float(np.sort(values)[place - 1]) if 0 < place <= len(values) else None
