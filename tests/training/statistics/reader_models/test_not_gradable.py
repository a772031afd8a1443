"""Who declines the hard images is found, who declines some by chance is not."""

import numpy as np
import pytest
from numpy.typing import NDArray

from training.statistics import metrics
from training.statistics.intervals import Floats
from training.statistics.reader_models import not_gradable


def panel(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return (11, 230) grades and how hard each image is: the sd of what readers say of it."""
    hard = rng.choice([0.3, 0.9], 230, p=[0.8, 0.2])
    return rng.uniform(1, 5, 230) + rng.normal(size=(11, 230)) * hard, hard


def declining(grades: Floats, which: NDArray[np.bool_]) -> tuple[Floats, NDArray[np.bool_]]:
    said = np.zeros(grades.shape, bool)
    said[0] = which
    return np.where(said, np.nan, grades), said


def test_the_rmse_that_is_to_be_expected_is_the_one_of_the_whole_list() -> None:
    grades, hard = panel(np.random.default_rng(1))
    whole = metrics.reader_rmse_leave_one_out(grades, 0).known
    row = not_gradable.examine(*declining(grades, hard > 0.5))[0]
    assert row.images == (hard > 0.5).sum()
    assert row.of == 230
    assert row.is_flagged
    assert row.rmse is not None
    assert row.rmse_with_declined is not None
    assert row.rmse < 0.75 * whole
    assert row.rmse_with_declined == pytest.approx(whole, rel=0.1)


def test_who_declines_by_chance_is_flagged_in_no_more_than_one_report_of_twenty() -> None:
    rng = np.random.default_rng(2)
    flagged = 0
    for _ in range(40):
        grades = panel(rng)[0][:6, :100]
        said = rng.random(grades.shape) < 0.1
        rows = not_gradable.examine(np.where(said, np.nan, grades), said)
        flagged += any(row.is_flagged for row in rows)
    assert flagged <= 6  # of 40 at 5 %: more once in 100 times


def test_what_was_not_looked_at_yet_is_not_declined() -> None:
    grades, hard = panel(np.random.default_rng(3))
    with_gaps, _ = declining(grades, hard > 0.5)
    row = not_gradable.examine(with_gaps, np.zeros(grades.shape, bool))[0]
    assert (row.images, row.p, row.is_flagged) == (0, None, False)
    assert row.rmse == row.rmse_with_declined


def test_readers_who_agree_in_all_have_nothing_to_compare() -> None:
    grades, said = declining(np.tile(np.arange(30.0) % 5, (4, 1)), np.arange(30) < 6)
    assert [row.rmse_with_declined for row in not_gradable.examine(grades, said)] == [None] * 4
