"""Estimators: the only file that builds them. [core]"""

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from scoring.regressor import heads
from scoring.regressor.heads import Head, Network
from training.fitting import reader_effects, ridge
from training.fitting.reader_effects import Labels
from training.fitting.ridge import Fit, Line, Parts, Rows, Sums

if TYPE_CHECKING:
    from sklearn.neural_network import MLPRegressor

MEAN, ROOT = "mean embedding", "root of the mean embedding"
WAVES = 1024  # that stand for a Gaussian kernel
WIDTH = 2.0  # of the kernel, in median distances between two faces
FACES_TO_MEASURE = 1000  # whose distances say how wide the kernel is
MOST_FACES_WITH_WAVES = 20_000  # above, only what needs a single look at the rows, in bounded memory
BLENDED = ("face_root", "face_kernel", "face_gaussian")
SHARES = (0.0, 0.5, 2.0)  # of the Gaussian kernel's variance, beside a linear one's of 1

Floats = NDArray[np.float64]
Anything = TypeVar("Anything")


@dataclass(frozen=True)
class Space:
    """Rows (n, r), and how a line in them is one of the pooled embeddings: weights = basis @ weights in here."""

    rows: Rows
    basis: Floats | None
    middle: Floats

    def back(self, line: Line) -> tuple[Floats, float]:
        """Return weights (d,) and intercept."""
        weights = line.weights if self.basis is None else self.basis @ line.weights
        return weights, line.intercept - float(self.middle @ weights)


@dataclass(frozen=True)
class Faces:
    """n faces: by each way of pooling, their embeddings (n, d) and these in few columns; and what readers gave them."""

    pooled: Mapping[str, Rows]
    spaces: Mapping[str, Space]
    labels: Labels

    @classmethod
    def of(cls, pooled: Mapping[str, Rows], labels: Labels) -> Self:
        """Find the few columns once, for every parting."""
        return cls(pooled, {pooling: compact(rows) for pooling, rows in pooled.items()}, labels)

    @property
    def grades(self) -> Floats:
        """(n,): the mean of each face's grades."""
        return reader_effects.without(self.labels, np.zeros(int(self.labels.reader.max()) + 1), self.n)

    @property
    def n(self) -> int:
        return len(self.pooled[MEAN])


@dataclass(frozen=True)
class Fitted:
    """A recipe fitted on all faces; and each face's score (n,) by the same recipe without that face's part."""

    head: Head
    left_out: Floats
    seconds: float = 0.0  # of one processor


@dataclass(frozen=True)
class Plain:
    """Ridge regressions on pooled embeddings, and what they were fitted from."""

    space: Space
    sums: Sequence[Sums]
    fits: Sequence[Fit]

    def fitted(self, part: Parts) -> Fitted:
        return _fitted(self.space, part, self.fits)


def published_estimator(seed: int) -> "MLPRegressor":
    """MLPRegressor(1024, 512, 256), relu, every other setting scikit-learn's default."""
    from sklearn.neural_network import MLPRegressor

    return MLPRegressor(hidden_layer_sizes=(1024, 512, 256), activation="relu", random_state=seed)


def fit_ms2019(rows: NDArray[np.float32], grades: Sequence[float], *, seed: int) -> Network:
    """Fit the published estimator.

    rows: (n, 2048) float32 embeddings, one per patch and roll; grades: (n,), the grade of each row's image.
    Targets in float32 keep the whole fit in it: half the time of float64.
    """
    from sklearn.exceptions import ConvergenceWarning

    estimator = published_estimator(seed)
    with warnings.catch_warnings():
        # Stopping at 200 epochs is part of the published recipe; `n_iter_` tells when it happened.
        warnings.simplefilter("ignore", ConvergenceWarning)
        estimator.fit(rows, np.asarray(grades, dtype=np.float32))
    return network(estimator)


def network(estimator: "MLPRegressor") -> Network:
    """Return what a fitted estimator predicts with."""
    return Network(tuple(zip(estimator.coefs_, estimator.intercepts_, strict=True)))


def fit_faces(faces: Faces, part: Parts, *, seed: int) -> dict[str, Fitted]:
    """Fit every recipe that sees a face as a whole, by its name. `part` (n,) says which faces are left out together.

    A recipe's every choice (penalty, kernel, readers' effects, calibration) is made anew in each fit, on what it is
    fitted on. The seed draws the waves.
    """
    grades = faces.grades
    root, fits_took = _clocked(lambda: _fit_plain(faces.spaces[ROOT], grades, part))

    def of_root(change: Callable[[Fit], Fit]) -> Fitted:
        changed, took = _clocked(lambda: _fitted(root.space, part, [change(fit) for fit in root.fits]))
        return replace(changed, seconds=took + fits_took)

    fitted = {
        "face_ridge": _timed(lambda: _fit_plain(faces.spaces[MEAN], grades, part).fitted(part)),
        "face_root": of_root(lambda fit: fit),
        "face_calibrated": of_root(lambda fit: _calibrated(root.space, part, fit, grades)),
        "face_readers": of_root(lambda fit: _corrected(root.space, part, fit, root.sums, faces.labels)),
    }
    if faces.n > MOST_FACES_WITH_WAVES:
        return fitted
    fitted["face_kernel"] = _timed(lambda: _fit_kernel(faces, part, seed))
    fitted["face_gaussian"] = _timed(lambda: _fit_gaussian(faces, part, seed))
    return fitted | {"face_blend": blend([fitted[name] for name in BLENDED])}


def _fit_plain(space: Space, grades: Floats, part: Parts) -> Plain:
    sums = ridge.sum_parts(space.rows, grades, part)
    return Plain(space, sums, ridge.fit_nested(sums))


def _clocked(fit: Callable[[], Anything]) -> tuple[Anything, float]:
    """Return what was fitted, and the seconds of one processor that it took."""
    began = time.thread_time()
    return fit(), time.thread_time() - began


def _timed(fit: Callable[[], Fitted]) -> Fitted:
    fitted, took = _clocked(fit)
    return replace(fitted, seconds=took)


def compact(rows: Rows) -> Space:
    """Return the rows in as few columns as they span, if they are fewer than their columns: nothing is lost."""
    n, d = rows.shape
    if n > d:
        return Space(rows, None, np.zeros(d))
    middle = np.asarray(rows, np.float64).mean(axis=0)
    basis, triangle = np.linalg.qr((np.asarray(rows, np.float64) - middle).T)
    return Space(triangle.T.copy(), basis, middle)


def _fitted(space: Space, part: Parts, fits: Sequence[Fit]) -> Fitted:
    *outer, whole = fits
    left_out = ridge.left_out_scores(space.rows, part, {place: fit.line for place, fit in enumerate(outer)})
    return Fitted(_head(*space.back(whole.line)), left_out)


def _head(weights: Floats, intercept: float) -> Head:
    nothing = np.zeros((len(weights), 0), np.float32)
    return Head(weights, np.array([intercept]), nothing, np.zeros(0, np.float32), np.zeros(0))


def _calibrated(space: Space, part: Parts, fit: Fit, grades: Floats) -> Fit:
    """Stretch the scores as the grades of left-out faces ask for: least squares of the grade on the score."""
    scores = ridge.left_out_scores(space.rows, part, fit.inner)
    known = np.isfinite(scores)
    slope, level = np.polyfit(scores[known], grades[known], 1)
    line = Line(fit.line.weights * slope, float(level + slope * fit.line.intercept))
    return Fit(fit.without, fit.penalty, line, fit.inner)


def _corrected(space: Space, part: Parts, fit: Fit, sums: Sequence[Sums], labels: Labels) -> Fit:
    """Fit again with the same penalty, on grades without what their readers add."""
    effects = reader_effects.estimate(labels, ridge.left_out_scores(space.rows, part, fit.inner))
    targets = reader_effects.without(labels, effects, len(space.rows))
    outside = set() if fit.without is None else {fit.without}
    again = ridge.without(ridge.with_targets(sums, space.rows, targets, part), outside)
    return Fit(fit.without, fit.penalty, next(ridge.solve(again, [fit.penalty])), fit.inner)


def _fit_kernel(faces: Faces, part: Parts, seed: int) -> Fitted:
    """A ridge regression on waves: kernel ridge regression with a Gaussian kernel."""
    frequencies, phases = draw_waves(faces.pooled[ROOT], seed)
    space = compact(heads.waves(faces.pooled[ROOT], frequencies, phases))
    fitted = _fitted(space, part, ridge.fit_nested(ridge.sum_parts(space.rows, faces.grades, part)))
    linear, intercept = np.zeros(len(frequencies)), fitted.head.intercept
    return Fitted(Head(linear, intercept, frequencies, phases, fitted.head.weights), fitted.left_out)


def draw_waves(faces: Rows, seed: int) -> tuple[heads.Floats, heads.Floats]:
    """Return frequencies (d, WAVES) and phases (WAVES,) of a Gaussian kernel that is as wide as faces lie apart."""
    some = np.asarray(faces[:FACES_TO_MEASURE], np.float64)
    squares = (some**2).sum(axis=1)
    apart = np.sqrt(np.maximum(squares[:, None] + squares - 2 * some @ some.T, 0))
    median = max(float(np.median(apart[np.triu_indices(len(some), 1)])), 1e-6)
    rng = np.random.default_rng(seed)
    frequencies = rng.normal(0, 1 / (WIDTH * median), (faces.shape[1], WAVES)).astype(np.float32)
    return frequencies, rng.uniform(0, 2 * np.pi, WAVES).astype(np.float32)


def _fit_gaussian(faces: Faces, part: Parts, seed: int) -> Fitted:
    """A Gaussian process with a linear and a Gaussian kernel: their shares and the noise are the most probable ones.

    Where ridge regression tries penalties on left-out faces, this asks the evidence of those it is fitted on.
    """
    frequencies, phases = draw_waves(faces.pooled[ROOT], seed)
    root, waved = faces.spaces[ROOT], heads.waves(faces.pooled[ROOT], frequencies, phases).astype(np.float64)
    scales = [float(np.sqrt(np.var(side, axis=0).sum())) for side in (root.rows, waved)]
    spaces = [_mixed(root.rows / scales[0], waved * (share**0.5 / scales[1])) for share in SHARES]
    sums = [ridge.sum_parts(space.rows, faces.grades, part) for space in spaces]
    left_out = np.full(faces.n, np.nan)
    for place in range(len(sums[0])):
        which, line = _most_probable(sums, {place})
        mine = part == place
        left_out[mine] = spaces[which].rows[mine] @ line.weights + line.intercept
    which, line = _most_probable(sums, set())
    weights, intercept = spaces[which].back(line)
    inside, amplitudes = np.split(weights, [root.rows.shape[1]])
    linear, intercept = root.back(Line(inside / scales[0], intercept))
    amplitudes = amplitudes * (SHARES[which] ** 0.5 / scales[1])
    return Fitted(Head(linear, np.array([intercept]), frequencies, phases, amplitudes), left_out)


def _mixed(linear: Rows, waved: Floats) -> Space:
    """Return both side by side; without waves, the linear columns are few enough as they are."""
    if waved.any():
        return compact(np.concatenate([linear, waved], axis=1))
    width = linear.shape[1] + waved.shape[1]
    return Space(linear, np.eye(width, linear.shape[1]), np.zeros(width))


def _most_probable(sums: Sequence[Sequence[Sums]], left_out: set[int]) -> tuple[int, Line]:
    """Return which space, and the line in it, makes the grades of the parts that are not left out most probable."""
    lines = [
        (which, line)
        for which, of_space in enumerate(sums)
        for line in ridge.solve(ridge.without(of_space, left_out), ridge.PENALTIES[::2])
    ]
    return max(lines, key=lambda found: found[1].evidence)


def blend(fitted: Sequence[Fitted]) -> Fitted:
    """Return the mean of recipes that share their waves, or have none."""
    share = 1 / len(fitted)
    waved = next(one.head for one in fitted if len(one.head.phases))
    amplitudes = [one.head.amplitudes for one in fitted if len(one.head.phases)]
    head = Head(
        weights=sum((one.head.weights for one in fitted), start=np.zeros_like(waved.weights)) * share,
        intercept=sum((one.head.intercept for one in fitted), start=np.zeros(1)) * share,
        frequencies=waved.frequencies,
        phases=waved.phases,
        amplitudes=sum(amplitudes, start=np.zeros_like(waved.amplitudes)) * share,
    )
    left_out = np.mean([one.left_out for one in fitted], axis=0)
    return Fitted(head, left_out, sum(one.seconds for one in fitted))
