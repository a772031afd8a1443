"""The published rolls: more rows, and the more of them the rarer the grade."""

from training.fitting import rolling

PUBLISHED_COUNTS = {1: 244, 2: 1156, 3: 1822, 4: 614, 5: 160}


def test_published_counts_give_the_published_copies() -> None:
    rolls = rolling.rolls_per_grade(PUBLISHED_COUNTS)
    assert {grade: n + 1 for grade, n in rolls.items()} == {1: 9, 2: 3, 3: 3, 4: 4, 5: 13}


def test_equal_counts_get_two_rolls_each() -> None:
    assert rolling.rolls_per_grade({2: 40, 4: 40}) == {2: 2, 4: 2}


def test_a_grade_that_is_just_not_twice_as_rare_gets_no_more() -> None:
    assert rolling.rolls_per_grade({2: 40, 3: 21, 4: 20}) == {2: 2, 3: 2, 4: 3}


def test_offsets_stand_evenly_over_the_patch_from_zero() -> None:
    assert rolling.offsets(100, 2) == (0, 33, 66)
    assert rolling.offsets(130, 12) == tuple(range(0, 130, 10))


def test_a_patch_smaller_than_its_rolls_repeats_itself() -> None:
    """The balance of the grades is kept even where the rolled copies are equal."""
    assert rolling.offsets(3, 4) == (0, 0, 0, 0, 0)
