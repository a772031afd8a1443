"""Intervals hold the truth as often as they say, count people and not photographs, and can be had in plain Python."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from training.export import recompute
from training.statistics import agreement, bias, intervals, metrics, regression, stability
from training.statistics.intervals import Estimate, Floats, People

NAN = np.nan


def test_the_interval_of_a_mean_is_students() -> None:
    values = np.random.default_rng(1).normal(2, 1, 25)
    found = intervals.mean(values)
    assert found.interval == pytest.approx(tuple(stats.ttest_1samp(values, 0).confidence_interval()))


def test_the_interval_of_a_share_is_wilsons() -> None:
    held = np.repeat([1.0, 0.0], [27, 3])
    theirs = stats.binomtest(27, 30).proportion_ci(method="wilson")
    assert intervals.share(held).interval == pytest.approx((theirs.low, theirs.high), abs=0.004)
    assert intervals.share(np.zeros(3)).interval == pytest.approx((0, 0.5615), abs=1e-4)  # 0 of 3 is not "never"
    assert intervals.share(np.ones(3)).interval == pytest.approx((0.4385, 1), abs=1e-4)


def test_what_nine_readers_say_alike_of_an_image_counts_once() -> None:
    held = np.array([1.0, 0, 1, 1, 0, 1, 1, 1, 0, 1])
    assert intervals.share(np.tile(held, (9, 1))).interval == pytest.approx(intervals.share(held).interval)


PLAIN: dict[str, tuple[float, Callable[[Floats, People | None], Estimate]]] = {
    "RMSE": (np.sqrt(0.5), lambda values, people: metrics.rmse(values, np.zeros(len(values)), people)),
    "mean": (0.0, intervals.mean),
    "share": (0.5, lambda values, people: intervals.share((values > 0).astype(float), people)),
    "upper limit": (
        1.96 * np.sqrt(0.5),
        lambda values, people: bias.limits_of_agreement(values, np.zeros(len(values)), people).upper,
    ),
}


@pytest.mark.parametrize("name", PLAIN)
def test_of_46_people_with_five_photographs_each_it_holds_the_truth_as_of_46_people(name: str) -> None:
    truth, number = PLAIN[name]
    rng = np.random.default_rng(7)
    people = np.repeat(np.arange(46), 5)
    held = {"people": 0, "photographs": 0}
    for _ in range(200):
        values = np.repeat(rng.normal(0, 0.6, 46), 5) + rng.normal(0, np.sqrt(0.14), 230)
        for kind, whose in (("people", people), ("photographs", None)):
            found = number(values, whose).interval
            assert found
            held[kind] += found[0] <= truth <= found[1]
    assert 0.91 <= held["people"] / 200 <= 0.99
    assert held["photographs"] / 200 < 0.85


@pytest.mark.parametrize(
    ("number", "fewest"),
    [
        (intervals.mean, 10),
        (lambda values: metrics.rmse(values, np.zeros(len(values))), 20),
        (lambda values: metrics.pearson_r(values, values**2), 20),
        (lambda values: bias.limits_of_agreement(values, np.zeros(len(values))).lower, 30),
    ],
)
def test_below_what_an_interval_needs_there_is_a_number_and_a_reason(
    number: Callable[[Floats], Estimate], fewest: int
) -> None:
    values = np.random.default_rng(3).normal(size=fewest)
    assert number(values).interval
    fewer = number(values[1:])
    assert (fewer.value is None, fewer.interval) == (False, None)
    assert fewer.reason == f"{fewest - 1} images; below {fewest} an interval would promise too much."


def test_photographs_of_one_person_have_no_interval() -> None:
    found = intervals.mean(np.arange(50.0), np.zeros(50, np.intp))
    assert found.reason == "1 person; below 10 an interval would promise too much."


# The export's script against ours: other code, no libraries, one person or several photographs of each.


@settings(max_examples=12)
@given(seed=st.integers(0, 10**6), each=st.sampled_from([1, 1, 3]), images=st.integers(1, 120))
def test_plain_python_computes_the_same(seed: int, each: int, images: int) -> None:
    rng = np.random.default_rng(seed)
    people = np.arange(images) // each
    severity = rng.uniform(1, 5, images)
    grades = np.clip(np.round(severity + rng.normal(0, 0.6, (4, images))), 1, 5)
    grades[0, rng.random(images) < 0.2] = NAN
    other, scores = metrics.consensus(grades[1:]), severity + rng.normal(0, 0.5, images)
    keys = [(str(person), str(image)) for image, person in enumerate(people)]

    def pairs(one: Floats, two: Floats) -> dict[tuple[str, str], tuple[float, float]]:
        there = np.isfinite(one) & np.isfinite(two)
        return {keys[at]: (float(one[at]), float(two[at])) for at in np.flatnonzero(there)}

    lean, line = bias.lean(grades[0], other, people), regression.fit_line(other, scores, people)
    plain_lean = recompute.lean({key: a - b for key, (a, b) in pairs(grades[0], other).items()})
    limits = bias.limits_of_agreement(grades[0], other, people)
    units = {key: [float(g) for g in column if np.isfinite(g)] for key, column in zip(keys, grades.T, strict=True)}
    at_scale = [side / max(side.std(), 1e-9) for side in (scores, other)]
    expected: Sequence[tuple[Estimate, recompute.Report]] = [
        (metrics.rmse(scores, other, people), recompute.rmse({k: a - b for k, (a, b) in pairs(scores, other).items()})),
        (lean.bias, plain_lean["bias"]),
        (limits.lower, plain_lean["limits_of_agreement"]["lower"]),
        (limits.upper, plain_lean["limits_of_agreement"]["upper"]),
        (line.slope, recompute.paired("slope", pairs(other, scores))),
        (line.intercept, recompute.paired("intercept", pairs(other, scores))),
        (line.residual_sd, recompute.paired("residual_sd", pairs(other, scores))),
        (metrics.pearson_r(*at_scale, people), recompute.paired("pearson_r", pairs(at_scale[0], at_scale[1]))),
        (
            agreement.weighted_kappa(grades[0], grades[1], people),
            recompute.paired("kappa", pairs(grades[0], grades[1])),
        ),
        (agreement.alpha_ordinal(grades, people), recompute.alpha(units, by_ranks=True)),
        (agreement.alpha_interval(grades, people), recompute.alpha(units, by_ranks=False)),
        (
            intervals.share((scores > other).astype(float), people),
            recompute.share({key: (float(a > b), 1.0) for key, (a, b) in pairs(scores, other).items()}),
        ),
    ]
    for ours, theirs in expected:
        numbers = [[NAN if one is None else one for one in (theirs["value"], theirs["low"], theirs["high"])]]
        numbers += [[NAN if one is None else one for one in (ours.value, ours.low, ours.high)]]
        assert numbers[0] == pytest.approx(numbers[1], rel=1e-8, abs=1e-9, nan_ok=True)
        assert theirs["n"] == ours.n


def test_a_noise_ceiling_counts_people_too() -> None:
    grades = np.random.default_rng(2).normal(size=(5, 60))
    by_person = stability.noise_ceiling(np.repeat(grades, 4, axis=1), np.repeat(np.arange(60), 4))
    assert by_person.interval == pytest.approx(stability.noise_ceiling(grades).interval)
