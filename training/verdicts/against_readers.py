"""The machine against the worst reader, or the median one: a difference, its interval, and what it establishes. [core]

For each reader i the machine's RMSE less the reader's, both against the mean of the others, on the same images, is an
estimate d_i of a true difference. Which reader is the worst is an estimate too. A bootstrap that picks the worst anew
in each resample does not allow for that: a maximum over resamples is biased upwards once more, and calls a machine
that equals eleven equal readers better than the worst of them in half of all studies (`benchmarks/training/verdicts`).

So the m-th smallest true difference, that of the worst reader for m = 1, gets an interval without picking. Above it
are n - m + 1 readers: if none of their upper bounds fails, each at error / (n - m + 1), then at most m - 1 bounds are
below it, and the m-th smallest of all upper bounds is not. So this is its upper bound, and the m-th smallest of the
lower bounds, each at error / m, its lower one (partial conjunction: Benjamini and Heller 2008). For the worst reader
that is Bonferroni's bound from above and an intersection-union test from below (Hsu 1996, comparisons with the best).
Nothing is assumed of how readers depend on each other. The bound of one difference is Student's, with the variance of
its influence on each person's images.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from training.statistics import metrics
from training.statistics.intervals import Estimate, Floats, People
from training.verdicts import spending

FEWEST_IMAGES = 20  # below, Student's interval of a difference of RMSEs is not held to its level
FEWEST_READERS = 2

Against = Literal["worst", "median"]
Verdict = Literal["closer", "farther", "open", "too few"]
NAMES: dict[Against, str] = {"worst": "the worst reader", "median": "the median reader"}


@dataclass(frozen=True)
class Rule:
    """Whom the machine is held against, and by how much it may be farther off; set before reading begins."""

    against: Against = "worst"
    margin: float = 0.0  # grades of RMSE


@dataclass(frozen=True, kw_only=True)
class AgainstReaders(Estimate):
    """The machine's RMSE less that of the reader in question, in grades, and the interval of this look.

    n: images; of readers who graded different ones the fewest.
    """

    rule: Rule
    look: int  # at the golden set, from 1
    level: float  # of the interval, in per cent
    reader: str | None  # who stands there on these images; it may be another one
    readers: int  # who are compared
    grades_needed: int  # that an image must have to count
    verdict: Verdict
    passes: bool  # whether the whole interval is below the margin
    is_equivalent: bool  # whether it is also above the margin's negative
    # Of the readers, than how many the machine is closer to the others, and for how many that is established. For all
    # of these at once the error is that of the look (Holm 1979).
    closer: int
    surely_closer: int
    surely_farther: int


@dataclass(frozen=True)
class Differences:
    """Of each reader (n,): the machine's RMSE less the reader's, its standard error, and the images and people."""

    values: Floats
    errors: Floats
    images: Floats
    people: Floats

    def bounds(self, side: int, errs: float) -> Floats:
        """Return (n,) upper (side 1) or lower (-1) bounds, each wrong with probability `errs`."""
        from scipy.special import stdtrit  # on first use: docs/decisions.md

        moved: Floats = self.values - side * stdtrit(self.people - 1, errs) * self.errors
        return moved


def differences(scores: Floats, grades: Floats, people: People | None = None) -> Differences:
    """Compare (N,) scores with each row of (n, N) grades, NaN for none, on the images that the reader shares.

    people: (N,) the number of the person in each image; without it each image is of a person of its own.
    """
    left = metrics.residuals(grades)
    machine, reader = (scores - (grades - left)) ** 2, left**2
    both = np.isfinite(machine + reader)
    images = both.sum(axis=1).astype(float)
    machine, reader = np.where(both, machine, 0), np.where(both, reader, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        of_machine, of_reader = (np.sqrt(squares.sum(axis=1) / images) for squares in (machine, reader))
        # How much each image moves the difference: the derivative of a root is one over twice the root.
        moves = _over(machine, 2 * of_machine) - _over(reader, 2 * of_reader)
        values = of_machine - of_reader
        moves = np.where(both, moves - (values / 2)[:, None], 0)
        belongs = _belongs(people, len(scores))
        m = ((both @ belongs) > 0).sum(axis=1).astype(float)
        errors = np.sqrt(((moves @ belongs) ** 2).sum(axis=1) * m / (m - 1)) / images
    return Differences(values, errors, images, m)


def _belongs(people: People | None, images: int) -> Floats:
    """Return (N, m) ones and noughts."""
    if people is None:
        return np.eye(images)
    belongs: Floats = (people[:, None] == np.unique(people)).astype(float)
    return belongs


def _over(squares: Floats, roots: Floats) -> Floats:
    """Divide each row; a root of 0 has squares of 0, and they move nothing."""
    quotients: Floats = squares / np.where(roots > 0, roots, 1)[:, None]
    return quotients


def compare(
    scores: Floats,
    grades: Floats,
    codes: Sequence[str],
    people: People | None = None,
    *,
    rule: Rule,
    look: int = 1,
    grades_needed: int = 2,
) -> AgainstReaders:
    """Hold (N,) scores against the rule's reader among the (n, N) grades of those who count.

    Columns are the images with enough grades. Below FEWEST_IMAGES, or FEWEST_READERS, there is a difference but no
    interval, and nothing passes.
    """
    every = differences(scores, grades, people)
    shares = every.images > 0
    found = Differences(every.values[shares], every.errors[shares], every.images[shares], every.people[shares])
    names = [code for code, is_there in zip(codes, shares, strict=True) if is_there]
    n, images = len(names), int(found.images.min()) if names else 0
    fewest = int(found.people.min()) if names else 0
    rank = 1 if rule.against == "worst" else max(1, -(-n // 2))
    value = float(np.sort(found.values)[rank - 1]) if names else None
    reader = names[int(np.argsort(found.values, kind="stable")[rank - 1])] if names else None
    low = high = None
    surely_closer = surely_farther = 0
    reason = _why_nothing_is_told(n, images, fewest)
    if not reason:
        errs = spending.share(look)
        high = float(np.sort(found.bounds(1, errs / (n - rank + 1)))[rank - 1])
        low = float(np.sort(found.bounds(-1, errs / rank))[rank - 1])
        surely_closer = _holm(found, 1, errs)
        surely_farther = _holm(found, -1, errs)
    return AgainstReaders(
        value=value,
        low=low,
        high=high,
        n=images,
        reason=reason,
        rule=rule,
        look=look,
        level=spending.level(look),
        reader=reader,
        readers=n,
        grades_needed=grades_needed,
        verdict=_verdict(low, high),
        passes=high is not None and high < rule.margin,
        is_equivalent=low is not None and high is not None and -rule.margin < low and high < rule.margin,
        closer=int((found.values < 0).sum()),
        surely_closer=surely_closer,
        surely_farther=surely_farther,
    )


def _why_nothing_is_told(readers: int, images: int, people: int) -> str:
    if readers < FEWEST_READERS:
        return f"A comparison needs {FEWEST_READERS} readers who have graded half of the golden images."
    if images < FEWEST_IMAGES:
        return f"{images} golden images with enough grades; a verdict needs {FEWEST_IMAGES}."
    if people < FEWEST_IMAGES:
        return f"{people} people in the golden images with enough grades; a verdict needs {FEWEST_IMAGES}."
    return ""


def _verdict(low: float | None, high: float | None) -> Verdict:
    if low is None or high is None:
        return "too few"
    return "closer" if high < 0 else "farther" if low > 0 else "open"


def _holm(found: Differences, side: int, errs: float) -> int:
    """Return for how many readers the difference is surely below 0 (side 1), or above (-1)."""
    n = len(found.values)
    for sure in range(n):
        if (side * found.bounds(side, errs / (n - sure)) < 0).sum() <= sure:
            return sure
    return n


def spoken_level(level: float) -> str:
    """Return "95", "98.3", "99.99": with as many digits as tell it from 100."""
    digits = 1
    while round(level, digits) == 100:
        digits += 1
    return f"{level:.{digits}f}".removesuffix(".0")


def in_words(found: AgainstReaders) -> str:
    """Say how the machine stands against the rule's reader, and what of it is established."""
    if found.value is None:
        return f"{found.reason} So there is no verdict on the machine."
    size = f"{abs(found.value):.3f} {'smaller' if found.value < 0 else 'larger'}"
    said = "Each measured against the other readers, the machine's RMSE is "
    said += f"{size} than that of the {found.rule.against} of {found.readers} readers"
    if found.interval is None:
        return f"{said}. That establishes nothing: {found.reason}"
    low, high = found.interval
    said += f" ({spoken_level(found.level)} % interval of the difference {low:+.3f} to {high:+.3f}, n = {found.n}, "
    said += f"look {found.look} at the golden set)"
    said += {
        "closer": ": the whole interval is below 0, so the machine is established to be closer",
        "farther": ": the whole interval is above 0, so the machine is established to be farther off",
        "open": "; the interval contains 0, so it is not established which of the two is closer",
        "too few": "",
    }[found.verdict]
    if not found.rule.margin:
        return f"{said}."
    side = "is below" if found.passes else "is not wholly below"
    equal = " It lies within the margin on both sides: the two are equivalent." if found.is_equivalent else ""
    return f"{said}. The interval {side} the margin of {found.rule.margin:g} that was set.{equal}"


def not_worse(scores: Floats, active: Floats, target: Floats, people: People | None = None, *, look: int) -> Estimate:
    """Return the RMSE of (N,) scores less that of the active regressor's against (N,) target, on the same images.

    Its interval is of this look's level; it has none below FEWEST_IMAGES.
    """
    squares = np.stack([(scores - target) ** 2, (active - target) ** 2])
    there = np.isfinite(squares).all(axis=0)
    squares = squares[:, there]
    n = squares.shape[1]
    belongs = _belongs(None if people is None else people[there], n)
    m = belongs.shape[1]
    if n == 0:
        return Estimate(None, None, None, 0, "No golden image has a consensus and both scores.")
    roots = np.sqrt(squares.mean(axis=1))
    value = float(roots[0] - roots[1])
    if m < FEWEST_IMAGES:
        whom = "images" if m == n else "people in the images"
        return Estimate(value, None, None, n, f"{m} golden {whom}; a verdict needs {FEWEST_IMAGES}.")
    one, other = _over(squares, 2 * roots)
    moves = one - other - value / 2
    error = float(np.sqrt(((moves @ belongs) ** 2).sum() * m / (m - 1)) / n)
    found = Differences(np.array([value]), np.array([error]), np.array([float(n)]), np.array([float(m)]))
    low, high = (float(found.bounds(side, spending.share(look))[0]) for side in (-1, 1))
    return Estimate(value, low, high, n)
