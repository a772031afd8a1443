"""Verdicts: their rates of error, and their arithmetic against other people's."""

from math import sqrt

import numpy as np
import pytest
from scipy import stats

from benchmarks.training import verdicts as simulation
from benchmarks.training.verdicts import Rate
from training.statistics import metrics
from training.verdicts import against_readers, spending
from training.verdicts.against_readers import Rule

RATES = {rate.name: rate for rate in simulation.rates(nights=30)}
SLOW = {name for name in RATES if "nights" in name or "30 readers" in name}
RANDOM = np.random.default_rng(7)
TRUTH = RANDOM.uniform(1, 5, 60)
GRADES = (TRUTH + RANDOM.normal(0, 0.5, (4, 60))).round().clip(1, 5)
SCORES = TRUTH + RANDOM.normal(0, 0.4, 60)
CODES = ("R01", "R02", "R03", "R04")


@pytest.mark.parametrize("rate", [RATES[name] for name in RATES if name not in SLOW], ids=lambda rate: rate.name)
def test_a_rate_of_error_is_what_is_promised(rate: Rate) -> None:
    line = rate.simulate(60)
    assert line.holds, line


def test_many_nights_spend_the_error_once() -> None:
    equal = next(rate for name, rate in RATES.items() if "nights, 50 % alike, 50 images" in name)
    assert equal.simulate(160).holds


def test_what_a_look_may_spend_adds_up_to_the_whole() -> None:
    shares = [spending.share(look) for look in range(1, 100_001)]
    assert sum(shares) == pytest.approx(spending.ERROR, rel=1e-4)
    assert sum(shares) < spending.ERROR
    assert spending.level(1) == 95


@pytest.mark.parametrize("reader", range(4))
def test_one_difference_has_the_reports_value_and_the_jackknifes_error(reader: int) -> None:
    found = against_readers.differences(SCORES, GRADES)
    assert found.values[reader] == pytest.approx(metrics.compare_with_reader(SCORES, GRADES, reader).known)
    others = np.delete(GRADES, reader, axis=0).mean(axis=0)

    def difference(kept: np.ndarray) -> float:
        one, other = ((side - others)[kept] for side in (SCORES, GRADES[reader]))
        return float(np.sqrt(np.mean(one**2)) - np.sqrt(np.mean(other**2)))

    left = np.array([difference(np.arange(60) != image) for image in range(60)])
    assert found.errors[reader] == pytest.approx(sqrt(59 / 60 * ((left - left.mean()) ** 2).sum()), rel=0.05)


def test_the_interval_of_a_difference_is_near_scipys_bootstrap() -> None:
    others = GRADES[1:].mean(axis=0)
    squares = (SCORES - others) ** 2, (GRADES[0] - others) ** 2
    drawn = stats.bootstrap(
        squares,
        lambda one, other, axis: np.sqrt(one.mean(axis=axis)) - np.sqrt(other.mean(axis=axis)),
        paired=True,
        n_resamples=4000,
        method="BCa",
        rng=np.random.default_rng(1),
    ).confidence_interval
    found = against_readers.differences(SCORES, GRADES)
    low, high = (found.bounds(side, 0.025)[0] for side in (-1, 1))
    assert (low, high) == pytest.approx((drawn.low, drawn.high), abs=0.15 * (drawn.high - drawn.low))


def holm(p: list[float]) -> list[float]:
    """Return adjusted p-values as R's p.adjust defines them: the running maximum of (n - i + 1) p_i, in order."""
    steps = [(len(p) - place) * value for place, value in enumerate(sorted(p))]
    return [min(1.0, max(steps[: place + 1])) for place in range(len(p))]


def test_for_how_many_readers_it_is_established_is_holms() -> None:
    assert holm([0.01, 0.02, 0.03, 0.04]) == pytest.approx([0.04, 0.06, 0.06, 0.06])  # R 4.3: p.adjust(p, "holm")
    for machine in (0.2, 0.45, 0.6, 1.2):
        scores = TRUTH + np.random.default_rng(5).normal(0, machine, 60)
        found = against_readers.differences(scores, GRADES)
        compared = against_readers.compare(scores, GRADES, CODES, rule=Rule())
        for side, sure in ((1, compared.surely_closer), (-1, compared.surely_farther)):
            p = stats.t.cdf(side * found.values / found.errors, found.images - 1)
            assert sure == sum(value < 0.025 for value in holm(p.tolist()))


@pytest.mark.parametrize("rule", [Rule("worst"), Rule("median")], ids=lambda rule: rule.against)
def test_the_bounds_are_those_of_partial_conjunction(rule: Rule) -> None:
    """Benjamini and Heller 2008: at least m of n are no chance if (n - m + 1) times the m-th smallest p says so."""
    rank = 1 if rule.against == "worst" else 2
    for shift in np.linspace(-0.3, 0.3, 13):
        scores = SCORES + shift
        found = against_readers.differences(scores, GRADES)
        p = np.sort(stats.t.cdf(found.values / found.errors, found.images - 1))
        verdict = against_readers.compare(scores, GRADES, CODES, rule=rule).verdict
        assert (verdict == "closer") == ((4 - rank + 1) * p[rank - 1] < 0.025)
        farther = np.sort(1 - p)
        assert (verdict == "farther") == (rank * farther[4 - rank] < 0.025)


def test_the_same_grades_give_the_same_verdict_in_whatever_order() -> None:
    order = np.random.default_rng(2).permutation(60)
    one = against_readers.compare(SCORES, GRADES, CODES, rule=Rule())
    other = against_readers.compare(SCORES[order], GRADES[::-1][:, order], CODES[::-1], rule=Rule())
    assert one.reader == other.reader
    assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high))


def test_a_later_look_has_a_wider_interval_around_the_same_value() -> None:
    looks = [against_readers.compare(SCORES, GRADES, CODES, rule=Rule(), look=look) for look in (1, 2, 10, 365)]
    assert len({one.value for one in looks}) == 1
    highs = [one.high or 0.0 for one in looks]
    assert highs == sorted(highs)
    assert [against_readers.spoken_level(one.level) for one in looks] == ["95", "98.3", "99.9", "99.9999"]


@pytest.mark.parametrize(
    ("scores", "grades"),
    [
        (np.zeros(0), np.zeros((0, 0))),
        (SCORES[:5], GRADES[:, :5]),
        (SCORES, GRADES[:1]),
        (SCORES, np.full((4, 60), np.nan)),
        (SCORES, np.where(np.eye(4, 60) == 1, GRADES, np.nan)),
        (np.full(60, 3.0), np.full((4, 60), 3.0)),
    ],
    ids=["nothing", "few images", "one reader", "no grades", "nobody shares an image", "all the same"],
)
def test_what_can_not_be_told_passes_nothing_and_says_why(scores: np.ndarray, grades: np.ndarray) -> None:
    found = against_readers.compare(scores, grades, CODES[: len(grades)], rule=Rule())
    assert not found.passes
    assert found.verdict in ("too few", "open")
    assert "nan" not in against_readers.in_words(found)
    assert found.reason or found.interval == (0, 0)
