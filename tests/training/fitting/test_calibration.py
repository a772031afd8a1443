"""The interval of a score and the limit of what is familiar hold on images that were not seen."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from training.fitting import calibration


def test_the_half_width_is_the_order_statistic_of_split_conformal_prediction() -> None:
    errors = [0.1, -0.2, 0.3, -0.4, 0.5, -0.6, 0.7, -0.8, 0.9]
    assert calibration.half_width(errors) == 0.9  # the ceil(10 x 0.9) = 9th of 9
    assert calibration.half_width([*errors, 9.0]) == 9.0  # the ceil(11 x 0.9) = 10th of 10
    assert calibration.half_width([*errors, *([0.05] * 10)]) == 0.8  # the 18th of 19


@pytest.mark.parametrize("number", [0, 1, 8])
def test_too_few_images_give_no_interval(number: int) -> None:
    assert calibration.half_width([0.5] * number) is None


def test_nine_in_ten_new_errors_are_within_it() -> None:
    rng = np.random.default_rng(11)
    held = []
    for _ in range(400):
        width = calibration.half_width(list(rng.standard_t(4, 40)))
        held.append(np.mean(np.abs(rng.standard_t(4, 200)) <= (width or 0)))
    assert np.mean(held) == pytest.approx(37 / 41, abs=0.01)  # exactly ceil(41 x 0.9) / 41 of exchangeable errors


def faces(number: int, seed: int) -> NDArray[np.float32]:
    """Return embeddings that differ in ten directions much and in all others little."""
    rng = np.random.default_rng(seed)
    directions = np.random.default_rng(0).normal(size=(10, 2048)) / 45
    return (rng.normal(size=(number, 10)) @ directions * 3 + rng.normal(0, 0.3, (number, 2048)) + 1).astype(np.float32)


def test_new_faces_of_the_same_kind_are_familiar_and_others_are_not() -> None:
    known = calibration.fit_familiarity(faces(300, 1))
    assert known.limit is not None
    assert np.mean([known.knows(face) for face in faces(500, 2)]) > 0.96
    assert not any(known.knows(face) for face in faces(50, 3) + np.float32(0.5))
    assert not any(known.knows(face) for face in faces(50, 4) * np.float32(2))


@pytest.mark.parametrize("number", [2, 12, 98])
def test_of_few_faces_nothing_is_called_unfamiliar(number: int) -> None:
    known = calibration.fit_familiarity(faces(number, 1))
    assert known.limit is None
    assert known.knows(faces(1, 2)[0] * 100)


def test_the_distance_is_that_of_probabilistic_principal_components() -> None:
    sample, new = faces(120, 1), faces(6, 2)
    known = calibration.fit_familiarity(sample)
    reference = PCA(12, random_state=0).fit(sample.astype(np.float64))
    reference.noise_variance_ = known.noise
    likelihood = reference.score_samples(new.astype(np.float64))
    squares = np.array([known.distance(face) ** 2 * 2048 for face in new])
    assert np.diff(-2 * likelihood) == pytest.approx(np.diff(squares), rel=1e-3)


def test_no_face_can_be_read_out_of_what_is_kept() -> None:
    sample = faces(100, 1)
    known = calibration.fit_familiarity(sample)
    kept = known.mean.size + known.axes.size + known.variances.size
    assert kept <= sample.size / 9  # eleven vectors for a hundred faces
