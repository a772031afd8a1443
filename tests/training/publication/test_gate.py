"""What a regressor must show to be published, and what is said where it does not."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from training.publication import gate
from training.publication.gate import Bar, Decision, Findings
from training.statistics.intervals import Estimate
from training.statistics.subgroups import Subgroup
from training.verdicts import against_readers
from training.verdicts.against_readers import AgainstReaders, Rule
from training.verdicts.careless_readers import Flag

RANDOM = np.random.default_rng(1)
TARGET = np.tile([1.0, 2.0, 3.0, 4.0, 5.0], 10)
NOISE = RANDOM.normal(0, 0.3, 50)
READERS = (TARGET + RANDOM.normal(0, 0.6, (5, 50))).round().clip(1, 5)
CODES = [f"R{number:02d}" for number in range(1, 6)]


def estimate(value: float | None, n: int = 50) -> Estimate:
    return Estimate(value, None, None, n)


def group(value: str, rmse: Estimate) -> Subgroup:
    return Subgroup("skin", value, rmse.n, rmse, rmse)


def against(error: float, *, images: int = 50, margin: float = 0.0) -> AgainstReaders:
    """Return how a machine of this error stands against five readers of about 0.65."""
    scores = TARGET + error / 0.3 * NOISE
    return against_readers.compare(scores[:images], READERS[:, :images], CODES, rule=Rule(margin=margin))


def test_what_is_not_shown_to_be_closer_than_the_worst_reader_is_not_published() -> None:
    assert gate.against_the_readers(against(0.2)).passes
    for other in (against(0.6), against(1.5), against(0.2, images=19)):
        assert not gate.against_the_readers(other).passes
    assert "a verdict needs 20" in gate.against_the_readers(against(0.2, images=19)).sentence
    open_still = gate.against_the_readers(against(0.6)).sentence
    assert "the interval contains 0, so it is not established which of the two is closer" in open_still
    assert "(95 % interval of the difference" in open_still
    assert gate.against_the_readers(against(0.6, margin=0.5)).passes


def test_the_first_regressor_has_nobody_to_be_worse_than() -> None:
    assert gate.against_active(None, 0.05).passes


@pytest.mark.parametrize(
    ("scores", "images", "passes"),
    [
        (TARGET + NOISE, 50, True),
        (TARGET + 0.9 * NOISE, 50, True),
        (TARGET + 1.3 * NOISE, 50, False),  # worse by more than the margin
        (TARGET + 1.02 * NOISE[::-1], 50, False),  # as good on average, but too few images show it
        (TARGET + NOISE, 19, False),
    ],
    ids=["the same", "better", "worse", "not shown", "too few images"],
)
def test_it_must_be_shown_not_to_be_worse_than_the_one_in_service(scores: Any, images: int, passes: bool) -> None:
    of_both = (scores[:images], (TARGET + NOISE)[:images], TARGET[:images])
    condition = gate.against_active(against_readers.not_worse(*of_both, look=1), 0.05)
    assert condition.passes == passes, condition.sentence


def test_a_reader_who_stands_out_undecided_keeps_everything_back() -> None:
    flag = Flag("R02", "constant", "R02 gave 50 of 50 golden images the grade 3.")
    condition = gate.decided([flag])
    assert not condition.passes
    assert condition.sentence == (
        "Publishing waits until somebody decides whether R02 sets a bar. R02 gave 50 of 50 golden images the grade 3."
    )
    assert gate.decided([]).passes


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


def decide(**changed: Any) -> Decision:
    """Return the decision on a regressor that nothing is held against."""
    usual = Findings(
        against=against(0.2),
        golden_rmse=Estimate(0.2, 0.15, 0.25, 50),
        slope=estimate(1.0),
        subgroups=(),
        bar=Bar(0.5, "R01"),
        excess=None,
    )
    return gate.decide(replace(usual, **changed))


def test_what_holds_everywhere_is_published_and_the_papers_form_stands_beside_it() -> None:
    decision = decide()
    assert decision.is_passed
    names = [condition.name for condition in decision.conditions]
    assert names == ["readers", "careless", "active", "calibration", "subgroups"]
    assert decision.conclusion.startswith(
        "Published. Each measured against the other readers, the machine's RMSE is 0."
    )
    assert "so the machine is established to be closer." in decision.conclusion
    assert decision.conclusion.endswith(
        "In the paper's form the golden RMSE is 0.200 and the bar, the largest reader's, 0.500 (n = 50): two estimates "
        "on the same images, which establish nothing alone."
    )


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"against": against(0.6), "golden_rmse": estimate(0.1)}, "not established which of the two is closer"),
        ({"undecided": [Flag("R02", "constant", "R02 gave one grade.")]}, "R02 gave one grade."),
        ({"excess": Estimate(0.2, 0.1, 0.3, 50)}, "worse than that of the regressor in service"),
        ({"excess": estimate(-0.2, 19)}, "in service can't be told"),
        ({"slope": estimate(0.5)}, "The calibration slope is 0.50, 0.17 beyond"),
        ({"subgroups": [group("VI", estimate(0.8, 25))]}, "skin: VI (n = 25)"),
    ],
    ids=["readers", "careless", "active", "active unknown", "calibration", "subgroups"],
)
def test_one_condition_that_fails_is_enough_and_is_named(changed: dict[str, Any], said: str) -> None:
    decision = decide(**changed)
    assert not decision.is_passed
    assert sum(not condition.passes for condition in decision.conditions) == 1
    assert decision.conclusion.startswith("Not published.")
    assert said in decision.conclusion


def test_the_papers_bar_is_the_worst_reader_of_those_with_an_error() -> None:
    assert gate.bar_of({"R01": 0.4, "R02": 0.6, "R03": None}) == Bar(0.6, "R02")
    assert gate.bar_of({}) is None
