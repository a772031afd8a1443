"""The same errors within subgroups of images: skin tone, view, quality, any metadata."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.statistics.intervals import FEWEST_TO_SHOW, Estimate, Floats, People, estimate, none

MOST_VALUES = 8  # of a column: a file's name or a time of day makes no groups
NAMES_OF_THIRDS = ("lowest third", "middle third", "highest third")


@dataclass(frozen=True)
class Subgroup:
    """The images that have one value in one column, and the errors on them."""

    column: str
    value: str
    images: int
    rmse: Estimate
    bias: Estimate


def by_column(
    errors: Floats, columns: Mapping[str, NDArray[np.str_]], people: People | None = None
) -> tuple[Subgroup, ...]:
    """Split errors by each column of (N,) values, "" where not known. Below 20 images only their number is said.

    errors: (N,) of the machine, or (n, N) of readers, NaN where there is none. All that were made on one image,
    and on one of `people` (N,), count together, since they are no independent ones.
    """
    rows = np.atleast_2d(errors)
    groups: list[Subgroup] = []
    for column, values in columns.items():
        known = sorted(set(values.tolist()) - {""}, key=_place)
        if 2 <= len(known) <= MOST_VALUES:
            numbers = np.arange(rows.shape[1]) if people is None else people
            groups += [_subgroup(column, value, rows[:, values == value], numbers[values == value]) for value in known]
    return tuple(groups)


def _place(value: str) -> tuple[int, str]:
    """Sort thirds as they follow each other, anything else by its letters."""
    return NAMES_OF_THIRDS.index(value) if value in NAMES_OF_THIRDS else 0, value


def _subgroup(column: str, value: str, errors: Floats, people: People) -> Subgroup:
    there = np.isfinite(errors).any(axis=0)
    errors, people = errors[:, there], people[there]
    n = errors.shape[1]
    if n < FEWEST_TO_SHOW:
        hidden = none(n, f"{n} image{'' if n == 1 else 's'}; below {FEWEST_TO_SHOW} an error says too little.")
        return Subgroup(column, value, n, hidden, hidden)
    sums = (np.nansum(errors**2, axis=0), np.nansum(errors, axis=0), np.isfinite(errors).sum(axis=0))
    terms = np.stack(sums, axis=1).astype(float)
    return Subgroup(
        column,
        value,
        n,
        rmse=estimate(terms, lambda means: np.sqrt(means[..., 0] / means[..., 2]), people, scale="size"),
        bias=estimate(terms, lambda means: means[..., 1] / means[..., 2], people),
    )


def thirds(values: Floats) -> NDArray[np.str_]:
    """Return (N,) names of the thirds that numbers fall in, "" for NaN; the cuts are those of the numbers at hand."""
    known = np.isfinite(values)
    if known.sum() < len(NAMES_OF_THIRDS) or np.ptp(values[known]) == 0:
        return np.full(len(values), "", dtype="<U13")
    cuts = np.percentile(values[known], [100 / 3, 200 / 3])
    named = np.array(NAMES_OF_THIRDS)[np.searchsorted(cuts, np.where(known, values, 0), side="right")]
    return np.where(known, named, "")
