"""The machine as one more reader: does it agree with readers as they agree among themselves?"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from training.statistics.intervals import FEWEST_TO_SHOW, ROUNDING, Estimate, Floats, People, estimate, none
from training.statistics.reader_models import crossed
from training.statistics.reader_models.crossed import Crossed

MOST_READERS = 60  # beyond, the pairs fill the memory


@dataclass(frozen=True)
class MachineAsReader:
    """Quadratic weighted kappa, averaged over pairs, and ICC(2,1) by the crossed model."""

    kappa_among_readers: Estimate
    kappa_with_machine: Estimate
    kappa_difference: Estimate  # with the machine less among readers
    icc_of_readers: Estimate
    icc_with_machine: Estimate


def join(scores: Floats, grades: Floats, levels: Floats, people: People | None = None) -> MachineAsReader:
    """Join (N,) scores, cut to the scale's levels, to (n, N) grades with NaN for gaps.

    Without `people`, (N,) numbers of the person in each image, each image is of a person of its own.
    """
    nearest = levels[np.abs(np.nan_to_num(scores)[:, None] - levels).argmin(axis=1)]
    machine = np.where(np.isfinite(scores), nearest, np.nan)
    joined = np.vstack([grades, machine])
    icc = [
        found.single if isinstance(found := crossed.fit(table), Crossed) else none(0, found)
        for table in (grades, joined)
    ]
    return MachineAsReader(*_kappas(joined, people), *icc)


def _kappas(joined: Floats, people: People | None) -> tuple[Estimate, Estimate, Estimate]:
    """Return the mean kappa among readers, of readers with the last row, and their difference."""
    last = len(joined) - 1
    given = np.isfinite(joined)
    shared = given.astype(int) @ given.T.astype(int)
    pairs = [(one, other) for one, other in combinations(range(last + 1), 2) if shared[one, other] >= FEWEST_TO_SHOW]
    with_machine = np.array([other == last for _, other in pairs], dtype=bool)
    n = int(given.any(axis=0).sum())
    if last > MOST_READERS or not with_machine.any() or with_machine.all():
        reason = (
            f"It takes pairs of readers, and of readers and machine, that share {FEWEST_TO_SHOW} images; "
            f"and {MOST_READERS} readers at most."
        )
        nothing = none(n, reason)
        return nothing, nothing, nothing
    middle = np.nanmean(joined)
    values = np.where(given, joined - middle, 0)
    first, second = (values[[pair[side] for pair in pairs]] for side in (0, 1))
    both = np.stack([given[one] & given[other] for one, other in pairs])
    terms = np.stack([both, first, second, first**2, second**2, first * second]) * both  # (6, pairs, N)
    rows = terms[:, :, given.any(axis=0)].reshape(-1, n).T  # (N, 6 x pairs)
    of_whom = None if people is None else people[given.any(axis=0)]

    def kappa(means: Floats, which: NDArray[np.bool_]) -> Floats:
        number, x, y, xx, yy, xy = np.moveaxis(means.reshape(*means.shape[:-1], 6, len(pairs)), -2, 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            apart = xx + yy - 2 * x * y / number
            each = np.where((number > 0) & (apart > ROUNDING), 1 - (xx + yy - 2 * xy) / apart, np.nan)
        mean: Floats = each[..., which].mean(axis=-1)
        return mean

    return (
        estimate(rows, lambda means: kappa(means, ~with_machine), of_whom, scale="correlation"),
        estimate(rows, lambda means: kappa(means, with_machine), of_whom, scale="correlation"),
        estimate(rows, lambda means: kappa(means, with_machine) - kappa(means, ~with_machine), of_whom),
    )
