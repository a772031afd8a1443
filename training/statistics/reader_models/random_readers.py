"""The machine against readers who stand for all readers like them: multi-reader multi-case analysis.

The reader's figure is the machine's RMSE less the reader's, both against the mean of the other readers on the images
that the reader graded. Readers and people are both drawn at random: Obuchowski and Rockette's model for one modality,
with Hillis's degrees of freedom (Hillis 2014, "A marginal-mean ANOVA approach for analyzing multireader multicase
radiological imaging data", Statistics in Medicine 33, 330-360). Error covariances are by the jackknife over people.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.statistics import metrics
from training.statistics.intervals import FEWEST_TO_SHOW, UPPER, Estimate, Floats, People, Z, none
from training.statistics.reader_models.crossed import FEWEST_READERS


@dataclass(frozen=True)
class RandomReaders:
    """The mean over readers, and where the next reader would lie."""

    mean: Estimate  # n counts people
    next_reader: Estimate
    readers: int
    degrees_of_freedom: float | None
    reader_variance: float | None  # between readers, beyond what images explain; grades squared
    covariance: float | None  # of two readers' figures, from the images they share; grades squared


def compare(scores: Floats, grades: Floats, people: People | None = None) -> RandomReaders:
    """Compare (N,) scores with (n, N) grades, NaN for gaps. `people` (N,) numbers the person in each image.

    Without `people` each image is of a person of its own.
    """
    groups = np.arange(grades.shape[1]) if people is None else np.unique(people, return_inverse=True)[1]
    squares = np.stack([_squares(scores, grades, reader) for reader in range(len(grades))]) if len(grades) else None
    if squares is None:
        return _nothing(0, 0, "No reader has a list.")
    squares = squares[np.isfinite(squares).all(axis=1).sum(axis=1) >= FEWEST_TO_SHOW]
    counted = np.isfinite(squares).all(axis=1).any(axis=0) if len(squares) else np.zeros(len(groups), bool)
    n = len(np.unique(groups[counted]))
    if len(squares) < FEWEST_READERS:
        few = f"{len(squares)} readers share {FEWEST_TO_SHOW} images with others"
        return _nothing(len(squares), n, f"{few}; readers as a sample need {FEWEST_READERS} at least.")
    figures, left_out = _figures(squares, groups)
    return from_figures(figures, jackknife_covariance(left_out), n=n)


def from_figures(figures: Floats, covariance: Floats, *, n: int) -> RandomReaders:
    """Return the analysis of (r,) figures with their (r, r) error covariance, from `n` people."""
    from scipy import special

    r = len(figures)
    shared = max(float(covariance[~np.eye(r, dtype=bool)].mean()), 0.0)
    between = float(figures.var(ddof=1))  # the mean square of readers
    of_error = float(np.diag(covariance).mean())
    in_all = between + r * shared
    freedom = in_all**2 / (between**2 / (r - 1)) if between > 0 else math.inf
    t = float(special.stdtrit(freedom, UPPER)) if math.isfinite(freedom) else Z
    value, half = float(figures.mean()), t * math.sqrt(in_all / r)
    of_readers = max(between - of_error + shared, 0.0)
    ahead = t * math.sqrt(in_all / r + of_readers)
    return RandomReaders(
        mean=Estimate(value, value - half, value + half, n),
        next_reader=Estimate(value, value - ahead, value + ahead, n),
        readers=r,
        degrees_of_freedom=freedom if math.isfinite(freedom) else None,
        reader_variance=of_readers,
        covariance=shared,
    )


def jackknife_covariance(left_out: Floats) -> Floats:
    """Return (r, r) from the (m, r) figures without each of m people: (m - 1) / m of their sums of products."""
    m = len(left_out)
    covariance: Floats = np.cov(left_out, rowvar=False, ddof=0) * (m - 1)
    return covariance


def _squares(scores: Floats, grades: Floats, reader: int) -> Floats:
    """Return (2, N): the squared errors of machine and reader where both are there, else NaN in both."""
    others = metrics.consensus_without(grades, reader)
    both = np.stack([(scores - others) ** 2, (grades[reader] - others) ** 2])
    return np.where(np.isfinite(both).all(axis=0), both, np.nan)


def _figures(squares: Floats, groups: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Return (r,) differences of RMSE from (r, 2, N) squared errors, and (m, r) without each of m people."""
    given = np.isfinite(squares[:, 0])
    people = np.unique(groups[given.any(axis=0)], return_inverse=False)
    belongs = (groups[:, None] == people).astype(float)  # (N, m)
    sums = np.nan_to_num(squares) @ belongs  # (r, 2, m)
    counts = given @ belongs  # (r, m)

    def difference(total: Floats, number: Floats) -> Floats:
        roots = np.sqrt(total / number[:, None])
        answer: Floats = roots[:, 0] - roots[:, 1]
        return answer

    whole, number = sums.sum(axis=-1), counts.sum(axis=-1)
    rest = np.stack([difference(whole - sums[..., m], number - counts[:, m]) for m in range(len(people))])
    return difference(whole, number), rest


def _nothing(readers: int, n: int, reason: str) -> RandomReaders:
    return RandomReaders(none(n, reason), none(n, reason), readers, None, None, None)
