"""Regressors and photographs for these tests, small but real."""

import numpy as np
from sklearn.neural_network import MLPRegressor

from scoring import recipes, regressors
from scoring.images import Selfie
from scoring.models import Regressor
from scoring.pipeline import FittedRegressor
from tests.builders import make_jpeg


def make_fitted(seed: int = 1) -> FittedRegressor:
    """Fit a small network on embeddings that mean nothing; it stops as soon as it may."""
    rng = np.random.default_rng(seed)
    rows, grades = rng.normal(size=(40, 2048)).astype(np.float32), rng.uniform(1, 5, 40).astype(np.float32)
    estimator = MLPRegressor(hidden_layer_sizes=(8,), random_state=seed, tol=1e6, n_iter_no_change=2)
    return FittedRegressor(recipes.ms2019(), estimator.fit(rows, grades))


def make_selfie(seed: int = 1) -> Selfie:
    return Selfie.of(make_jpeg(seed))


def publish_one(study: str = "acne", seed: int = 1) -> Regressor:
    row = regressors.save(make_fitted(seed), study=study, provenance={"seed": seed})
    regressors.publish(row)
    return row
