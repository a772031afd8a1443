"""What a regressor must show to be published, and what is said where it does not."""

import numpy as np
import pytest

from training.publication import gate

TARGET = np.tile([1.0, 2.0, 3.0, 4.0, 5.0], 10)
NOISE = np.random.default_rng(1).normal(0, 0.3, 50)


def estimate(value: float | None, n: int = 50) -> dict[str, float | int | None]:
    return {"value": value, "low": None, "high": None, "n": n}


def test_beyond_the_bar_says_by_how_much() -> None:
    bar = {"value": 0.5, "reader": "R01"}
    assert gate.against_bar(estimate(0.5), bar).passes
    beyond = gate.against_bar(estimate(0.561), bar)
    assert not beyond.passes
    assert beyond.sentence == "The golden RMSE of 0.561 is 0.061 beyond the bar of 0.500, the worst reader's."
    assert not gate.against_bar(estimate(0.1), None).passes


def test_the_first_regressor_has_nobody_to_be_worse_than() -> None:
    assert gate.against_active(TARGET, None, TARGET).passes


def test_worse_than_the_one_in_service_only_if_the_whole_interval_says_so() -> None:
    active = TARGET + NOISE
    assert gate.against_active(TARGET + 1.01 * NOISE[::-1], active, TARGET).passes
    assert gate.against_active(TARGET, active, TARGET).passes
    worse = gate.against_active(TARGET + 3 * NOISE, active, TARGET)
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
    groups = [
        {"column": "skin", "value": "I", "rmse": estimate(0.4, 30)},
        {"column": "skin", "value": "VI", "rmse": estimate(0.8, 25)},
        {"column": "skin", "value": "V", "rmse": estimate(None, 3)},
    ]
    assert gate.subgroups(groups, 0.6).passes
    far = gate.subgroups(groups, 0.5)
    assert not far.passes
    assert far.sentence == (
        "The largest error in a subgroup, skin: VI (n = 25), has an RMSE of 0.800, 0.050 beyond the limit of 1.5 times "
        "that of all images."
    )
    assert gate.subgroups(groups[2:], 0.1).passes
