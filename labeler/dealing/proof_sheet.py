"""The proof sheet: checks of reading lists, as numbers, before they are stored."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from labeler.dealing import reading_lists
from labeler.dealing.folds import Plan
from labeler.dealing.list_storage import ReadingList
from labeler.dealing.reading_lists import Flags, Whole

Thirds = tuple[int, int, int]


@dataclass(frozen=True)
class ListProof:
    """One reader's list. Thirds count readings in the first, middle and last third of it."""

    code: str
    length: int
    ordinary: int
    golden: int
    repeats: int
    golden_thirds: Thirds
    # First and second readings of the images that are read twice.
    repeat_thirds: Thirds
    smallest_gap: int | None
    longest_golden_run: int


@dataclass(frozen=True)
class Stratum:
    """How evenly the images of one kind fall to the readers."""

    name: str
    images: int
    fewest: int
    most: int


@dataclass(frozen=True)
class Proof:
    """The whole sheet."""

    digest: str
    lists: tuple[ListProof, ...]
    strata: tuple[Stratum, ...]
    # The smallest and largest number of ordinary images that two readers share; None where each has one reader.
    shared: tuple[int, int] | None
    left: int
    sidelined: int

    @property
    def readings(self) -> int:
        return sum(one.length for one in self.lists)


def proof(plan: Plan) -> Proof:
    return Proof(
        digest=plan.digest,
        lists=tuple(_of_list(one, plan.golden) for one in plan.lists),
        strata=_strata(plan),
        shared=_shared(plan) if plan.design.overlap else None,
        left=len(plan.left),
        sidelined=plan.sidelined,
    )


def _of_list(one: ReadingList, golden: Whole) -> ListProof:
    is_golden = np.isin(one.images, golden)
    twice = np.isin(one.images, one.images[one.is_second])
    firsts = ~one.is_second
    return ListProof(
        code=one.reader.code,
        length=len(one.images),
        ordinary=int(np.sum(firsts & ~is_golden)),
        golden=int(np.sum(firsts & is_golden)),
        repeats=int(one.is_second.sum()),
        golden_thirds=_thirds(is_golden),
        repeat_thirds=_thirds(twice),
        smallest_gap=_smallest_gap(one),
        longest_golden_run=reading_lists.longest_run(is_golden),
    )


def _thirds(flags: Flags) -> Thirds:
    first, middle, last = (int(part.sum()) for part in np.array_split(flags, 3))
    return first, middle, last


def _smallest_gap(one: ReadingList) -> int | None:
    """Return the least distance between two readings of one image; None where nothing is read twice."""
    order = np.argsort(one.images, kind="stable")
    images = one.images[order]
    distances = np.diff(order)[images[1:] == images[:-1]]
    return int(distances.min()) if len(distances) else None


def _strata(plan: Plan) -> tuple[Stratum, ...]:
    if not plan.design.by:
        return ()
    order = np.argsort(plan.waiting.images)
    names, stratum = np.unique(plan.waiting.strata[order], return_inverse=True)
    counts = np.array([_counts(one, plan.waiting.images[order], stratum, len(names)) for one in plan.lists])
    return tuple(
        Stratum(str(name) or "(not known)", int(count.sum()), int(count.min()), int(count.max()))
        for name, count in zip(names, counts.T, strict=True)
    )


def _counts(one: ReadingList, images: Whole, stratum: Whole, strata: int) -> Whole:
    """Return how many of the list's ordinary images are of each stratum; `images` is in order."""
    found = np.isin(images, one.images[~one.is_second])
    return np.bincount(stratum[found], minlength=strata)


def _shared(plan: Plan) -> tuple[int, int]:
    ordinary = [set(np.setdiff1d(one.images, plan.golden).tolist()) for one in plan.lists]
    sizes = [len(one & other) for one, other in combinations(ordinary, 2)]
    return min(sizes), max(sizes)
