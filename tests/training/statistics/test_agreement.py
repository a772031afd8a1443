"""Agreement of readers, against published worked examples and scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from training.statistics import agreement
from training.statistics.intervals import Estimate, Floats

NAN = np.nan
# Shrout and Fleiss 1979, table 2: four judges rate six targets.
SHROUT_FLEISS = np.array([[9, 6, 8, 7, 10, 6], [2, 1, 4, 1, 5, 2], [5, 3, 6, 2, 6, 4], [8, 2, 8, 6, 9, 7]], dtype=float)
# Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", example C: four observers, twelve units.
KRIPPENDORFF = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
)


def readers(n: int, images: int, *, share: float = 1.0, seed: int = 3) -> Floats:
    """Return grades of readers who see the same severities through their own noise, each a random share of them."""
    rng = np.random.default_rng(seed)
    severity = rng.uniform(1, 5, images)
    grades = np.clip(np.round(severity + rng.normal(0, 0.5, (n, images))), 1, 5)
    return np.where(rng.random((n, images)) < share, grades, NAN)


def test_intraclass_correlations_are_those_of_shrout_and_fleiss() -> None:
    found = agreement.intraclass(SHROUT_FLEISS)
    values = [found.single.value, found.average.value, found.consistency.value]
    assert values == pytest.approx([0.29, 0.62, 0.71], abs=0.005)
    assert (found.readers, found.dropped, found.single.n) == (4, 0, 6)


def test_their_intervals_are_the_ones_that_statistics_packages_print_for_this_table() -> None:
    found = agreement.intraclass(SHROUT_FLEISS)
    ends = [(one.low, one.high) for one in (found.single, found.average, found.consistency)]
    for end, published in zip(ends, [(0.019, 0.761), (0.071, 0.927), (0.342, 0.946)], strict=True):
        assert end == pytest.approx(published, abs=0.0006)


def test_intervals_of_icc_hold_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(300):
        # Variances of images, readers and the rest: 4, 0.5, 1, so that ICC(2,1) is 4 / 5.5.
        grades = rng.normal(0, 2, 60) + rng.normal(0, 0.5**0.5, (8, 1)) + rng.normal(0, 1, (8, 60))
        single = agreement.intraclass(grades).single
        assert single.low is not None
        assert single.high is not None
        held += single.low <= 4 / 5.5 <= single.high
    assert 0.90 <= held / 300 <= 0.99


def test_only_complete_images_count_for_an_intraclass_correlation_and_the_others_are_counted() -> None:
    with_gaps = np.concatenate([SHROUT_FLEISS, np.array([[9.0], [NAN], [5], [8]]), np.full((4, 1), NAN)], axis=1)
    found = agreement.intraclass(with_gaps)
    assert found.single == agreement.intraclass(SHROUT_FLEISS).single
    assert found.dropped == 1  # nobody graded the other one
    idle = np.concatenate([SHROUT_FLEISS, np.full((1, 6), NAN)])
    assert agreement.intraclass(idle) == agreement.intraclass(SHROUT_FLEISS)


def test_alpha_is_krippendorffs() -> None:
    assert agreement.alpha_ordinal(KRIPPENDORFF).value == pytest.approx(0.815, abs=0.0005)
    assert agreement.alpha_interval(KRIPPENDORFF).value == pytest.approx(0.849, abs=0.0005)
    assert agreement.alpha_ordinal(KRIPPENDORFF).n == 11  # the last unit has one observer


def test_alpha_does_not_ask_how_an_ordinal_scale_is_numbered() -> None:
    stretched = np.where(np.isfinite(KRIPPENDORFF), KRIPPENDORFF**3 - 7, NAN)
    assert agreement.alpha_ordinal(stretched).value == agreement.alpha_ordinal(KRIPPENDORFF).value
    assert agreement.alpha_interval(stretched).value != agreement.alpha_interval(KRIPPENDORFF).value


def test_weighted_kappa_is_scikit_learns() -> None:
    one, other = readers(2, 200)
    theirs = cohen_kappa_score(one, other, weights="quadratic")
    found = agreement.weighted_kappa(one, other)
    assert found.value == pytest.approx(theirs)
    assert found.low is not None
    assert found.high is not None
    assert found.low < theirs < found.high


def test_a_pair_is_compared_on_the_images_that_both_graded() -> None:
    grades = readers(4, 120, share=0.6)
    for pair in agreement.pairwise_kappa(grades):
        both = np.isfinite(grades[[pair.first, pair.second]]).all(axis=0)
        one, other = grades[pair.first][both], grades[pair.second][both]
        assert pair.kappa.n == both.sum() < 120
        assert pair.kappa.value == pytest.approx(cohen_kappa_score(one, other, weights="quadratic"))


def test_a_pair_with_few_images_in_common_says_how_many() -> None:
    one, other = readers(2, 50)
    one[19:] = NAN
    found = agreement.weighted_kappa(one, other)
    assert (found.value, found.n) == (None, 19)
    assert found.reason == "Both graded 19 images; below 20 a kappa says too little."


def test_many_readers_have_kappas_without_intervals_and_a_reason() -> None:
    pairs = agreement.pairwise_kappa(readers(agreement.MOST_READERS_WITH_INTERVALS + 1, 30))
    assert len(pairs) == 300
    assert all(pair.kappa.value is not None and pair.kappa.low is None and pair.kappa.reason for pair in pairs)


@pytest.mark.parametrize(
    "grades",
    [
        np.zeros((0, 0)),
        np.zeros((3, 0)),
        np.full((2, 4), NAN),
        np.array([[3.0]]),
        np.array([[3.0], [4.0]]),
        np.array([[3.0, 3, 3], [3, 3, 3]]),
        np.array([[3.0, 3, 3], [4, 4, 4]]),
        np.array([[1.0, 2, 3], [1, 2, 3]]),
        np.array([[1.0, 2, 3], [2, 3, 4]]),
        np.array([[1.0, 2, 3], [3, 2, 1]]),
        np.array([[1.0, NAN, 3], [NAN, 2, NAN]]),
        np.array([[1.0, 5, 1, 5], [5, 1, 5, 1], [1, 1, 5, 5]]),
        np.tile([1.0, 2, 3], (2, 20)),
        np.full((2, 40), 3.0),
        np.stack([np.full(40, 3.0), np.tile([2.0, 4], 20)]),
        np.stack([np.full(40, 3.0), np.full(40, 4.0)]),
        np.stack([np.tile([1.0, 5], 20), np.tile([5.0, 1], 20)]),
    ],
    ids=str,
)
def test_every_coefficient_is_a_number_or_has_a_reason(grades: Floats) -> None:
    found = agreement.intraclass(grades)
    numbers = [found.single, found.average, found.consistency]
    numbers += [agreement.alpha_ordinal(grades), agreement.alpha_interval(grades)]
    numbers += [pair.kappa for pair in agreement.pairwise_kappa(grades)]
    for number in numbers:
        assert_number_or_reason(number)


def assert_number_or_reason(number: Estimate) -> None:
    ends = (number.value, number.low, number.high)
    assert all(end is None or np.isfinite(end) for end in ends)
    assert number.reason or None not in ends


def test_pairs_of_many_readers_have_the_kappas_that_each_pair_has_alone() -> None:
    """Also where they graded different images, where some graded few, and where two never vary."""
    many = agreement.MOST_READERS_WITH_INTERVALS + 4
    random = np.random.default_rng(6)
    grades = random.integers(1, 6, (many, 60)).astype(float)
    grades[random.random((many, 60)) < 0.3] = np.nan
    grades[0, 15:] = np.nan
    grades[1] = grades[2] = 3
    for pair in agreement.pairwise_kappa(grades):
        alone = agreement.weighted_kappa(grades[pair.first], grades[pair.second])
        assert pair.kappa.n == alone.n
        assert pair.kappa.value == pytest.approx(alone.value)
        assert pair.kappa.value is not None or pair.kappa.reason == alone.reason


def test_many_readers_without_a_grade_have_reasons() -> None:
    pairs = agreement.pairwise_kappa(np.full((agreement.MOST_READERS_WITH_INTERVALS + 1, 3), np.nan))
    assert {pair.kappa.value for pair in pairs} == {None}
    assert all(pair.kappa.reason for pair in pairs)


def test_ac2_is_gwets_also_with_gaps_and_grades_that_nobody_gave() -> None:
    # Fergadis's irrCAC 0.4.5 prints these for quadratic weights, and pa 0.97538, pe 0.71370 for the first.
    assert agreement.ac2(KRIPPENDORFF, (1, 2, 3, 4, 5)).value == pytest.approx(0.914, abs=5e-5)
    wider = agreement.ac2(KRIPPENDORFF, tuple(range(9)))
    assert wider.known > agreement.ac2(KRIPPENDORFF, (1, 2, 3, 4, 5)).known


def test_ac2_stays_high_where_nearly_all_images_have_one_grade() -> None:
    rare = np.ones((4, 100))
    rare[0, 3] = rare[1, 50] = rare[2, 70] = 2
    assert agreement.ac2(rare, (1, 2, 3, 4, 5)).known > 0.99
    assert agreement.alpha_ordinal(rare).known < 0.1


def test_ac2_without_two_grades_of_an_image_says_why() -> None:
    assert "two readers" in agreement.ac2(np.array([[1.0, NAN], [NAN, 2.0]]), (1, 2)).reason
    assert "two readers" in agreement.ac2(np.full((2, 3), NAN), (1, 2)).reason
