"""Estimators: the only file that builds them. [core]"""

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor


def fit_ms2019(rows: NDArray[np.float32], grades: Sequence[float], *, seed: int) -> MLPRegressor:
    """Fit the published estimator: MLPRegressor(1024, 512, 256), relu, every other setting scikit-learn's default.

    rows: (n, 2048) float32 embeddings, one per patch and roll; grades: (n,), the grade of each row's image.
    float32 in keeps the fit in float32, half the time of float64.
    """
    estimator = MLPRegressor(hidden_layer_sizes=(1024, 512, 256), activation="relu", random_state=seed)
    with warnings.catch_warnings():
        # Stopping at 200 epochs is part of the published recipe; `n_iter_` tells when it happened.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(rows, np.asarray(grades, dtype=np.float32))
