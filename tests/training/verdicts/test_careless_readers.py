"""Who is flagged, by what, and what was decided of them."""

import numpy as np
import pytest

from training.verdicts import careless_readers
from training.verdicts.careless_readers import Decided, Flag

RANDOM = np.random.default_rng(11)
TRUTH = RANDOM.uniform(1, 5, 60)
HONEST = (TRUTH + RANDOM.normal(0, 0.5, (5, 60))).round().clip(1, 5)
CODES = [f"R{number:02d}" for number in range(1, 6)]
UNHURRIED = {code: RANDOM.uniform(3000, 9000, 60) for code in CODES}

CARELESS = {
    "at random": (RANDOM.integers(1, 6, 60), {"near chance", "far from the others"}),
    "the scale reversed": (6 - HONEST[0], {"near chance", "far from the others"}),
    "always Mild": (np.full(60, 3), {"constant"}),
    "nearly always Mild": (np.where(np.arange(60) < 56, 3, HONEST[0]), {"constant", "near chance"}),
    "two grades stricter": (HONEST[0] + 2, {"far from the others"}),
}


@pytest.mark.parametrize("kind", CARELESS)
def test_a_careless_reader_is_flagged_alone(kind: str) -> None:
    grades, kinds = CARELESS[kind]
    flags = careless_readers.find(np.vstack([grades, HONEST[1:]]), CODES, UNHURRIED)
    assert {flag.reader for flag in flags} == {"R01"}, flags
    assert {flag.kind for flag in flags} & kinds
    assert all(flag.sentence.startswith("R01") and flag.sentence.endswith(".") for flag in flags)


def test_who_does_not_look_is_flagged_with_how_long_they_looked() -> None:
    hasty = UNHURRIED | {"R01": np.where(np.arange(60) < 20, 400.0, 5000.0)}
    (flag,) = careless_readers.find(HONEST, CODES, hasty)
    assert (flag.reader, flag.kind) == ("R01", "too fast")
    assert "less than 1.0 seconds before 33 % of 60 labels" in flag.sentence
    assert not careless_readers.find(HONEST, CODES, {code: np.full(60, 400.0) for code in CODES})


@pytest.mark.parametrize("images", [0, 1, 19])
def test_below_twenty_grades_nobody_is_flagged(images: int) -> None:
    grades = np.vstack([CARELESS["at random"][0], HONEST[1:]])[:, :images]
    assert careless_readers.find(grades, CODES, {code: times[:images] for code, times in UNHURRIED.items()}) == ()


def test_what_is_seen_anew_is_decided_anew() -> None:
    flags = [Flag("R01", "constant", "."), Flag("R01", "too fast", "."), Flag("R02", "constant", ".")]
    decided = [Decided("R01", False, ("constant",), "Asked them.", "2026-12-01")]  # noqa: FBT003
    assert careless_readers.undecided(flags, decided) == (flags[1], flags[2])
    assert careless_readers.left_out(decided) == {"R01"}
