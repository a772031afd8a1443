"""The estimators: the published one and our own."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor

from scoring.regressor import recipes
from scoring.regressor.recipes import OnFaces, OnPatches, Pooling
from training.fitting import estimators, recipe_comparison, ridge
from training.fitting.estimators import Faces, Fitted
from training.fitting.reader_effects import Labels

Rows = NDArray[np.float32]
ON_FACES = {entry.name: entry.estimator for entry in recipes.REGISTRY if isinstance(entry.estimator, OnFaces)}
PUBLISHED = OnPatches((1024, 512, 256))


@pytest.fixture(scope="module")
def rows() -> tuple[Rows, list[float]]:
    """Return 60 rows whose first numbers tell the grade."""
    random = np.random.default_rng(3)
    grades = [float(grade) for grade in random.integers(1, 6, 60)]
    embeddings = np.abs(random.normal(0, 0.1, (60, 2048))).astype(np.float32)
    embeddings[:, :64] += np.array(grades, dtype=np.float32)[:, None]
    return embeddings, grades


def faces_of(embeddings: Rows, grades: list[float], *, readers: int = 3) -> Faces:
    n = len(grades)
    labels = Labels(np.arange(n), np.arange(n) % readers, np.array(grades))
    return Faces.of({Pooling.MEAN: embeddings, Pooling.ROOT: np.sqrt(embeddings)}, labels)


def fit_faces(faces: Faces, *, seed: int = 1) -> dict[str, Fitted]:
    part = recipe_comparison.part([str(number) for number in range(faces.n)], seed=seed)
    return estimators.fit_faces(ON_FACES, faces, part, seed=seed)


def test_the_published_layers_and_otherwise_scikit_learns_defaults() -> None:
    settings = estimators.perceptron(PUBLISHED, seed=2019).get_params()
    assert settings["hidden_layer_sizes"] == (1024, 512, 256)
    assert settings["random_state"] == 2019
    changed = {name for name, value in MLPRegressor().get_params().items() if settings[name] != value}
    assert changed == {"hidden_layer_sizes", "random_state"}


def test_a_network_of_plain_arrays_says_what_scikit_learn_says(rows: tuple[Rows, list[float]]) -> None:
    embeddings, grades = rows
    estimator = MLPRegressor(hidden_layer_sizes=(16, 8), random_state=1, tol=1e6, n_iter_no_change=2).fit(
        embeddings, np.array(grades, np.float32)
    )
    network = estimators.network(estimator)
    assert np.array_equal(network.predict(embeddings), estimator.predict(embeddings))
    assert {array.dtype for array in network.arrays().values()} == {np.dtype(np.float32)}


def test_a_fit_learns_and_repeats_bit_for_bit(rows: tuple[Rows, list[float]]) -> None:
    once, again = (estimators.fit_patches(PUBLISHED, *rows, seed=1).predict(rows[0]) for _ in range(2))
    assert np.sqrt(np.mean((once - np.array(rows[1])) ** 2)) < 0.3
    assert np.array_equal(once, again)


def test_another_seed_gives_another_fit(rows: tuple[Rows, list[float]]) -> None:
    small = OnPatches((32, 16))
    one, other = (estimators.fit_patches(small, *rows, seed=seed).predict(rows[0]) for seed in (1, 2))
    assert not np.array_equal(one, other)


def test_every_recipe_of_faces_learns_from_few_and_repeats_bit_for_bit(rows: tuple[Rows, list[float]]) -> None:
    embeddings, grades = rows
    once, again = (fit_faces(faces_of(embeddings[:45], grades[:45])) for _ in range(2))
    assert once.keys() == ON_FACES.keys()
    for name, fitted in once.items():
        unseen = embeddings[45:] if ON_FACES[name].pooling is Pooling.MEAN else np.sqrt(embeddings[45:])
        assert np.sqrt(np.mean((fitted.head.predict(unseen) - np.array(grades[45:])) ** 2)) < 0.4, name
        assert np.array_equal(fitted.left_out, again[name].left_out)
        assert all(np.array_equal(one, again[name].head.arrays()[part]) for part, one in fitted.head.arrays().items())


def test_no_face_has_a_say_in_its_own_score(rows: tuple[Rows, list[float]]) -> None:
    embeddings, grades = rows
    part = recipe_comparison.part([str(number) for number in range(60)], seed=1)
    changed = [5.0 if its == 0 else grade for grade, its in zip(grades, part, strict=True)]
    before, after = (
        estimators.fit_faces(ON_FACES, faces_of(embeddings, said), part, seed=1) for said in (grades, changed)
    )
    for name, fitted in before.items():
        assert np.allclose(fitted.left_out[part == 0], after[name].left_out[part == 0], atol=1e-8), name
        assert not np.allclose(fitted.left_out[part == 1], after[name].left_out[part == 1], atol=1e-8), name


def test_a_reader_who_is_always_milder_is_seen_through() -> None:
    random = np.random.default_rng(4)
    truth = random.uniform(1, 5, 200)
    embeddings = np.abs(random.normal(0, 0.05, (200, 2048))).astype(np.float32)
    embeddings[:, :64] += truth.astype(np.float32)[:, None]
    milder = np.arange(200) % 4 == 0
    labels = Labels(np.arange(200), milder.astype(int), truth - 1.5 * milder + random.normal(0, 0.2, 200))
    fitted = fit_faces(Faces.of({Pooling.MEAN: embeddings, Pooling.ROOT: np.sqrt(embeddings)}, labels))
    spread = {name: np.std(fitted[name].left_out - truth) for name in ("face_root", "face_readers")}
    assert spread["face_readers"] < 0.9 * spread["face_root"]


def test_a_ridge_regression_by_sums_is_scikit_learns() -> None:
    random = np.random.default_rng(5)
    rows, part = random.normal(1, 2, (120, 30)), np.arange(120) % 5
    targets = rows[:, 0] + random.normal(0, 0.5, 120)
    for fit in ridge.fit_nested(ridge.sum_parts(rows, targets, part)):
        seen = part != fit.without
        unit = np.square(rows[seen] - rows[seen].mean(axis=0)).sum() / 30
        theirs = Ridge(alpha=fit.penalty * unit).fit(rows[seen], targets[seen])
        assert np.allclose(fit.line.weights, theirs.coef_)
        assert fit.line.intercept == pytest.approx(theirs.intercept_)


def test_rows_beyond_memory_are_summed_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(6)
    rows, part = random.normal(1, 2, (100, 8)), np.arange(100) % 5
    at_once = ridge.fit_nested(ridge.sum_parts(rows, rows[:, 0], part))
    monkeypatch.setattr(ridge, "ROWS_AT_ONCE", 7)
    piecewise = ridge.fit_nested(ridge.sum_parts(rows, rows[:, 0], part))
    for one, other in zip(at_once, piecewise, strict=True):
        assert np.allclose(one.line.weights, other.line.weights)


def test_fewer_faces_than_columns_lose_nothing() -> None:
    rows = np.random.default_rng(7).normal(3, 1, (40, 100))
    space = estimators.compact(rows)
    assert space.rows.shape == (40, 40)
    part, targets = np.arange(40) % 5, rows[:, 0]
    line = ridge.fit_nested(ridge.sum_parts(space.rows, targets, part))[-1].line
    weights, intercept = space.back(line)
    assert np.allclose(rows @ weights + intercept, space.rows @ line.weights + line.intercept)
