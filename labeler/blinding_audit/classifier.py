"""The adversary's classifier: columns from features, cross-validated fits, AUC, interval and p-value. [core]

Labels of many fits at once: the true classes, and every permutation of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labeler.blinding_audit.features import Trait, Traits

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Classes = NDArray[np.bool_]

SPLITS = 5
COLUMNS_KEPT = 8  # columns a fit keeps: leaks are narrow, and more columns would bring more chance than signal
RIDGE = 0.05  # of a column's variance: keeps twins of one leak from cancelling out
BINS = 8  # of a number's range, by rank: a leak need not be monotone
RARE = 2  # images a value must occur in to become a column: what is unique teaches nothing about another image
MOST_VALUES = 160  # of a category that become columns: 11 readers' positions modulo 12 fit
PERMUTATIONS = 1999  # the smallest p, 1/2000, must stay below 0.05 when Holm multiplies it by twenty channels
RESAMPLES = 2000
LEVEL = 95  # percent of the interval
NOTHING = 1e-9  # a spread below it is rounding
BATCH = 200  # resamples at a time: bounds memory


@dataclass(frozen=True)
class Guess:
    """How well a class is told: 0.5 is a coin, 1 is knowledge."""

    auc: float
    low: float
    high: float
    p: float  # one-sided: the share of permutations that are told as well
    is_constant: bool = False  # nothing varied, so there was nothing to tell by


# From traits to columns


def columns_of(traits: Sequence[Traits], images: Ints, explained_by: Floats | None = None) -> Floats:
    """Return (n, columns) of what varies: ranks and bins of numbers, a column per value of a category.

    `images` (n,) names the image of each row. What `explained_by` (n, few) explains is taken from the numbers.
    """
    names = sorted({name for one in traits for name in one})
    made = [column for name in names for column in _of_trait([one.get(name) for one in traits], images, explained_by)]
    varying = [column for column in made if np.ptp(column) > NOTHING]
    return np.column_stack(varying) if varying else np.empty((len(traits), 0))


def _of_trait(values: Sequence[Trait | None], images: Ints, explained_by: Floats | None) -> list[Floats]:
    is_number = [isinstance(value, int | float) for value in values]
    words = ["" if number else repr(value) for value, number in zip(values, is_number, strict=True)]
    made = _of_categories(words, images)
    if any(is_number):
        numbers = np.array([value if isinstance(value, int | float) else np.nan for value in values], dtype=np.float64)
        found = _of_numbers(numbers)
        made += found if explained_by is None else _cleared(found, explained_by)
    return made


def _of_categories(values: Sequence[str], images: Ints) -> list[Floats]:
    _, place = np.unique(np.array(values), return_inverse=True)
    counts = np.bincount(np.unique(np.column_stack([place, images]), axis=0)[:, 0])  # images, not rows
    frequent = np.argsort(-counts, kind="stable")[:MOST_VALUES]
    return [(place == value).astype(np.float64) for value in frequent if counts[value] >= RARE]


def _of_numbers(values: Floats) -> list[Floats]:
    """Return the ranks, from 0 to 1, and where there are many values the eighths of that range."""
    known = ~np.isnan(values)
    found, place = np.unique(values[known], return_inverse=True)
    counts = np.bincount(place)
    middle = (np.cumsum(counts) - counts / 2) / counts.sum()
    ranks = np.full(len(values), 0.5)  # where there is none: the middle, and a category says so
    ranks[known] = middle[place]
    if len(found) <= 2:
        return [ranks]
    eighth = np.where(known, np.minimum((ranks * BINS).astype(int), BINS - 1), -1)
    return [ranks, *((eighth == number).astype(np.float64) for number in range(BINS))]


def _cleared(columns: Sequence[Floats], measures: Floats) -> list[Floats]:
    """Return what a least-squares fit on the measures leaves of each column; one that they explain goes."""
    stacked = np.column_stack(columns)
    left = stacked - measures @ np.linalg.lstsq(measures, stacked, rcond=None)[0]
    return [column for column in left.T if column.std() > NOTHING]


# The trial: one set of images, splits and permutations for every channel


@dataclass(frozen=True)
class Trial:
    """Rows of images whose class is to be guessed. All channels are held against the same splits and permutations."""

    weights: Floats  # (n,): an image counts once, on however many lists it is
    images: Ints  # (n,): place of the row's image
    split: Ints  # (n,): by image
    classes: Classes  # (n, 1 + permutations), the true ones first
    seed: int

    @classmethod
    def of(cls, images: Sequence[int], is_member: Sequence[bool], *, seed: int, permutations: int) -> "Trial":
        """Begin one for rows of `images`, whose class is the same in all rows of an image."""
        random = np.random.default_rng(seed)
        _, first, place = np.unique(images, return_index=True, return_inverse=True)
        truth = np.asarray(is_member)[first]
        shuffled = [truth, *(random.permutation(truth) for _ in range(permutations))]
        split = random.permutation(np.arange(len(truth)) % SPLITS)
        weights = 1 / np.bincount(place)
        return cls(weights[place], place, split[place], np.column_stack(shuffled)[place], seed)

    def guess(self, columns: Floats) -> Guess:
        """Guess the classes from (n, columns)."""
        if not columns.shape[1]:
            return Guess(0.5, 0.5, 0.5, 1.0, is_constant=True)
        scores = self._scores(columns)
        aucs = np.array([self._auc(scores[:, fit], self.classes[:, fit]) for fit in range(scores.shape[1])])
        low, high = self._interval(scores[:, 0], aucs)
        return Guess(float(aucs[0]), low, high, float(np.mean(aucs >= aucs[0] - 1e-12)))

    def _auc(self, scores: Floats, classes: Classes) -> float:
        return float(auc(scores, self.split, (self.weights * classes)[None], (self.weights * ~classes)[None])[0])

    def _scores(self, columns: Floats) -> Floats:
        """Return (n, 1 + permutations): what fits that never saw the row's image say of it."""
        scores = np.empty(self.classes.shape)
        for number in range(SPLITS):
            out = self.split == number
            train, test = _standardised(columns[~out], columns[out], self.weights[~out])
            scores[out] = test @ _fit(train, self.classes[~out].astype(np.float64), self.weights[~out])
        return scores

    def _interval(self, scores: Floats, aucs: Floats) -> tuple[float, float]:
        """Return an interval for aucs[0]: what images could have been drawn, or what could have been learnt of them.

        A percentile bootstrap over images holds the fits fixed; the permutations, aucs[1:], hold the images fixed and
        fit anew. Each is blind to the other's chance, so the wider end of the two counts.
        """
        drawn, learnt = self._resampled(scores), aucs[0] + (np.mean(aucs[1:]) - aucs[1:])
        ends = [np.nanpercentile(found, [(100 - LEVEL) / 2, (100 + LEVEL) / 2]) for found in (drawn, learnt)]
        low, high = (min(end[0] for end in ends), max(end[1] for end in ends))
        return max(0.0, float(low)), min(1.0, float(high))

    def _resampled(self, scores: Floats) -> Floats:
        """Return (RESAMPLES,) areas over images drawn with replacement."""
        random = np.random.default_rng(self.seed + 1)
        count, truth, found = self.images.max() + 1, self.classes[:, 0], []
        for _ in range(RESAMPLES // BATCH):
            drawn = random.multinomial(count, np.full(count, 1 / count), size=BATCH)[:, self.images] * self.weights
            found.append(auc(scores, self.split, drawn * truth, drawn * ~truth))
        return np.concatenate(found)


def _standardised(train: Floats, test: Floats, weights: Floats) -> tuple[Floats, Floats]:
    middle = np.average(train, axis=0, weights=weights)
    spread = np.sqrt(np.average((train - middle) ** 2, axis=0, weights=weights))
    spread[spread < NOTHING] = np.inf  # constant in these splits: it says nothing
    return (train - middle) / spread, (test - middle) / spread


def _fit(columns: Floats, classes: Floats, weights: Floats) -> Floats:
    """Return (columns, fits): ridge coefficients of the COLUMNS_KEPT columns that go best with each vector of classes.

    All permutations are fitted at once: they share the columns, so only small systems differ.
    """
    share = (weights / weights.sum())[:, None]
    products = columns.T @ (share * columns)  # (p, p)
    together = columns.T @ (share * (classes - (share * classes).sum(axis=0)))  # (p, fits)
    kept = min(COLUMNS_KEPT, len(together))
    best = np.argpartition(-np.abs(together), kept - 1, axis=0)[:kept].T  # (fits, kept)
    systems = products[best[:, :, None], best[:, None, :]] + RIDGE * np.eye(kept)
    solved = np.linalg.solve(systems, np.take_along_axis(together.T, best, axis=1)[:, :, None])[:, :, 0]
    coefficients: Floats = np.zeros_like(together)
    np.put_along_axis(coefficients.T, best, solved, axis=1)
    return coefficients


def auc(scores: Floats, split: Ints, members: Floats, others: Floats) -> Floats:
    """Return (b,) areas over the pairs within a split, for (n,) scores and (b, n) weights; a tie counts half.

    Pairs across splits would compare values of different fits.
    """
    rounded = np.round(scores, 9)  # sums in another order must not break ties
    order = np.lexsort((rounded, split))
    is_new_split = np.r_[True, np.diff(split[order]) > 0]
    ties = np.flatnonzero(is_new_split | np.r_[True, np.diff(rounded[order]) != 0])
    members, others = (np.add.reduceat(weights[:, order], ties, axis=1) for weights in (members, others))
    splits = np.flatnonzero(is_new_split[ties])
    lengths = np.diff(np.r_[splits, len(ties)])
    per_split = np.add.reduceat(others, splits, axis=1)
    in_splits_before = np.repeat(np.cumsum(per_split, axis=1) - per_split, lengths, axis=1)
    below = np.cumsum(others, axis=1) - others / 2 - in_splits_before
    pairs = (np.add.reduceat(members, splits, axis=1) * per_split).sum(axis=1)
    with np.errstate(invalid="ignore"):
        area: Floats = (members * below).sum(axis=1) / pairs
    return area
