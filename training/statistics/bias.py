"""Bias of a reader or the machine: level, slope, and errors per grade."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from training.statistics import metrics
from training.statistics.intervals import LEVEL, Estimate, Floats, People, estimate, mean, none, root
from training.statistics.regression import Line, fit_line

FEWEST_OF_A_GRADE = 10  # images that others call so: fewer make no habit
HABIT = 0.25  # share of them that the reader calls otherwise, from which on it is worth a sentence
LIMITS_AT = 1.96  # standard deviations, from one side of the middle: 95 % of a normal distribution
NOTHING_SHARED = "has graded no image yet that another reader graded, so nothing can be said."
NOTICED = 0.05  # grades: a bias below is none to speak of


@dataclass(frozen=True)
class Lean:
    """A row of grades against what others say of the same images."""

    bias: Estimate  # mean difference; below 0 is milder
    line: Line  # of the row on the others: a slope below 1 is a scale that is used too little


@dataclass(frozen=True)
class Limits:
    """Limits of agreement: the mean difference less, and plus, 1.96 sd of the differences (Bland and Altman 1986)."""

    lower: Estimate
    upper: Estimate


def lean(values: Floats, others: Floats, people: People | None = None) -> Lean:
    return Lean(mean(values - others, people), fit_line(others, values, people))


def limits_of_agreement(values: Floats, others: Floats, people: People | None = None) -> Limits:
    """Return the limits that 95 % of the differences of (N,) and (N,) stay within, where they are normal.

    Their intervals put those of the mean and of the standard deviation together (MOVER: Donner and Zou 2012, "Closed-
    form confidence intervals for functions of the normal mean and standard deviation").
    """
    differences = values - others
    there = np.isfinite(differences)
    differences, of_whom = differences[there], None if people is None else people[there]
    n = len(differences)
    if n < metrics.FEWEST_TO_CORRELATE:
        nothing = none(n, f"Limits of agreement need at least {metrics.FEWEST_TO_CORRELATE} images.")
        return Limits(nothing, nothing)
    middle = differences.mean()
    moved = differences - middle
    terms = np.stack([moved, moved**2], axis=1)

    def spread(means: Floats) -> Floats:
        sd: Floats = root(means[..., 1] - means[..., 0] ** 2) * math.sqrt(n / (n - 1))
        return sd

    bias, sd = mean(differences, of_whom), estimate(terms, spread, of_whom, scale="spread")
    return Limits(_limit(bias, sd, side=-1), _limit(bias, sd, side=1))


def _limit(bias: Estimate, sd: Estimate, *, side: int) -> Estimate:
    value = bias.known + side * LIMITS_AT * sd.known
    if bias.interval is None or sd.interval is None:
        return Estimate(value, None, None, bias.n, sd.reason or bias.reason)
    down, up = bias.known - bias.interval[0], bias.interval[1] - bias.known
    less, more = (LIMITS_AT * abs(sd.known - end) for end in sd.interval)
    if side < 0:
        less, more = more, less
    return Estimate(value, value - math.hypot(down, less), value + math.hypot(up, more), bias.n)


def in_words(bias: Estimate, habit: str) -> str:
    """Say a bias for people, and how sure it is; then the habit, if there is one."""
    if bias.value is None:
        return NOTHING_SHARED
    side = "stricter" if bias.value > 0 else "milder"
    size = f"{abs(bias.value):.2f}"
    if bias.low is None or bias.high is None:
        said = f"grades {size} {side} on {bias.n} image{'' if bias.n == 1 else 's'}, which establishes nothing"
    elif bias.low <= 0 <= bias.high:
        said = f"grades neither milder nor stricter, as far as {bias.n} images tell"
    elif abs(bias.value) < NOTICED:
        said = f"grades {size} {side}, which is too little to notice"
    else:
        said = f"grades {size} {side} ({LEVEL} % interval {bias.low:+.2f} to {bias.high:+.2f})"
    return f"{said}; {habit}." if habit else f"{said}."


def habit(values: Floats, others: Floats, names: Mapping[float, str]) -> str:
    """Return the grade that the reader most often calls another one, as "calls Moderate Mild in 4 of 10"; or nothing.

    names: every level of the scale in order. The others' mean is cut half-way between two levels.
    """
    levels = tuple(names)
    table = metrics.confusion(values, others, levels)
    totals = table.sum(axis=1)
    shares = np.where(totals[:, None] >= FEWEST_OF_A_GRADE, table / np.maximum(totals, 1)[:, None], 0.0)
    np.fill_diagonal(shares, 0)
    said, called = np.unravel_index(int(shares.argmax()), shares.shape)
    if shares[said, called] < HABIT:
        return ""
    return f"calls {names[levels[said]]} {names[levels[called]]} in {round(10 * shares[said, called])} of 10"
