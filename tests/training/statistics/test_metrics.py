"""Every number of the report against examples worked by hand, and against scipy and scikit-learn."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import confusion_matrix, mean_absolute_error, recall_score, root_mean_squared_error

from training.statistics import metrics
from training.statistics.intervals import Estimate, Floats

NAN = np.nan
# Three readers, three images; the consensus is 2, 3, 4.
GRADES = np.array([[1.0, 2, 3], [2, 2, 4], [3, 5, 5]])
LEVELS = (1, 2, 3, 4, 5)


def made_up(n: int, seed: int = 1) -> tuple[Floats, Floats]:
    """Return n scores and the consensus they are of."""
    random = np.random.default_rng(seed)
    consensus = random.uniform(1, 5, n)
    return consensus + random.normal(0, 0.5, n), consensus


def test_the_published_form_holds_a_reader_against_everybody() -> None:
    assert metrics.consensus(GRADES).tolist() == [2, 3, 4]
    values = [metrics.reader_rmse(GRADES, reader).value for reader in range(3)]
    assert values == pytest.approx([1, math.sqrt(1 / 3), math.sqrt(2)])


def test_leave_one_out_holds_a_reader_against_the_others() -> None:
    # The others of the first reader say 2.5, 3.5 and 4.5.
    assert metrics.consensus_without(GRADES, 0).tolist() == [2.5, 3.5, 4.5]
    assert metrics.reader_rmse_leave_one_out(GRADES, 0).value == pytest.approx(1.5)


def test_on_complete_data_the_published_form_is_a_fixed_share_of_leave_one_out() -> None:
    grades = np.random.default_rng(5).integers(1, 6, (11, 230)).astype(float)
    for reader in range(11):
        published = metrics.reader_rmse(grades, reader).value
        alone = metrics.reader_rmse_leave_one_out(grades, reader).value
        assert published is not None
        assert alone is not None
        assert published == pytest.approx(10 / 11 * alone)


def test_a_reader_counts_on_the_images_they_graded() -> None:
    grades = np.array([[1, NAN, NAN], [3, 4, NAN]])
    assert metrics.consensus(grades)[:2].tolist() == [2, 4]
    assert metrics.reader_rmse(grades, 0) == Estimate(
        1.0, None, None, 1, "1 image; below 20 an interval would promise too much."
    )
    assert metrics.reader_rmse(grades, 1).n == 2
    # Only the first image has another reader to be held against.
    assert (metrics.reader_rmse_leave_one_out(grades, 1).value, metrics.reader_rmse_leave_one_out(grades, 1).n) == (
        2,
        1,
    )


def test_a_reader_without_grades_has_no_rmse_but_a_reason() -> None:
    estimate = metrics.reader_rmse(np.array([[NAN, NAN], [3, 4]]), 0)
    assert (estimate.value, estimate.n) == (None, 0)
    assert estimate.reason


def test_errors_and_correlation_agree_with_the_libraries() -> None:
    scores, consensus = made_up(60)
    assert metrics.rmse(scores, consensus).value == pytest.approx(root_mean_squared_error(consensus, scores))
    assert metrics.mean_absolute_error(scores, consensus).value == pytest.approx(mean_absolute_error(consensus, scores))
    assert metrics.pearson_r(scores, consensus).value == pytest.approx(stats.pearsonr(scores, consensus).statistic)


def test_intervals_agree_with_scipys_corrected_bootstrap() -> None:
    scores, consensus = made_up(80)
    ours = metrics.rmse(scores, consensus)
    theirs = stats.bootstrap(
        ((scores - consensus) ** 2,),
        lambda squares, axis: np.sqrt(squares.mean(axis=axis)),
        n_resamples=20_000,
        method="BCa",
        rng=np.random.default_rng(3),
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.015)


@pytest.mark.parametrize(
    ("ours", "theirs", "by"),
    [(metrics.pearson_r, stats.pearsonr, 0.02), (metrics.spearman_r, stats.spearmanr, 0.03)],
)
def test_an_interval_of_a_correlation_agrees_with_scipys(
    ours: Callable[[Floats, Floats], Estimate], theirs: Callable[..., Any], by: float
) -> None:
    scores, consensus = (side.round(1) for side in made_up(80))  # with ties
    found = ours(scores, consensus)
    expected = stats.bootstrap(
        (scores, consensus),
        lambda x, y: theirs(x, y).statistic,
        n_resamples=5_000,
        method="percentile",
        paired=True,
        vectorized=False,
        rng=np.random.default_rng(3),
    ).confidence_interval
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=by)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    random = np.random.default_rng(8)
    hits = 0
    for _ in range(300):
        estimate = metrics.rmse(random.normal(0, 0.5, 100), np.zeros(100))
        assert estimate.low is not None
        assert estimate.high is not None
        hits += estimate.low <= 0.5 <= estimate.high
    assert 0.90 <= hits / 300 <= 0.98


def test_the_same_numbers_give_the_same_interval() -> None:
    scores, consensus = made_up(30)
    assert metrics.rmse(scores, consensus) == metrics.rmse(scores, consensus)


def test_published_numbers_would_not_have_established_the_bar() -> None:
    # 230 golden images, an RMSE of 0.482: the interval contains 0.517 (statistics.md).
    errors = np.random.default_rng(2).normal(0, 1, 230)
    errors *= 0.482 / np.sqrt(np.mean(errors**2))
    estimate = metrics.rmse(errors, np.zeros(230))
    assert estimate.value == pytest.approx(0.482)
    assert estimate.low == pytest.approx(0.44, abs=0.015)
    assert estimate.high == pytest.approx(0.53, abs=0.015)


def test_the_machine_is_paired_with_a_reader_on_the_same_images() -> None:
    grades = np.array([[1, 4, NAN], [2, 2, 5], [4, 2, 3]])
    # Against the others' means (3, 2) the machine errs by 0 and 1, the reader by 2 and 2.
    comparison = metrics.compare_with_reader(np.array([3.0, 3, 1]), grades, 0)
    assert comparison.n == 2
    assert comparison.value == pytest.approx(math.sqrt(1 / 2) - 2)


def test_a_machine_as_good_as_the_reader_is_not_better() -> None:
    grades = np.random.default_rng(4).integers(1, 6, (3, 40)).astype(float)
    comparison = metrics.compare_with_reader(grades[0], grades, 0)
    assert (comparison.value, comparison.low, comparison.high) == (0, 0, 0)


def test_the_confusion_matrix_cuts_both_sides_half_way_between_grades() -> None:
    consensus = np.array([1.49, 1.5, 2.5, 4.5, 3.2])
    scores = np.array([0.2, 2.49, 3.5, 5.7, 1.5])
    table = metrics.confusion(scores, consensus, LEVELS)
    assert table.sum() == 5
    assert [table[0, 0], table[1, 1], table[2, 3], table[4, 4], table[2, 1]] == [1, 1, 1, 1, 1]


def test_the_confusion_matrix_agrees_with_scikit_learn() -> None:
    scores, consensus = made_up(200)
    cut = [np.clip(np.floor(side + 0.5), 1, 5) for side in (consensus, scores)]
    assert metrics.confusion(scores, consensus, LEVELS).tolist() == confusion_matrix(*cut, labels=LEVELS).tolist()


@pytest.mark.parametrize("statistic", [metrics.rmse, metrics.mean_absolute_error, metrics.pearson_r])
@pytest.mark.parametrize(
    ("values", "against"),
    [
        ([], []),
        ([2.0], [3.0]),
        ([NAN, 2.0], [1.0, NAN]),
        ([2.0, 2.0], [1.0, 3.0]),
        ([0.1 + 0.2, 0.3, 0.3], [1.0, 2.0, 3.0]),
        ([1.0, 2.0], [1.0, 3.0]),
        ([3.0, 3.0, 3.0], [3.0, 3.0, 3.0]),
        ([2.3, 2.3, 2.3, 2.3, 4.1], [2.3, 2.3, 2.3, 2.3, 4.1]),
    ],
)
def test_a_number_is_a_number_or_has_a_reason(statistic: object, values: list[float], against: list[float]) -> None:
    estimate = statistic(np.array(values), np.array(against))  # type: ignore[operator]
    assert estimate.n == sum(np.isfinite(values) & np.isfinite(against))
    for number in (estimate.value, estimate.low, estimate.high):
        assert number is None or math.isfinite(number)
    assert estimate.reason or None not in (estimate.value, estimate.low, estimate.high)


def test_a_correlation_and_its_interval_stay_within_one() -> None:
    base = np.array([2.3, 2.3, 2.3, 2.3, 4.1])
    estimate = metrics.pearson_r(base * 1e-3 + 1e3, base)
    assert estimate.value == pytest.approx(1)
    for number in (estimate.value, estimate.low, estimate.high):
        assert number is None or -1 <= number <= 1


def test_ranks_correlate_as_scipy_says_ties_and_all() -> None:
    scores, consensus = made_up(80)
    for x, y in ((scores, consensus), (scores.round(), consensus.round())):
        ours = metrics.spearman_r(x, y)
        theirs = stats.spearmanr(x, y)
        assert ours.value == pytest.approx(theirs.statistic)
        assert ours.low is not None
        assert ours.high is not None
        assert ours.low < theirs.statistic < ours.high


def test_ranks_do_not_mind_how_far_apart_things_are() -> None:
    x = np.array([1.0, 2, 3, 4, 5])
    assert metrics.spearman_r(x, np.exp(x)).value == pytest.approx(1)
    assert metrics.spearman_r(x, -x).value == pytest.approx(-1)


@pytest.mark.parametrize(
    ("x", "y", "n", "reason"),
    [
        ([], [], 0, "needs at least 3 images"),
        ([1.0, 2.0], [2.0, 1.0], 2, "needs at least 3 images"),
        ([1.0, NAN, 2.0, 3.0], [1.0, 2.0, NAN, 4.0], 2, "needs at least 3 images"),
        ([3.0, 3.0, 3.0], [1.0, 2.0, 3.0], 3, "never varies"),
        ([1.0] * 2001, [2.0, *([1.0] * 2000)], 2001, "never varies"),
        ([*map(float, range(2001))], [*map(float, range(2001))], 2001, "not ranked anew"),
    ],
)
def test_ranks_that_cannot_be_correlated_say_why(x: list[float], y: list[float], n: int, reason: str) -> None:
    estimate = metrics.spearman_r(np.array(x), np.array(y))
    assert (estimate.value, estimate.n) == (None, n)
    assert reason in estimate.reason


def test_recall_agrees_with_scikit_learn() -> None:
    scores, consensus = made_up(200)
    cut = [np.clip(np.floor(side + 0.5), 1, 5) for side in (consensus, scores)]
    ours = [share.value for share in metrics.recall(scores, consensus, LEVELS)]
    assert ours == pytest.approx(recall_score(*cut, labels=LEVELS, average=None).tolist())


def test_a_grade_that_nobody_gave_has_no_recall_but_a_reason() -> None:
    shares = metrics.recall(np.array([1.0, 2.0]), np.array([1.0, NAN]), LEVELS)
    assert (shares[0].value, shares[0].n) == (1, 1)
    assert [(share.value, bool(share.reason)) for share in shares[1:]] == [(None, True)] * 4


def test_reliability_is_the_mean_of_what_was_said_where_a_score_falls() -> None:
    scores = np.array([1.2, 1.4, 2.5, 3.4, 5.0, NAN])
    target = np.array([1.0, 2.0, 3.0, 2.0, 4.0, 5.0])
    told = metrics.reliability(scores, target, LEVELS)
    assert [(step.score, step.consensus.value, step.consensus.n) for step in told] == [
        (pytest.approx(1.3), 1.5, 2),
        (pytest.approx(2.95), 2.5, 2),  # 2.5 is at the higher grade
        (5.0, 4.0, 1),
    ]


def test_residuals_leave_the_reader_out() -> None:
    left = metrics.residuals(np.array([[1.0, 4, NAN], [3, NAN, NAN], [5, 2, 3]]))
    assert left[:, 0].tolist() == [1 - 4, 3 - 3, 5 - 2]
    assert left[[0, 2], 1].tolist() == [2, -2]
    assert np.isnan(left[1, 1])
    assert np.isnan(left[:, 2]).all()  # nobody else said anything
    grades = np.random.default_rng(5).integers(1, 6, (4, 30)).astype(float)
    for reader in range(4):
        alone = grades[reader] - metrics.consensus_without(grades, reader)
        assert metrics.residuals(grades)[reader] == pytest.approx(alone)
