"""The gate: decides from a regressor's results on the golden images whether it is published. [core]

`decide` is the only place where that is decided. Each condition says whether it holds and by how much, in a sentence.
One that too few images can tell holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from training.statistics.intervals import FEWEST_TO_SHOW, LEVEL, Estimate, Floats, estimate
from training.statistics.subgroups import Subgroup

# A reader who has just begun would otherwise set the bar by two or three images.
BAR_SHARE = 0.5  # of the golden images
SLOPE_LIMITS = (0.67, 1.5)  # of the consensus on the score: beyond, a score means half as much, or twice, as it says
SUBGROUP_LIMIT = 1.5  # times the RMSE over all golden images
NO_BAR = "No reader has graded half of the golden images yet, so there is no bar."


@dataclass(frozen=True)
class Bar:
    """The worst RMSE, published form, among the readers who graded enough of the golden set."""

    value: float
    reader: str


@dataclass(frozen=True)
class Condition:
    """One thing that must hold, and the sentence that says how far it does."""

    name: str
    passes: bool
    sentence: str


@dataclass(frozen=True)
class Decision:
    """Whether a regressor is published: the bar it was held against, each condition, and one sentence for people."""

    bar: Bar | None
    conditions: tuple[Condition, ...]
    is_passed: bool
    conclusion: str  # names every condition that fails, and by how much


def decide(
    *, golden_rmse: Estimate, slope: Estimate, subgroups: Sequence[Subgroup], bar: Bar | None, excess: Estimate | None
) -> Decision:
    """Decide whether a regressor is published, by what it shows on the golden images.

    golden_rmse: its RMSE against the consensus. slope: of the consensus on its score. subgroups: its errors by kinds
    of images. bar: of the readers. excess: `difference` from the regressor in service; None where none answers.
    """
    conditions = (
        against_bar(golden_rmse, bar),
        against_active(excess),
        calibrated(slope),
        even(subgroups, golden_rmse),
    )
    is_passed = all(condition.passes for condition in conditions)
    verdict = "Published." if is_passed else "Not published."
    failed = [condition.sentence for condition in conditions[1:] if not condition.passes]
    return Decision(bar, conditions, is_passed, " ".join([verdict, _measured(golden_rmse, bar), *failed]))


def bar_of(errors: Mapping[str, Estimate]) -> Bar | None:
    """Return the bar of the readers whose errors count, by their codes."""
    worst = max(errors, key=lambda code: errors[code].known, default=None)
    return None if worst is None else Bar(errors[worst].known, worst)


def counts_for_bar(graded: int, drawn: int) -> bool:
    """Whether a reader with this many graded golden images counts for the bar."""
    return graded > 0 and graded >= BAR_SHARE * drawn


def difference(scores: Floats, active: Floats, target: Floats) -> Estimate:
    """Return the RMSE of (N,) scores less that of the active regressor's, paired over the same images."""
    squares = np.stack([(scores - target) ** 2, (active - target) ** 2], axis=1)
    squares = squares[np.isfinite(squares).all(axis=1)]
    return estimate(squares, lambda means: np.sqrt(means[..., 0]) - np.sqrt(means[..., 1]))


def against_bar(golden_rmse: Estimate, bar: Bar | None) -> Condition:
    """The golden RMSE must not exceed the worst reader's, published form."""
    if bar is None:
        return Condition("bar", passes=False, sentence=NO_BAR)
    rmse = golden_rmse.known
    passes = rmse <= bar.value
    side = f"{abs(rmse - bar.value):.3f} {'within' if passes else 'beyond'}"
    sentence = f"The golden RMSE of {rmse:.3f} is {side} the bar of {bar.value:.3f}, the worst reader's."
    return Condition("bar", passes, sentence)


def against_active(excess: Estimate | None) -> Condition:
    """It must not be worse than the regressor in service: not by a paired bootstrap over the golden images."""
    if excess is None:
        return Condition("active", passes=True, sentence="No regressor is in service yet that it could be worse than.")
    if excess.interval is None:
        return Condition("active", passes=True, sentence="Too few golden images to compare with the one in service.")
    low, high = excess.interval
    passes = low <= 0
    words = "worse" if excess.known > 0 else "better"
    sentence = (
        f"Its golden RMSE is {abs(excess.known):.3f} {words} than that of the regressor in service "
        f"({LEVEL} % interval of the difference {low:+.3f} to {high:+.3f}, n = {excess.n})"
    )
    return Condition("active", passes, f"{sentence}{'.' if passes else ': the whole interval is above 0.'}")


def calibrated(slope: Estimate) -> Condition:
    """The slope of the consensus on the score must lie within the limits."""
    low, high = SLOPE_LIMITS
    if slope.value is None or slope.n < FEWEST_TO_SHOW:
        return Condition("calibration", passes=True, sentence="Too few golden images to tell how it is calibrated.")
    passes = low <= slope.value <= high
    beyond = "" if passes else f", {max(low - slope.value, slope.value - high):.2f} beyond"
    sentence = f"The calibration slope is {slope.value:.2f}{beyond}; the limits are {low} and {high}."
    return Condition("calibration", passes, sentence)


def even(subgroups: Sequence[Subgroup], golden_rmse: Estimate) -> Condition:
    """In no subgroup of enough images may the RMSE exceed the limit."""
    limit = SUBGROUP_LIMIT * golden_rmse.known
    shown = [group for group in subgroups if group.rmse.value is not None]
    if not shown:
        return Condition("subgroups", passes=True, sentence=f"No subgroup has {FEWEST_TO_SHOW} golden images.")
    worst = max(shown, key=lambda group: group.rmse.known)
    value = worst.rmse.known
    passes = value <= limit
    side = "within" if passes else "beyond"
    sentence = (
        f"The largest error in a subgroup, {worst.column}: {worst.value} (n = {worst.rmse.n}), has an RMSE of "
        f"{value:.3f}, {abs(value - limit):.3f} {side} the limit of {SUBGROUP_LIMIT} times that of all images."
    )
    return Condition("subgroups", passes, sentence)


def _measured(golden_rmse: Estimate, bar: Bar | None) -> str:
    """Say where the golden RMSE stands, and whether its interval establishes that."""
    if bar is None:
        return NO_BAR
    interval, established = "", ", but one image establishes nothing."
    if golden_rmse.interval:
        low, high = golden_rmse.interval
        interval, established = f"{LEVEL} % interval {low:.2f} to {high:.2f}, ", ", and so is its whole interval."
        if low <= bar.value <= high:
            established = "; but the interval contains the bar, so this is not established."
    side = f"{'within' if golden_rmse.known <= bar.value else 'beyond'} the bar of {bar.value:.2f}"
    return f"The machine's golden RMSE is {golden_rmse.known:.2f} ({interval}n = {golden_rmse.n}): {side}{established}"
