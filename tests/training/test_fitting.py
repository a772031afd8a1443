"""The estimators: the published one and our own."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.neural_network import MLPRegressor

from training import fitting

Rows = NDArray[np.float32]


@pytest.fixture(scope="module")
def rows() -> tuple[Rows, list[float]]:
    """Return 60 rows whose first number tells the grade."""
    random = np.random.default_rng(3)
    grades = [float(grade) for grade in random.integers(1, 6, 60)]
    embeddings = random.normal(0, 0.1, (60, 2048)).astype(np.float32)
    embeddings[:, :64] += np.array(grades, dtype=np.float32)[:, None]
    return embeddings, grades


def fit(rows: tuple[Rows, list[float]], *seeds: int) -> list[MLPRegressor]:
    return list(fitting.fit_ms2019(*rows, seeds=seeds))


def test_the_published_layers_and_otherwise_scikit_learns_defaults(rows: tuple[Rows, list[float]]) -> None:
    (estimator,) = fit(rows, 2019)
    settings = estimator.get_params()
    assert settings["hidden_layer_sizes"] == (1024, 512, 256)
    assert settings["random_state"] == 2019
    changed = {name for name, value in MLPRegressor().get_params().items() if settings[name] != value}
    assert changed == {"hidden_layer_sizes", "random_state"}
    assert {weights.dtype for weights in estimator.coefs_} == {np.dtype(np.float32)}


def test_a_fit_learns_and_repeats_bit_for_bit(rows: tuple[Rows, list[float]]) -> None:
    once, other, again = (estimator.predict(rows[0]) for estimator in fit(rows, 1, 2, 1))
    assert np.sqrt(np.mean((once - np.array(rows[1])) ** 2)) < 0.3
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)


def test_the_face_ridge_learns_from_few_faces(rows: tuple[Rows, list[float]]) -> None:
    embeddings, grades = rows
    estimator = fitting.fit_face_ridge(embeddings[:40], grades[:40])
    assert np.sqrt(np.mean((estimator.predict(embeddings[40:]) - np.array(grades[40:])) ** 2)) < 0.3


def test_the_mean_of_the_patches_scores_is_the_score_of_their_mean(rows: tuple[Rows, list[float]]) -> None:
    estimator = fitting.fit_face_ridge(*rows)
    patches = rows[0][:4]
    assert estimator.predict(patches).mean() == pytest.approx(estimator.predict(patches.mean(axis=0)[None])[0])
