"""Fitting every kind of estimator that the registry of recipes names (scoring/regressor/recipes.py). [core]"""

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self, assert_never

import numpy as np
from numpy.typing import NDArray

from scoring.regressor import heads
from scoring.regressor.heads import Head, Network
from scoring.regressor.recipes import (
    Blend,
    GaussianProcess,
    KernelRidge,
    OnFaces,
    OnPatches,
    Pooling,
    ReaderRidge,
    Regression,
    Ridge,
    StretchedRidge,
)
from training.fitting import reader_effects, ridge
from training.fitting.reader_effects import Labels
from training.fitting.ridge import Fit, Line, Parts, Rows, Sums

if TYPE_CHECKING:
    from sklearn.neural_network import MLPRegressor

WAVES = 1024  # that stand for a Gaussian kernel
WIDTH = 2.0  # of the kernel, in median distances between two faces
FACES_TO_MEASURE = 1000  # whose distances say how wide the kernel is
MOST_FACES_WITH_WAVES = 20_000  # above, only what needs a single look at the rows, in bounded memory

Floats = NDArray[np.float64]


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

    pooled: Mapping[Pooling, Rows]
    spaces: Mapping[Pooling, Space]
    labels: Labels

    @classmethod
    def of(cls, pooled: Mapping[Pooling, Rows], labels: Labels) -> Self:
        """Find the few columns once, for every parting."""
        return cls(pooled, {pooling: compact(rows) for pooling, rows in pooled.items()}, labels)

    @property
    def grades(self) -> Floats:
        """(n,): the mean of each face's grades."""
        return reader_effects.without(self.labels, np.zeros(int(self.labels.reader.max()) + 1), self.n)

    @property
    def n(self) -> int:
        return len(next(iter(self.pooled.values())))


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
    seconds: float  # of one processor


def perceptron(estimator: OnPatches, *, seed: int) -> "MLPRegressor":
    """Return scikit-learn's, not fitted: relu, and every other setting its default, as published."""
    from sklearn.neural_network import MLPRegressor

    return MLPRegressor(hidden_layer_sizes=estimator.layers, activation="relu", random_state=seed)


def fit_patches(estimator: OnPatches, rows: NDArray[np.float32], grades: Sequence[float], *, seed: int) -> Network:
    """Fit an estimator that sees patches.

    rows: (n, 2048) float32 embeddings, one per patch and roll; grades: (n,), the grade of each row's image.
    Targets in float32 keep the whole fit in it: half the time of float64.
    """
    from sklearn.exceptions import ConvergenceWarning

    fitted = perceptron(estimator, seed=seed)
    with warnings.catch_warnings():
        # Stopping at 200 epochs is part of the published recipe; `n_iter_` tells when it happened.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted.fit(rows, np.asarray(grades, dtype=np.float32))
    return network(fitted)


def network(estimator: "MLPRegressor") -> Network:
    """Return what a fitted estimator predicts with."""
    return Network(tuple(zip(estimator.coefs_, estimator.intercepts_, strict=True)))


def fit_faces(wanted: Mapping[str, OnFaces], faces: Faces, part: Parts, *, seed: int) -> dict[str, Fitted]:
    """Fit the estimators, by the names of their recipes. `part` (n,) says which faces are left out together.

    An estimator's every choice (penalty, kernel, readers' effects, stretch) is made anew in each fit, on what it is
    fitted on. The seed draws the waves. Of more than MOST_FACES_WITH_WAVES faces, none with waves is fitted.
    """
    fits = _FaceFits(faces, part, seed)
    return {
        name: fits.of(estimator)
        for name, estimator in wanted.items()
        if faces.n <= MOST_FACES_WITH_WAVES or not _has_waves(estimator.regression)
    }


class _FaceFits:
    """The fits of one way to part the faces. What several estimators need is fitted once."""

    def __init__(self, faces: Faces, part: Parts, seed: int) -> None:
        self.faces, self.part, self.seed = faces, part, seed
        self.grades = faces.grades
        self._plain: dict[Pooling, Plain] = {}
        self._known: dict[OnFaces, Fitted] = {}

    def of(self, estimator: OnFaces) -> Fitted:
        if estimator not in self._known:
            self._known[estimator] = self._fit(estimator.regression, estimator.pooling)
        return self._known[estimator]

    def _fit(self, regression: Regression, pooling: Pooling) -> Fitted:
        match regression:
            case Ridge():
                return self._changed(pooling, lambda _, fit: fit)
            case StretchedRidge():
                return self._changed(pooling, lambda plain, fit: _stretched(plain.space, self.part, fit, self.grades))
            case ReaderRidge():
                return self._changed(pooling, lambda plain, fit: _corrected(plain, self.part, fit, self.faces.labels))
            case KernelRidge():
                return _timed(lambda: _fit_kernel(self.faces, pooling, self.part, self.seed))
            case GaussianProcess(shares):
                return _timed(lambda: _fit_gaussian(self.faces, pooling, shares, self.part, self.seed))
            case Blend(regressions):
                return blend([self.of(OnFaces(pooling, one)) for one in regressions])
            case _:
                assert_never(regression)

    def _changed(self, pooling: Pooling, change: Callable[[Plain, Fit], Fit]) -> Fitted:
        """Return the ridge regressions after a change of each."""
        plain = self._plain.get(pooling) or self._plain.setdefault(pooling, self._fit_plain(pooling))
        fitted = _timed(lambda: _fitted(plain.space, self.part, [change(plain, fit) for fit in plain.fits]))
        return replace(fitted, seconds=fitted.seconds + plain.seconds)

    def _fit_plain(self, pooling: Pooling) -> Plain:
        began = time.thread_time()
        space = self.faces.spaces[pooling]
        sums = ridge.sum_parts(space.rows, self.grades, self.part)
        return Plain(space, sums, ridge.fit_nested(sums), time.thread_time() - began)


def _has_waves(regression: Regression) -> bool:
    match regression:
        case Ridge() | StretchedRidge() | ReaderRidge():
            return False
        case KernelRidge() | GaussianProcess():
            return True
        case Blend(regressions):
            return any(map(_has_waves, regressions))
        case _:
            assert_never(regression)


def _timed(fit: Callable[[], Fitted]) -> Fitted:
    """Say how many seconds of one processor a fit took."""
    began = time.thread_time()
    fitted = fit()
    return replace(fitted, seconds=time.thread_time() - began)


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


def _stretched(space: Space, part: Parts, fit: Fit, grades: Floats) -> Fit:
    """Stretch the scores as the grades of left-out faces ask for: least squares of the grade on the score."""
    scores = ridge.left_out_scores(space.rows, part, fit.inner)
    known = np.isfinite(scores)
    slope, level = np.polyfit(scores[known], grades[known], 1)
    line = Line(fit.line.weights * slope, float(level + slope * fit.line.intercept))
    return Fit(fit.without, fit.penalty, line, fit.inner)


def _corrected(plain: Plain, part: Parts, fit: Fit, labels: Labels) -> Fit:
    """Fit again with the same penalty, on grades without what their readers add."""
    rows = plain.space.rows
    effects = reader_effects.estimate(labels, ridge.left_out_scores(rows, part, fit.inner))
    targets = reader_effects.without(labels, effects, len(rows))
    outside = set() if fit.without is None else {fit.without}
    again = ridge.without(ridge.with_targets(plain.sums, rows, targets, part), outside)
    return Fit(fit.without, fit.penalty, next(ridge.solve(again, [fit.penalty])), fit.inner)


def _fit_kernel(faces: Faces, pooling: Pooling, part: Parts, seed: int) -> Fitted:
    """A ridge regression on waves: kernel ridge regression with a Gaussian kernel."""
    frequencies, phases = draw_waves(faces.pooled[pooling], seed)
    space = compact(heads.waves(faces.pooled[pooling], frequencies, phases))
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


def _fit_gaussian(faces: Faces, pooling: Pooling, shares: Sequence[float], part: Parts, seed: int) -> Fitted:
    """A Gaussian process with a linear and a Gaussian kernel: their shares and the noise are the most probable ones.

    Where ridge regression tries penalties on left-out faces, this asks the evidence of those it is fitted on.
    """
    frequencies, phases = draw_waves(faces.pooled[pooling], seed)
    plain, waved = faces.spaces[pooling], heads.waves(faces.pooled[pooling], frequencies, phases).astype(np.float64)
    scales = [float(np.sqrt(np.var(side, axis=0).sum())) for side in (plain.rows, waved)]
    spaces = [_mixed(plain.rows / scales[0], waved * (share**0.5 / scales[1])) for share in shares]
    sums = [ridge.sum_parts(space.rows, faces.grades, part) for space in spaces]
    left_out = np.full(faces.n, np.nan)
    for place in range(len(sums[0])):
        which, line = _most_probable(sums, {place})
        mine = part == place
        left_out[mine] = spaces[which].rows[mine] @ line.weights + line.intercept
    which, line = _most_probable(sums, set())
    weights, intercept = spaces[which].back(line)
    inside, amplitudes = np.split(weights, [plain.rows.shape[1]])
    linear, intercept = plain.back(Line(inside / scales[0], intercept))
    amplitudes = amplitudes * (shares[which] ** 0.5 / scales[1])
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
    """Return the mean of fits of one seed and one pooling: those with waves share them."""
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
