"""Readers who stand out so far that a person must decide whether they set a bar. [core]

One reader at random makes a bar that any machine passes. Each flag says what was seen; none decides anything. All
hold for readers with at least FEWEST_TO_SHOW golden grades.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from training.statistics import metrics
from training.statistics.intervals import FEWEST_TO_SHOW, Floats

CHANCE = 0.2  # of Pearson's r with the others' mean: a low end below could be chance; real readers have 0.8
FAR = 1.5  # times the median reader's RMSE; the published study's worst reader had 1.07 times that
SAME = 0.9  # share of one grade
SAME_MORE = 0.2  # than the others give that grade, in share of the images
REACH = 1.96  # of a normal distribution: an interval of 95 %
HASTY_SHARE = 0.25  # of labels given sooner than half as long as readers usually look
HASTY = 0.5  # times the median look of the other readers
SHORTEST_LOOK = 1000  # ms: below, nobody compares a face with a scale; above, it is no haste

Kind = Literal["near chance", "far from the others", "constant", "too fast"]


@dataclass(frozen=True)
class Flag:
    """One way in which a reader stands out, and what was seen."""

    reader: str
    kind: Kind
    sentence: str


@dataclass(frozen=True)
class Decided:
    """What holds of a reader: whether they count, what had been seen when that was decided, and why."""

    reader: str
    counts: bool
    kinds: tuple[str, ...]
    reason: str
    on: str  # ISO 8601, the day


def undecided(flags: Iterable[Flag], decided: Sequence[Decided]) -> tuple[Flag, ...]:
    """Return the flags of which nobody has decided yet; what is seen of a reader anew is to be decided anew."""
    seen = {(one.reader, kind) for one in decided for kind in one.kinds}
    return tuple(flag for flag in flags if (flag.reader, flag.kind) not in seen)


def left_out(decided: Sequence[Decided]) -> frozenset[str]:
    """Return the codes of readers who are to set no bar."""
    return frozenset(one.reader for one in decided if not one.counts)


def find(grades: Floats, codes: Sequence[str], looks: Mapping[str, Floats] | None = None) -> tuple[Flag, ...]:
    """Return the flags of (n, N) grades, NaN for none, by reader; `looks` are milliseconds of each reader's labels."""
    others = grades - metrics.residuals(grades)
    errors = np.array([metrics.root_mean_square(row) for row in grades - others])
    flags: list[Flag] = []
    for place, code in enumerate(codes):
        both = np.isfinite(grades[place]) & np.isfinite(others[place])
        if both.sum() >= FEWEST_TO_SHOW:
            own, mean = grades[place, both], others[place, both]
            against = np.stack([others[place], *np.delete(grades, place, axis=0)])
            far = _far(code, own, mean, np.delete(errors, place))
            flags += filter(None, (_constant(code, own, mean), _chance(code, grades[place], against), far))
        flags += filter(None, (_fast(code, looks or {}),))
    return tuple(flags)


def _constant(code: str, own: Floats, others: Floats) -> Flag | None:
    values, times = np.unique(own, return_counts=True)
    most = int(times.argmax())
    share, by_others = times[most] / len(own), float(np.mean(np.round(others) == values[most]))
    if share < SAME or share < by_others + SAME_MORE:
        return None
    said = f"{code} gave {times[most]} of {len(own)} golden images the grade {values[most]:g}"
    return Flag(code, "constant", f"{said}, which the others gave {round(by_others * len(own))} of these.")


def _chance(code: str, own: Floats, against: Floats) -> Flag | None:
    """Fisher's interval of a correlation must leave chance out, that with the others' mean or with one of them.

    against: (m, N). One of them is enough: among three readers a careless one spoils the mean for both others.
    """
    most, low, n = -1.0, -1.0, 0
    for row in against:
        both = np.isfinite(own) & np.isfinite(row)
        x, y = own[both], row[both]
        if len(x) < FEWEST_TO_SHOW or np.ptp(x) == 0 or np.ptp(y) == 0:
            continue
        r = float(np.corrcoef(x, y)[0, 1])
        end = float(np.tanh(np.arctanh(np.clip(r, -0.999, 0.999)) - REACH / np.sqrt(len(x) - 3)))
        most, low, n = max((r, end, len(x)), (most, low, n))
    if n == 0 or low >= CHANCE:
        return None
    said = f"{code}'s grades go with the others', or with any one reader's, by a correlation of {most:.2f} at most"
    return Flag(code, "near chance", f"{said} (n = {n}); chance alone gives 0.")


def _far(code: str, own: Floats, others: Floats, errors: Floats) -> Flag | None:
    """The low end of the reader's RMSE must not be beyond FAR times the median of the other readers'."""
    known = errors[np.isfinite(errors)]
    squares = (own - others) ** 2
    mean = float(squares.mean())
    if len(known) < 2 or mean == 0:
        return None
    spread = float(squares.std(ddof=1)) / mean / np.sqrt(len(squares))  # of the logarithm of the mean square
    low, usual = float(np.sqrt(mean) * np.exp(-REACH * spread / 2)), float(np.median(known))
    if low <= FAR * usual:
        return None
    said = f"{code}'s RMSE from the others is {np.sqrt(mean):.2f} on {len(own)} golden images"
    return Flag(code, "far from the others", f"{said}; the median of the other readers' is {usual:.2f}.")


def _fast(code: str, looks: Mapping[str, Floats]) -> Flag | None:
    own, of_others = looks.get(code), [looks[other] for other in looks if other != code and len(looks[other])]
    if own is None or len(own) < FEWEST_TO_SHOW or not of_others:
        return None
    usual = float(np.median([np.median(one) for one in of_others]))
    limit = min(HASTY * usual, SHORTEST_LOOK)
    share = float(np.mean(own < limit))
    if share < HASTY_SHARE:
        return None
    said = f"{code} looked for less than {limit / 1000:.1f} seconds before {share:.0%} of {len(own)} labels"
    return Flag(code, "too fast", f"{said}; the other readers look for {usual / 1000:.1f} seconds.".replace("%", " %"))
