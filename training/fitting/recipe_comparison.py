"""Comparison of recipes on left-out ordinary images: which is best, and by how much. [core]"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.regressor import recipes

Floats = NDArray[np.float64]
Parts = NDArray[np.intp]

P_SHOWN = 0.001  # smaller ones are said to be smaller
PARTS = 5  # each recipe is fitted on four of them and judged on the fifth


@dataclass(frozen=True)
class Margin:
    """How much smaller the chosen recipe's error is than another's, and how easily that comes by chance."""

    recipe: str
    rmse: float  # the other's cross-validation RMSE less the chosen one's
    share: float  # of the other's
    p: float | None  # None where nothing ever differs
    differences: int  # parts that were compared


@dataclass(frozen=True)
class Choice:
    """The recipe of the smallest cross-validation RMSE, and its margin over every other one, the nearest first."""

    recipe: str
    margins: tuple[Margin, ...]

    def in_words(self) -> str:
        """Say the margin over the second, and over the published recipe where it took part."""
        if not self.margins:
            return f"{self.recipe} is the only recipe."
        second, *_ = self.margins
        told = [second, *(margin for margin in self.margins[1:] if margin.recipe == recipes.MS2019.name)]
        return f"{self.recipe} has the smallest cross-validation RMSE: " + "; ".join(map(_in_words, told)) + "."


def _in_words(margin: Margin) -> str:
    chance = "nothing differs" if margin.p is None else f"p = {margin.p:.3f}" if margin.p >= P_SHOWN else "p < 0.001"
    return f"{margin.rmse:.3f} ({100 * margin.share:.1f} %) less than {margin.recipe}, {chance}"


def part(groups: Sequence[str], *, seed: int) -> Parts:
    """Return (n,): each image's part. Images of one group are in one part; there are as many parts as groups allow."""
    from sklearn.model_selection import GroupKFold

    parts = np.zeros(len(groups), dtype=np.intp)
    splitter = GroupKFold(min(PARTS, len(set(groups))), shuffle=True, random_state=seed)
    for number, (_, images) in enumerate(splitter.split(parts, groups=groups)):
        parts[images] = number
    return parts


def rmse(scores: Floats, grades: Floats) -> Floats:
    """(repeats, n) scores of left-out faces and (n,) grades to (repeats,)."""
    errors: Floats = np.sqrt(np.mean((scores - grades) ** 2, axis=1))
    return errors


def choose(scores: Mapping[str, Floats], grades: Floats, parts: NDArray[np.intp]) -> Choice:
    """Choose among recipes by their scores (repeats, n) of left-out faces; `parts` (repeats, n) says what was left out.

    A recipe may have fewer repeats than others, the first ones. It is compared on these.
    """
    errors = {name: float(rmse(of_it, grades).mean()) for name, of_it in scores.items()}
    best = min(errors, key=lambda name: errors[name])
    margins = [compare(name, scores[best], scores[name], grades, parts) for name in scores if name != best]
    return Choice(best, tuple(sorted(margins, key=lambda margin: margin.rmse)))


def compare(name: str, one: Floats, other: Floats, grades: Floats, parts: NDArray[np.intp]) -> Margin:
    """Return how much better `one` is than `other` on the repeats that both have.

    p is two-sided, by the corrected resampled t-test (Nadeau and Bengio 2003; Bouckaert and Frank 2004): of the J
    differences d of the mean squared error, one per part, t = mean(d) / sqrt((1 / J + n_left_out / n_fitted) var(d)),
    with J - 1 degrees of freedom. The correction is for fits that share most of what they were fitted on.
    """
    repeats = min(len(one), len(other))
    gains = (other[:repeats] - grades) ** 2 - (one[:repeats] - grades) ** 2  # (repeats, n)
    by_part = np.array(
        [row[where == number].mean() for row, where in zip(gains, parts, strict=False) for number in np.unique(where)]
    )
    worse, better = (float(rmse(side[:repeats], grades).mean()) for side in (other, one))
    return Margin(name, worse - better, (worse - better) / worse, _p(by_part, len(np.unique(parts[0]))), len(by_part))


def _p(differences: Floats, parts: int) -> float | None:
    from scipy import special

    j = len(differences)
    variance = float(differences.var(ddof=1)) if j > 1 else 0.0
    if not variance:
        return None
    t = float(differences.mean()) / np.sqrt((1 / j + 1 / (parts - 1)) * variance)
    return float(2 * special.stdtr(j - 1, -abs(t)))
