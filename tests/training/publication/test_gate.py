"""What a regressor must show to be published, and what is said where it does not."""

from typing import Any

import numpy as np
import pytest

from training.publication import gate
from training.publication.gate import Bar, Decision
from training.statistics.intervals import Estimate
from training.statistics.subgroups import Subgroup

TARGET = np.tile([1.0, 2.0, 3.0, 4.0, 5.0], 10)
NOISE = np.random.default_rng(1).normal(0, 0.3, 50)


def estimate(value: float | None, n: int = 50) -> Estimate:
    return Estimate(value, None, None, n)


def group(value: str, rmse: Estimate) -> Subgroup:
    return Subgroup("skin", value, rmse.n, rmse, rmse)


def test_beyond_the_bar_says_by_how_much() -> None:
    bar = Bar(0.5, "R01")
    assert gate.against_bar(estimate(0.5), bar).passes
    beyond = gate.against_bar(estimate(0.561), bar)
    assert not beyond.passes
    assert beyond.sentence == "The golden RMSE of 0.561 is 0.061 beyond the bar of 0.500, the worst reader's."
    assert not gate.against_bar(estimate(0.1), None).passes


def test_the_first_regressor_has_nobody_to_be_worse_than() -> None:
    assert gate.against_active(None).passes


def test_worse_than_the_one_in_service_only_if_the_whole_interval_says_so() -> None:
    active = TARGET + NOISE
    assert gate.against_active(gate.difference(TARGET + 1.01 * NOISE[::-1], active, TARGET)).passes
    assert gate.against_active(gate.difference(TARGET, active, TARGET)).passes
    worse = gate.against_active(gate.difference(TARGET + 3 * NOISE, active, TARGET))
    assert not worse.passes
    by = np.sqrt(np.mean((3 * NOISE) ** 2)) - np.sqrt(np.mean(NOISE**2))
    assert worse.sentence.startswith(f"Its golden RMSE is {by:.3f} worse than that of the regressor in service (95 %")
    assert worse.sentence.endswith("n = 50): the whole interval is above 0.")


@pytest.mark.parametrize(
    ("slope", "n", "passes"), [(1.0, 50, True), (0.5, 50, False), (1.6, 50, False), (0.5, 19, True)]
)
def test_a_score_means_what_it_says(slope: float, n: int, passes: bool) -> None:
    assert gate.calibrated(estimate(slope, n)).passes == passes


def test_a_slope_beyond_its_limits_says_by_how_much() -> None:
    assert gate.calibrated(estimate(0.5)).sentence == (
        "The calibration slope is 0.50, 0.17 beyond; the limits are 0.67 and 1.5."
    )


def test_the_worst_subgroup_is_named() -> None:
    groups = [group("I", estimate(0.4, 30)), group("VI", estimate(0.8, 25)), group("V", estimate(None, 3))]
    assert gate.even(groups, estimate(0.6)).passes
    far = gate.even(groups, estimate(0.5))
    assert not far.passes
    assert far.sentence == (
        "The largest error in a subgroup, skin: VI (n = 25), has an RMSE of 0.800, 0.050 beyond the limit of 1.5 times "
        "that of all images."
    )
    assert gate.even(groups[2:], estimate(0.1)).passes


def decide(golden_rmse: Estimate, **changed: Any) -> Decision:
    """Return the decision on a regressor that nothing else is held against."""
    usual: dict[str, Any] = {"slope": estimate(1.0), "subgroups": (), "bar": Bar(0.5, "R01"), "excess": None}
    return gate.decide(golden_rmse=golden_rmse, **(usual | changed))


def test_what_holds_everywhere_is_published_and_the_sentence_says_what_is_established() -> None:
    decision = decide(Estimate(0.4, 0.35, 0.45, 50))
    assert decision.is_passed
    assert [condition.name for condition in decision.conditions] == ["bar", "active", "calibration", "subgroups"]
    assert decision.conclusion == (
        "Published. The machine's golden RMSE is 0.40 (95 % interval 0.35 to 0.45, n = 50): within the bar of 0.50, "
        "and so is its whole interval."
    )
    open_still = decide(Estimate(0.4, 0.3, 0.55, 50))
    assert open_still.is_passed
    assert "the interval contains the bar, so this is not established." in open_still.conclusion
    assert "(n = 1): within the bar of 0.50, but one image" in decide(estimate(0.4, 1)).conclusion


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"bar": None}, gate.NO_BAR),
        ({"bar": Bar(0.3, "R01")}, "beyond the bar of 0.30"),
        ({"excess": Estimate(0.2, 0.1, 0.3, 50)}, "worse than that of the regressor in service"),
        ({"slope": estimate(0.5)}, "The calibration slope is 0.50, 0.17 beyond"),
        ({"subgroups": [group("VI", estimate(0.8, 25))]}, "skin: VI (n = 25)"),
    ],
    ids=["no bar", "bar", "active", "calibration", "subgroups"],
)
def test_one_condition_that_fails_is_enough_and_is_named(changed: dict[str, Any], said: str) -> None:
    decision = decide(estimate(0.4), **changed)
    assert not decision.is_passed
    assert sum(not condition.passes for condition in decision.conditions) == 1
    assert decision.conclusion.startswith("Not published.")
    assert said in decision.conclusion


def test_the_bar_is_the_worst_reader_of_those_who_count() -> None:
    assert gate.bar_of({"R01": estimate(0.4), "R02": estimate(0.6), "R03": estimate(0.5)}) == Bar(0.6, "R02")
    assert gate.bar_of({}) is None
    assert [gate.counts_for_bar(graded, 20) for graded in (0, 9, 10)] == [False, False, True]
