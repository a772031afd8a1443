"""Which images have enough grades, whatever is missing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.statistics import metrics
from training.verdicts import enough_grades, judged_panel

COMPLETE = np.random.default_rng(3).integers(1, 6, (11, 230)).astype(float)


def missing(share: float, *, full: int = 1) -> np.ndarray:
    """Return the complete grades but for this share, except those of the first readers."""
    gone = np.random.default_rng(4).random(COMPLETE.shape) < share
    gone[:full] = False
    return np.where(gone, np.nan, COMPLETE)


@pytest.mark.parametrize(
    ("grades", "drawn", "images", "needed"),
    [
        (COMPLETE, 230, 230, 9),
        (missing(1.0), 230, 0, 2),  # the first reader is done, the others have not begun
        (missing(0.8), 230, 0, 2),
        (missing(0.8, full=7), 230, 230, 6),  # four left early
        (COMPLETE[:2], 230, 230, 2),
        (COMPLETE[:1], 230, 0, 2),
        (np.vstack([COMPLETE[:1], missing(0.6)[1:3]]), 230, 0, 2),  # one full, two short
        (COMPLETE[:, :3], 3, 3, 9),
        (COMPLETE[:, :40], 230, 0, 2),  # all have read the same 40
        (np.zeros((0, 0)), 0, 0, 2),
    ],
    ids=["all", "first done", "a fifth", "four left", "two", "one", "two short", "small set", "begun", "nobody"],
)
def test_an_unfinished_study_shows_no_number_of_several_readers(
    grades: np.ndarray,
    drawn: int,
    images: int,
    needed: int,
) -> None:
    enough, has_enough = enough_grades.of_panel(grades, drawn)
    assert (enough.images, enough.grades_needed) == (images, needed)
    assert has_enough.sum() == images
    assert enough.sentence.endswith("not shown yet." if images == 0 else f"at least {needed} grades.")


@given(share=st.floats(0, 1), readers=st.integers(1, 11), seed=st.integers(0, 1000))
def test_no_shown_bar_is_shrunk_by_more_than_a_sixth(share: float, readers: int, seed: int) -> None:
    """The published form of m grades is (m - 1) / m of leaving one out; all n readers would make it (n - 1) / n."""
    random = np.random.default_rng(seed)
    grades = np.where(random.random((readers, 40)) < share, random.integers(1, 6, (readers, 40)), np.nan)
    panel = judged_panel.of(grades, [f"R{n:02d}" for n in range(readers)], drawn=40)
    n = len(panel.codes)
    for place in range(n if panel.enough.images else 0):
        published = metrics.reader_rmse(panel.grades, place).known
        alone = metrics.reader_rmse_leave_one_out(panel.grades, place).known
        assert alone == 0 or published / alone >= (1 - 1 / 6) * (n - 1) / n


def test_a_left_out_reader_is_in_nobodys_consensus() -> None:
    codes = [f"R{n:02d}" for n in range(1, 12)]
    panel = judged_panel.of(COMPLETE, codes, drawn=230, without={"R01"})
    assert panel.codes == tuple(codes[1:])
    assert np.array_equal(panel.grades, COMPLETE[1:])
