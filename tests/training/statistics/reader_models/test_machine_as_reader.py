"""The machine as one more reader, against scikit-learn's kappa and readers that are like it."""

from itertools import combinations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from training.statistics.intervals import Floats
from training.statistics.reader_models import machine_as_reader

LEVELS = np.array([1.0, 2, 3, 4, 5])


def panel(seed: int, *, readers: int = 6, images: int = 120, noise: float = 0.5) -> Floats:
    rng = np.random.default_rng(seed)
    return np.clip(np.round(rng.uniform(1, 5, images) + rng.normal(0, noise, (readers, images))), 1, 5)


def kappa(one: Floats, other: Floats) -> float:
    return float(cohen_kappa_score(one.astype(int), other.astype(int), weights="quadratic"))


def test_its_mean_kappas_are_those_of_scikit_learn() -> None:
    *readers, machine = grades = panel(1)
    found = machine_as_reader.join(machine + 0.3, np.array(readers), LEVELS)
    assert len(grades) == 6
    among = np.mean([kappa(one, other) for one, other in combinations(readers, 2)])
    with_machine = np.mean([kappa(machine, one) for one in readers])
    assert found.kappa_among_readers.value == pytest.approx(among)
    assert found.kappa_with_machine.value == pytest.approx(with_machine)
    assert found.kappa_difference.value == pytest.approx(with_machine - among)


def test_one_like_the_readers_changes_nothing_and_one_that_guesses_does() -> None:
    *readers, like = panel(2)
    guesses = np.random.default_rng(3).uniform(1, 5, len(like))
    same, worse = (machine_as_reader.join(scores, np.array(readers), LEVELS) for scores in (like, guesses))
    assert same.kappa_difference.interval
    assert same.kappa_difference.interval[0] < 0 < same.kappa_difference.interval[1]
    assert same.icc_with_machine.known == pytest.approx(same.icc_of_readers.known, abs=0.03)
    assert worse.kappa_difference.interval
    assert worse.kappa_difference.interval[1] < -0.5
    assert worse.icc_with_machine.known < worse.icc_of_readers.known - 0.1


def test_photographs_of_one_person_count_as_one() -> None:
    *readers, machine = panel(4, images=30)
    grades, scores, people = np.repeat(readers, 5, axis=1), np.repeat(machine, 5), np.repeat(np.arange(30), 5)
    by_person = machine_as_reader.join(scores, grades, LEVELS, people)
    by_image = machine_as_reader.join(scores, grades, LEVELS)
    (low, high), (image_low, image_high) = (one.kappa_difference.interval or (0, 0) for one in (by_person, by_image))
    assert high - low > 1.8 * (image_high - image_low) > 0


def test_pairs_that_share_too_little_are_left_out_and_said() -> None:
    grades = panel(5, images=19)
    assert "20 images" in machine_as_reader.join(grades[0], grades[1:], LEVELS).kappa_difference.reason
    assert "20 images" in machine_as_reader.join(np.full(19, np.nan), grades, LEVELS).kappa_with_machine.reason
