"""The gate: decides from a regressor's results on the golden images whether it is published. [core]

Each condition says whether it holds and by how much, in a sentence. One that too few images can tell holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.statistics.intervals import FEWEST_TO_SHOW, Estimate, Floats, estimate

SLOPE_LIMITS = (0.67, 1.5)  # of the consensus on the score: beyond, a score means half as much, or twice, as it says
SUBGROUP_LIMIT = 1.5  # times the RMSE over all golden images
NO_BAR = "No reader has graded half of the golden images yet, so there is no bar."

Report = dict[str, Any]


@dataclass(frozen=True)
class Condition:
    """One thing that must hold."""

    name: str
    passes: bool
    sentence: str

    def as_json(self) -> Report:
        return {"name": self.name, "passes": self.passes, "sentence": self.sentence}


def against_bar(machine: Report, bar: Report | None) -> Condition:
    """The golden RMSE must not exceed the worst reader's, published form."""
    if bar is None:
        return Condition("bar", passes=False, sentence=NO_BAR)
    passes = machine["value"] <= bar["value"]
    by = abs(machine["value"] - bar["value"])
    side = "within" if passes else "beyond"
    sentence = f"The golden RMSE of {machine['value']:.3f} is {by:.3f} {side} the bar of {bar['value']:.3f}, "
    return Condition("bar", passes, f"{sentence}the worst reader's.")


def against_active(scores: Floats, active: Floats | None, target: Floats) -> Condition:
    """It must not be worse than the regressor in service: not by a paired bootstrap over the golden images.

    scores, active, target: (N,).
    """
    if active is None:
        return Condition("active", passes=True, sentence="No regressor is in service yet that it could be worse than.")
    found = difference(scores, active, target)
    if found.value is None or found.low is None:
        return Condition("active", passes=True, sentence="Too few golden images to compare with the one in service.")
    passes = found.low <= 0
    words = "worse" if found.value > 0 else "better"
    sentence = (
        f"Its golden RMSE is {abs(found.value):.3f} {words} than that of the regressor in service "
        f"(95 % interval of the difference {found.low:+.3f} to {found.high:+.3f}, n = {found.n})"
    )
    return Condition("active", passes, f"{sentence}{'.' if passes else ': the whole interval is above 0.'}")


def difference(scores: Floats, active: Floats, target: Floats) -> Estimate:
    """Return the RMSE of (N,) scores less that of the active regressor's, on the same images."""
    squares = np.stack([(scores - target) ** 2, (active - target) ** 2], axis=1)
    squares = squares[np.isfinite(squares).all(axis=1)]
    return estimate(squares, lambda means: np.sqrt(means[..., 0]) - np.sqrt(means[..., 1]))


def calibrated(slope: Mapping[str, Any]) -> Condition:
    """The slope of the consensus on the score must lie within the limits."""
    low, high = SLOPE_LIMITS
    value = slope["value"]
    if value is None or slope["n"] < FEWEST_TO_SHOW:
        return Condition("calibration", passes=True, sentence="Too few golden images to tell how it is calibrated.")
    passes = low <= value <= high
    by = max(low - value, value - high)
    beyond = "" if passes else f", {by:.2f} beyond"
    sentence = f"The calibration slope is {value:.2f}{beyond}; the limits are {low} and {high}."
    return Condition("calibration", passes, sentence)


def subgroups(groups: Sequence[Mapping[str, Any]], overall: float) -> Condition:
    """In no subgroup of enough images may the RMSE exceed the limit."""
    limit = SUBGROUP_LIMIT * overall
    shown = [group for group in groups if group["rmse"]["value"] is not None]
    if not shown:
        return Condition("subgroups", passes=True, sentence=f"No subgroup has {FEWEST_TO_SHOW} golden images.")
    worst = max(shown, key=lambda group: float(group["rmse"]["value"]))
    value = worst["rmse"]["value"]
    passes = value <= limit
    side = "within" if passes else "beyond"
    sentence = (
        f"The largest error in a subgroup, {worst['column']}: {worst['value']} (n = {worst['rmse']['n']}), has an RMSE "
        f"of {value:.3f}, {abs(value - limit):.3f} {side} the limit of {SUBGROUP_LIMIT} times that of all images."
    )
    return Condition("subgroups", passes, sentence)
