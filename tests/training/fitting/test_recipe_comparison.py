"""Which recipe is chosen, and how sure that is."""

import numpy as np
import pytest

from training.fitting import recipe_comparison


def test_no_person_is_in_two_parts() -> None:
    groups = [f"P{number % 12}" for number in range(60)]
    part = recipe_comparison.part(groups, seed=3)
    assert {len({its for its, group in zip(part, groups, strict=True) if group == name}) for name in groups} == {1}
    assert set(part) == set(range(5))
    assert not np.array_equal(part, recipe_comparison.part(groups, seed=4))
    assert np.array_equal(part, recipe_comparison.part(groups, seed=3))


def test_the_smallest_error_wins_and_the_second_is_named_first() -> None:
    rng = np.random.default_rng(1)
    grades = rng.uniform(1, 5, 200)
    parts = np.array([recipe_comparison.part([str(n) for n in range(200)], seed=seed) for seed in range(5)])
    scores = {
        name: grades + rng.normal(0, sd, (5, 200)) for name, sd in (("poor", 1.0), ("good", 0.4), ("middling", 0.6))
    }
    scores["ms2019"] = grades + rng.normal(0, 0.9, (1, 200))  # tried once only
    choice = recipe_comparison.choose(scores, grades, parts)
    assert choice.recipe == "good"
    assert [margin.recipe for margin in choice.margins] == ["middling", "ms2019", "poor"]
    assert [margin.differences for margin in choice.margins] == [25, 5, 25]
    assert all(margin.p is not None and margin.p < 0.05 for margin in choice.margins)
    said = choice.in_words()
    assert said.startswith("good has the smallest cross-validation RMSE: ")
    assert "less than middling, p < 0.001; " in said
    assert "less than ms2019, p " in said


def test_p_is_the_corrected_resampled_t_test_by_hand() -> None:
    """Four differences 1, 2, 3, 4 in two parts: t = 2.5 / sqrt((1/4 + 1) 5/3) with 3 degrees of freedom."""
    grades = np.zeros(4)
    parts = np.array([[0, 0, 1, 1], [0, 0, 1, 1]])
    other = np.sqrt(np.array([[1, 1, 2, 2], [3, 3, 4, 4]], dtype=float))
    margin = recipe_comparison.compare("other", np.zeros((2, 4)), other, grades, parts)
    assert margin.p == pytest.approx(0.18169, abs=1e-4)


def test_equals_have_no_p() -> None:
    grades, parts = np.arange(10.0), np.array([np.arange(10) % 5])
    margin = recipe_comparison.compare("twin", np.zeros((1, 10)), np.zeros((1, 10)), grades, parts)
    assert (margin.rmse, margin.p) == (0, None)


def test_chance_alone_seldom_looks_like_a_margin() -> None:
    """Of two equally good recipes p is below 0.05 in at most one of twenty contests, or so."""
    rng = np.random.default_rng(2)
    parts = np.array([recipe_comparison.part([str(n) for n in range(50)], seed=seed) for seed in range(2)])
    found = 0
    for _ in range(200):
        grades = rng.normal(size=50)
        one, other = (np.tile(rng.normal(0, 1, 50), (2, 1)) for _ in range(2))
        p = recipe_comparison.compare("other", one, other, grades, parts).p
        found += p is not None and p < 0.05
    assert found <= 20
