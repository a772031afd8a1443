"""How readers lean, against a textbook's data and lines drawn by numpy."""

import numpy as np
import pytest
from scipy import stats

from training.statistics import bias, regression
from training.statistics.intervals import Estimate, mean
from training.statistics.stability import noise_ceiling, repeats

NAN = np.nan
# Bland and Altman 1986 (Lancet i, 307): peak flow of 17 people by two meters, twice each, in litres a minute.
WRIGHT = np.array([494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427], dtype=float)
WRIGHT_2 = np.array([490, 397, 512, 401, 470, 611, 415, 431, 638, 429, 420, 633, 275, 492, 165, 372, 421], dtype=float)
MINI = np.array([512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451], dtype=float)
MINI_2 = np.array([525, 415, 508, 444, 500, 625, 460, 390, 642, 432, 420, 605, 227, 467, 268, 370, 443], dtype=float)
NAMES = {1.0: "Clear", 2.0: "Almost clear", 3.0: "Mild", 4.0: "Moderate", 5.0: "Severe"}


def test_limits_of_agreement_are_bland_and_altmans() -> None:
    found = bias.limits_of_agreement(WRIGHT, MINI)
    assert mean(WRIGHT - MINI).value == pytest.approx(-2.1, abs=0.05)
    # They print 2 standard deviations of 38.8, -79.7 and 75.5; ours are 1.96.
    assert found.lower.value == pytest.approx(-2.1 - 1.96 * 38.8, abs=0.2)
    assert found.upper.value == pytest.approx(-2.1 + 1.96 * 38.8, abs=0.2)


def test_repeatability_is_bland_and_altmans() -> None:
    # Their coefficients are twice the standard deviation of the differences of two readings: 43.2 and 56.4.
    for first, second, published in ((WRIGHT, WRIGHT_2, 43.2), (MINI, MINI_2, 56.4)):
        found = repeats(first, second)
        assert found.sd.value == pytest.approx(published / 2 / np.sqrt(2), abs=0.05)
        assert found.repeatability.value == pytest.approx(published * 0.98, abs=0.1)
        assert found.sd.n == 17


def test_a_line_and_its_residuals_are_scipys() -> None:
    line = regression.fit_line(WRIGHT, MINI)
    theirs = stats.linregress(WRIGHT, MINI)
    assert line.slope.value == pytest.approx(theirs.slope)
    assert line.intercept.value == pytest.approx(theirs.intercept)
    left = MINI - theirs.intercept - theirs.slope * WRIGHT
    assert line.residual_sd.value == pytest.approx(np.sqrt((left**2).sum() / 15))


def test_the_interval_of_a_slope_is_scipys_bootstrap() -> None:
    rng = np.random.default_rng(1)
    x = rng.uniform(1, 5, 150)
    y = 0.8 * x + rng.normal(0, 0.5, 150)
    slope = regression.fit_line(x, y).slope
    theirs = stats.bootstrap(
        (x, y), lambda x, y: stats.linregress(x, y).slope, n_resamples=5000, method="percentile", paired=True,
        vectorized=False, rng=np.random.default_rng(2),
    ).confidence_interval  # fmt: skip
    assert (slope.low, slope.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_a_reader_who_is_milder_and_calls_moderate_mild_is_told_so() -> None:
    others = np.tile([2.0, 3.0, 4.0], 20)
    grades = others.copy()
    grades[2::3][:8] = 3  # 8 of 20 that the others call Moderate
    lean = bias.lean(grades, others)
    habit = bias.habit(grades, others, NAMES)
    assert lean.bias.value == pytest.approx(-8 / 60)
    assert bias.in_words(lean.bias, habit).startswith("grades 0.13 milder (95 % interval -0.2")
    assert bias.in_words(lean.bias, habit).endswith("; calls Moderate Mild in 4 of 10.")


def test_a_reader_without_bias_is_said_to_have_none() -> None:
    others = np.tile([2.0, 3.0, 4.0], 20)
    grades = others + np.tile([1.0, -1, 0, 0, -1, 1], 10)
    said = bias.in_words(bias.lean(grades, others).bias, "")
    assert said == "grades neither milder nor stricter, as far as 60 images tell."
    assert bias.in_words(Estimate(0.4, None, None, 1), "") == (
        "grades 0.40 stricter on 1 image, which establishes nothing."
    )


def test_the_ceiling_is_what_an_oracle_reaches() -> None:
    rng = np.random.default_rng(7)
    severity = rng.uniform(1, 5, 400)
    errors = []
    ceilings = []
    for _ in range(40):
        grades = severity + rng.normal(0, 0.2, (11, 1)) + rng.normal(0, 0.45, (11, 400))
        errors.append(np.mean((severity - grades.mean(axis=0)) ** 2))
        ceilings.append(noise_ceiling(grades).value or np.nan)
    assert np.mean(ceilings) == pytest.approx(np.sqrt(np.mean(errors)), rel=0.05)


def test_with_fewer_readers_on_an_image_the_ceiling_is_higher() -> None:
    grades = np.random.default_rng(2).normal(0, 1, (8, 300))
    half = grades.copy()
    half[4:] = NAN
    assert (noise_ceiling(half).value or 0) > 1.3 * (noise_ceiling(grades).value or 0)


def test_one_reader_or_one_image_has_reasons() -> None:
    assert noise_ceiling(np.array([[1.0, 2, 3]])).reason.startswith("No image was graded by two readers")
    assert noise_ceiling(np.zeros((2, 0))).value is None
    assert noise_ceiling(np.array([[2.0], [3.0]])).reason.startswith("1 image; below 20")
    assert repeats(np.array([NAN, 1]), np.array([2, NAN])).sd.reason == "The reader met no image twice."
    line = regression.fit_line(np.array([3.0, 3, 3, 3]), np.array([1.0, 2, 3, 4]))
    assert line.slope.reason == "What the line would be drawn over never varies."
    assert bias.limits_of_agreement(np.array([3.0]), np.array([4.0])).lower.reason.startswith(
        "Limits of agreement need"
    )


@pytest.mark.parametrize("difference", [0.0, 1 / 3, 2.37, 1e6 / 7])
def test_equal_differences_have_limits_without_width(difference: float) -> None:
    """Of their variance only a rounding error is left, whose root is none; and none has a logarithm."""
    found = bias.limits_of_agreement(np.arange(40.0) + np.float64(difference), np.arange(40.0))
    for limit in (found.lower, found.upper):
        assert limit.value == pytest.approx(difference, abs=1e-9, rel=1e-9)
        assert (limit.low, limit.high) == (None, None)
        assert "end of its scale" in limit.reason
