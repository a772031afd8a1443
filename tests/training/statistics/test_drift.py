"""Whether readers change: alarms as rare as stated without a change, and found with one."""

import numpy as np
import pytest
from scipy import stats

from training.statistics import drift
from training.statistics.drift import FALSE_ALARMS

NAN = np.nan


def steps(n: int, rng: np.random.Generator, *, shift: float = 0.0, after: int = 0) -> np.ndarray:
    """Return residuals in steps of a third, as grades against means make them."""
    residuals: np.ndarray = np.round(3 * (rng.normal(0.4, 0.5, n) + shift * (np.arange(n) >= after))) / 3
    return residuals


def test_a_reader_who_never_changes_raises_an_alarm_as_rarely_as_stated() -> None:
    rng = np.random.default_rng(1)
    alarms = [drift.ewma(steps(60, rng)).alarm_at is not None for _ in range(400)]
    assert stats.binomtest(sum(alarms), 400, FALSE_ALARMS).pvalue > 0.01


def test_a_reader_who_becomes_stricter_is_found_near_the_place() -> None:
    found = drift.ewma(steps(230, np.random.default_rng(2), shift=0.8, after=115))
    assert found.alarm_at is not None
    assert found.p is not None
    assert found.p < 0.01
    assert found.n == len(found.ewma) == 230
    assert np.mean(found.ewma[150:]) > np.mean(found.ewma[:100]) + 0.4


def test_the_average_is_the_textbooks_recursion() -> None:
    residuals = steps(25, np.random.default_rng(3))
    average, moved = 0.0, residuals - residuals.mean()
    for place, residual in enumerate(moved):
        average = 0.1 * residual + 0.9 * average
        assert drift.ewma(residuals).ewma[place] == pytest.approx(average)


def test_p_is_even_without_a_change() -> None:
    rng = np.random.default_rng(4)
    p = [drift.ewma(steps(40, rng)).p for _ in range(200)]
    assert stats.kstest(p, "uniform").pvalue > 0.01


@pytest.mark.parametrize("residuals", [np.zeros(0), np.zeros(5), np.full(30, 0.1), np.full(30, 0.1 + 0.2)])
def test_too_few_or_constant_residuals_have_a_reason(residuals: np.ndarray) -> None:
    found = drift.ewma(residuals)
    assert found.reason
    assert (found.limit, found.alarm_at, found.p, found.n) == (None, None, None, len(residuals))


def test_a_grade_that_follows_the_one_before_is_found() -> None:
    rng = np.random.default_rng(5)
    previous = rng.integers(1, 6, 200).astype(float)
    residuals = 0.2 * (previous - 3) + rng.normal(0, 0.3, 200)
    found = drift.sequence(residuals, previous=previous, places=np.full(200, NAN))
    assert found.after_previous.value == pytest.approx(0.2, abs=0.05)
    assert found.after_previous.low is not None
    assert found.after_previous.low > 0
    assert found.position.reason == found.fatigue.reason == drift.NO_TIME


def test_growing_carelessness_within_a_sitting_is_fatigue() -> None:
    rng = np.random.default_rng(6)
    places = np.tile(np.arange(1.0, 101), 4)
    residuals = rng.normal(0, 0.2 + 0.4 * places / 100)
    found = drift.sequence(residuals, previous=np.full(400, NAN), places=places)
    assert found.fatigue.low is not None
    assert found.fatigue.low > 0
    assert found.after_previous.reason == drift.NO_ORDER


def test_few_images_tell_of_no_sequence() -> None:
    found = drift.sequence(np.array([0.1, NAN]), previous=np.array([2.0, 3]), places=np.array([1.0, 2]))
    assert (found.position.n, found.position.value) == (1, None)
    assert found.position.reason.startswith("1 images; below 20")
