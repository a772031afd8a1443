"""Ridge regression from sufficient statistics of parts of the rows, with a cross-validated penalty. [core]

From the sums of each part every fit on some parts, and its error on another, follow without a second look at the rows:
memory grows with the square of the columns, never with the rows, which may be mapped from a file. [core]
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.floating]  # (n, d), in memory or mapped from a file
Parts = NDArray[np.intp]  # (n,): the number of each row's part, from 0 on

PENALTIES = np.logspace(-2, 2, 9)  # in units of a column's sum of squares, on average
SMALLEST = 1e-12  # sum of squares, of columns that never vary
ROWS_AT_ONCE = 8192  # 128 MB of float64 at 2,048 columns


@dataclass(frozen=True)
class Sums:
    """What a fit needs of n rows x (d,) with their targets y."""

    n: float
    x: Floats  # (d,)
    xx: Floats  # (d, d)
    y: float
    xy: Floats  # (d,)
    yy: float

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(*(getattr(self, part.name) + getattr(other, part.name) for part in fields(self)))

    def __sub__(self, other: "Sums") -> "Sums":
        return Sums(*(getattr(self, part.name) - getattr(other, part.name) for part in fields(self)))


@dataclass(frozen=True)
class Line:
    """score = intercept + x . weights; and how probable it makes what it was fitted on, as a logarithm."""

    weights: Floats  # (d,)
    intercept: float
    evidence: float = 0.0


@dataclass(frozen=True)
class Fit:
    """A line fitted on all parts but one (None: on all), and lines that left out one more, by its number."""

    without: int | None
    penalty: float
    line: Line
    inner: Mapping[int, Line]


def sum_parts(rows: Rows, targets: Floats, part: Parts) -> list[Sums]:
    """Return the sums of each part of (n, d) rows with (n,) targets."""
    d = rows.shape[1]
    sums = [Sums(0, np.zeros(d), np.zeros((d, d)), 0, np.zeros(d), 0) for _ in range(int(part.max()) + 1)]
    for window, chunk in chunks(rows):
        for number in np.unique(part[window]):
            mine = part[window] == number
            sums[number] += _sum(chunk[mine], targets[window][mine])
    return sums


def with_targets(sums: Sequence[Sums], rows: Rows, targets: Floats, part: Parts) -> list[Sums]:
    """Return the sums of the same rows with other targets; the costly part stays as it is."""
    xy = np.zeros((len(sums), rows.shape[1]))
    for window, chunk in chunks(rows):
        for number in np.unique(part[window]):
            mine = part[window] == number
            xy[number] += chunk[mine].T @ targets[window][mine]
    mine_of = [targets[part == number] for number in range(len(sums))]
    return [
        replace(old, y=float(mine.sum()), xy=new, yy=float(mine @ mine))
        for old, new, mine in zip(sums, xy, mine_of, strict=True)
    ]


def _sum(x: Floats, y: Floats) -> Sums:
    return Sums(len(x), x.sum(axis=0), x.T @ x, float(y.sum()), x.T @ y, float(y @ y))


def solve(sums: Sums, penalties: Sequence[float] | Floats) -> Iterator[Line]:
    """Yield the ridge regression of each penalty; the intercept is not penalised.

    It is the mean of a Gaussian process with a linear kernel, whose evidence (Rasmussen and Williams 2006, 2.30, with
    the noise's variance at its most probable) comes with it.
    """
    from scipy.linalg import cho_factor, cho_solve

    middle_x, middle_y = sums.x / sums.n, sums.y / sums.n
    xx, xy = sums.xx - np.outer(sums.x, middle_x), sums.xy - sums.x * middle_y
    yy = sums.yy - sums.y * middle_y
    unit = max(float(np.trace(xx)) / len(xx), SMALLEST)
    diagonal = np.diag_indices_from(xx)
    for penalty in penalties:
        penalised = xx.copy()
        penalised[diagonal] += penalty * unit
        factor = cho_factor(penalised, lower=True, overwrite_a=True, check_finite=False)
        weights = cho_solve(factor, xy)
        determinant = 2 * np.log(np.diag(factor[0])).sum() - len(xx) * np.log(penalty * unit)
        left = max(float(yy - xy @ weights), SMALLEST)
        evidence = -0.5 * (float(determinant) + (sums.n - 1) * np.log(left / (sums.n - 1)))
        yield Line(weights, float(middle_y - middle_x @ weights), evidence)


def squared_error(line: Line, sums: Sums) -> float:
    """Return the sum of the squared errors of a line on the rows that were summed."""
    w, c = line.weights, line.intercept
    scores = w @ sums.xx @ w + 2 * c * (sums.x @ w) + sums.n * c * c
    return float(sums.yy - 2 * (w @ sums.xy + c * sums.y) + scores)


def fit_nested(sums: Sequence[Sums]) -> list[Fit]:
    """Fit on all parts but each in turn, and last on all; the choice of a penalty sees what its fit may see only.

    It is the penalty of the smallest squared error in a cross-validation over the parts of the fit. A pair of parts
    that is left out serves two of them.
    """
    places = range(len(sums))
    left_out = [frozenset(some) for size in (1, 2) for some in combinations(places, size)]
    paths = {some: list(solve(without(sums, some), PENALTIES)) for some in left_out}
    return [_choose(sums, paths, place) for place in (*places, None)]


def _choose(sums: Sequence[Sums], paths: Mapping[frozenset[int], Sequence[Line]], place: int | None) -> Fit:
    outside: frozenset[int] = frozenset() if place is None else frozenset([place])
    inside = [other for other in range(len(sums)) if other != place]
    errors = [
        sum(squared_error(paths[outside | {other}][n], sums[other]) for other in inside) for n in range(len(PENALTIES))
    ]
    best = int(np.argmin(errors))
    penalty = float(PENALTIES[best])
    line = next(solve(without(sums, outside), [penalty])) if place is None else paths[outside][best]
    return Fit(place, penalty, line, {other: paths[outside | {other}][best] for other in inside})


def without(sums: Sequence[Sums], left_out: frozenset[int] | set[int]) -> Sums:
    """Return the sums over all other parts."""
    first, *others = (one for place, one in enumerate(sums) if place not in left_out)
    return sum(others, start=first)


def left_out_scores(rows: Rows, part: Parts, lines: Mapping[int, Line]) -> Floats:
    """Return (n,): every row's score by the line of its own part, NaN where its part has none."""
    scores = np.full(len(rows), np.nan)
    for window, chunk in chunks(rows):
        for number in set(np.unique(part[window]).tolist()) & lines.keys():
            mine = part[window] == number
            scores[window][mine] = chunk[mine] @ lines[number].weights + lines[number].intercept
    return scores


def chunks(rows: Rows) -> Iterator[tuple[slice, Floats]]:
    """Yield the rows as float64, some thousands at a time, and where they stand."""
    for start in range(0, len(rows), ROWS_AT_ONCE):
        window = slice(start, start + ROWS_AT_ONCE)
        yield window, np.asarray(rows[window], dtype=np.float64)
