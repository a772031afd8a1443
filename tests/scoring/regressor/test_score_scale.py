"""A study's scale: which grade a number is."""

import numpy as np
import pytest

from scoring.regressor.score_scale import Scale


@pytest.mark.parametrize(
    ("score", "grade"), [(-3, 1), (1.49, 1), (1.5, 2), (2.5, 3), (3.49, 3), (3.5, 4), (4.5, 5), (9, 5)]
)
def test_the_published_grades_are_cut_at_the_halves(score: float, grade: int) -> None:
    assert Scale.of_steps(5).grades_of(score) == grade


@pytest.mark.parametrize("grades", [(1, 2), (1, 2, 3, 4), (1, 2, 3, 4, 5, 6, 7), (1, 2, 4), (2, 9)])
def test_every_number_is_the_nearest_grade_and_half_way_the_higher_one(grades: tuple[int, ...]) -> None:
    scale = Scale(grades)
    for value in np.arange(-1, 12, 0.25):
        nearest = min(grades, key=lambda grade: (abs(grade - value), -grade))
        assert scale.grades_of(value) == nearest
        assert scale.lowest <= scale.clip(value) <= scale.highest
    assert scale.grades_of(grades).tolist() == list(grades)


@pytest.mark.parametrize("grades", [(), (3,), (1, 1, 2), (3, 2, 1)])
def test_what_is_no_scale_is_refused(grades: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="2 different grades or more"):
        Scale(grades)
