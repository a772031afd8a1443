"""Estimators: the only file that builds them. [core]"""

import os
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import RidgeCV
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

PENALTIES = np.logspace(-1, 5, 25)  # far beyond what 50 or 50,000 faces want on either side


def fit_ms2019(rows: NDArray[np.float32], grades: Sequence[float], *, seeds: Sequence[int]) -> Iterator[MLPRegressor]:
    """Fit the published estimator once per seed, in their order, as many at a time as there are cores.

    MLPRegressor(1024, 512, 256), relu, every other setting scikit-learn's default.
    rows: (n, 2048) float32 embeddings, one per patch and roll; grades: (n,), the grade of each row's image.
    Targets in float32 keep the whole fit in it: half the time of float64. A fit keeps to one core, so that it gives
    the same bits on machines of more or fewer, and most of it (Adam's steps) would use no second one anyway.
    """
    targets = np.asarray(grades, dtype=np.float32)

    def fit(seed: int) -> MLPRegressor:
        estimator = MLPRegressor(hidden_layer_sizes=(1024, 512, 256), activation="relu", random_state=seed)
        return estimator.fit(rows, targets)

    with warnings.catch_warnings(), threadpool_limits(1), ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        # Stopping at 200 epochs is part of the published recipe; `n_iter_` tells when it happened.
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield from pool.map(fit, seeds)


def fit_face_ridge(rows: NDArray[np.float32], grades: Sequence[float]) -> RidgeCV:
    """Fit a ridge regression whose penalty is chosen by leaving out one face at a time, among the faces given.

    rows: (n, 2048) float32, the mean embedding of each face; grades: (n,). It has no randomness.
    """
    return RidgeCV(alphas=PENALTIES).fit(rows.astype(np.float64), np.asarray(grades))
