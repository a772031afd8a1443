"""The crossed model, against lme4's published example, lme4 itself, and the analysis of variance."""

import numpy as np
import pytest

from tests.training.statistics.reader_models.panels import incomplete
from training.statistics import agreement
from training.statistics.intervals import Floats
from training.statistics.reader_models import crossed
from training.statistics.reader_models.crossed import Crossed

# Davies and Goldsmith 1972, table 6.6: diameters of 24 plates (rows) by 6 samples of penicillin.
PENICILLIN = """
272326232321 272326232321 252125242420 262325232320 252226222320 242225232219 242023212219 262226242421
242124222220 242124232219 262326242421 252226242420 262426242522 262326232320 262325242422 252225232320
252124232320 252224232319 242123212119 262326242421 252124222218 252225222220 242124222419 242124222118
"""


def penicillin() -> Floats:
    rows = [[float(line[n : n + 2]) for n in range(0, 12, 2)] for line in PENICILLIN.split()]
    return np.array(rows).T


def fitted(grades: Floats) -> Crossed:
    found = crossed.fit(grades)
    assert isinstance(found, Crossed), found
    return found


def test_the_example_of_lme4_has_the_published_variances() -> None:
    # Bates 2010, "lme4: Mixed-effects modeling with R", section 2.1.1.
    found = fitted(penicillin())
    sds = np.sqrt([found.of_images, found.of_readers, found.of_rest])
    assert sds == pytest.approx([0.84670, 1.93161, 0.54992], abs=6e-5)  # the analysis of variance says 1.93156
    assert found.mean == pytest.approx(22.97222, abs=1e-5)
    effects = [one.value for one in found.readers]
    assert effects == pytest.approx([2.18706, -1.01048, 1.93790, -0.09689, -0.01384, -3.00374], abs=2e-5)
    assert [one.sd for one in found.readers] == pytest.approx([0.20217] * 6, abs=2e-5)
    assert (found.grades, found.images) == (144, 24)


def test_with_gaps_it_says_what_lme4_says() -> None:
    found = fitted(incomplete())
    assert [found.of_images, found.of_readers, found.of_rest] == pytest.approx([1.18178, 0.162274, 0.330471], abs=2e-5)
    assert found.mean == pytest.approx(2.942196, abs=1e-5)
    effects = [one.value for one in found.readers]
    assert effects == pytest.approx([-0.418267, -0.185372, 0.115540, 0, 0.488099], abs=2e-5)
    assert found.readers[3].sd == pytest.approx(0.162274**0.5, abs=1e-4)  # no grade, so nothing is known of them


def test_on_complete_data_it_is_the_analysis_of_variance() -> None:
    rng = np.random.default_rng(8)
    grades = rng.normal(3, 1, 80) + rng.normal(0, 0.5, (6, 1)) + rng.normal(0, 0.7, (6, 80))
    model, variance = fitted(grades), agreement.intraclass(grades)
    for ours, theirs in ((model.single, variance.single), (model.consistency, variance.consistency)):
        assert ours.value == pytest.approx(theirs.value, abs=1e-4)
        assert ours.interval == pytest.approx(theirs.interval, abs=0.1)  # by likelihood, not by F


def test_intervals_hold_the_truth_about_as_often_as_they_say_with_three_of_ten_grades_missing() -> None:
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(30):
        grades = rng.normal(0, 2, 40) + rng.normal(0, 0.7, (6, 1)) + rng.normal(0, 1, (6, 40))
        single = fitted(np.where(rng.random((6, 40)) < 0.7, grades, np.nan)).single
        assert single.interval
        held += single.interval[0] <= 4 / 5.49 <= single.interval[1]
    assert held >= 25  # of 30 at 95 %: fewer once in 300 times


@pytest.mark.parametrize(
    ("grades", "reason"),
    [
        (np.zeros((0, 0)), "need 3 readers at least; 0 graded"),
        (np.full((4, 30), np.nan), "need 3 readers at least; 0 graded"),
        (np.ones((2, 30)), "need 3 readers at least; 2 graded"),
        (np.ones((4, 19)), "19 images have two grades; below 20"),
        (np.where(np.eye(4, 40) > 0, 2.0, np.nan), "0 images have two grades"),
        (np.full((4, 30), 3.0), "Every grade is the same"),
    ],
)
def test_where_nothing_can_be_fitted_it_says_why(grades: Floats, reason: str) -> None:
    found = crossed.fit(grades)
    assert isinstance(found, str)
    assert reason in found


def test_readers_who_differ_by_nothing_have_no_variance() -> None:
    grades = np.tile(np.arange(30.0) % 5, (4, 1)) + np.random.default_rng(2).normal(0, 0.1, (4, 30))
    found = fitted(grades - grades.mean(axis=1, keepdims=True))
    assert found.of_readers == pytest.approx(0, abs=1e-6)
    assert [one.value for one in found.readers] == pytest.approx([0] * 4, abs=1e-4)
