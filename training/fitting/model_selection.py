"""Model selection: every recipe fitted, and evaluated on images left out of its fit."""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scoring.network import cpu_cores
from scoring.regressor.heads import Network
from scoring.regressor.pipeline import FittedRegressor, score_rows
from scoring.regressor.recipes import OnFaces, OnPatches, Pooling, Recipe
from scoring.regressor.score_scale import Scale
from training.fitting import embeddings, estimators, recipe_comparison
from training.fitting.dataset import GoldenImage, GradedImages, OrdinaryImage
from training.fitting.estimators import Faces
from training.fitting.reader_effects import Labels
from training.fitting.run_progress import Stages

Floats = NDArray[np.float64]

REPEATS = 5  # seeds: each parts the ordinary images anew; the study's own is the one that may be published


@dataclass(frozen=True)
class Entry:
    """A recipe in the contest: what it says of images it was not fitted on."""

    recipe: Recipe
    training_rows: int
    left_out: Floats  # (repeats, n) scores of ordinary images, each by a fit without its part
    golden: Floats  # (seeds, N) scores, those of the seed that may be published first
    regressors: tuple[FittedRegressor, ...]  # in the same order; none where the scores were kept of an earlier run
    seconds: float | None = None  # of one processor, to fit all of it
    from_run: int | None = None


def parts_of(ordinary: Sequence[OrdinaryImage], seed: int) -> NDArray[np.intp]:
    """Return (REPEATS, n): how every seed parts the images. Images of one group are in one part."""
    groups = [image.group for image in ordinary]
    return np.array([recipe_comparison.part(groups, seed=seed + repeat) for repeat in range(REPEATS)])


def fit_faces(
    stages: Stages,
    graded: GradedImages,
    used: Sequence[Recipe],
    parts: NDArray[np.intp],
    *,
    seed: int,
    scale: Scale,
    pooled: Mapping[Pooling, NDArray[np.float32]],
) -> list[Entry]:
    """Fit every recipe that sees a face as a whole, REPEATS times. pooled: of the ordinary images, (n, 2048) each."""
    learned = Faces.of(pooled, labels_of(graded.ordinary))
    wanted = {recipe.name: recipe.estimator for recipe in used if isinstance(recipe.estimator, OnFaces)}
    fitted = []
    with stages.stage(f"Fitting {len(used)} recipes", total=REPEATS) as done, _side_by_side() as pool:
        work = [pool.submit(estimators.fit_faces, wanted, learned, part, seed=seed + n) for n, part in enumerate(parts)]
        for number, future in enumerate(work, start=1):
            fitted.append(future.result())
            done(number)
    golden = _rows(graded.golden, used[0])
    return [
        _entry(recipe, [repeat[recipe.name] for repeat in fitted], golden, scale)
        for recipe in used
        if recipe.name in fitted[0]
    ]


def labels_of(ordinary: Sequence[OrdinaryImage]) -> Labels:
    """Return every grade with its image and its reader, both by number."""
    readers = {
        code: number for number, code in enumerate(sorted({code for image in ordinary for code in image.grades}))
    }
    rows = [
        (number, readers[code], grade) for number, image in enumerate(ordinary) for code, grade in image.grades.items()
    ]
    images, who, grades = zip(*rows, strict=True)
    return Labels(np.array(images), np.array(who), np.array(grades, dtype=np.float64))


def _entry(
    recipe: Recipe, fitted: Sequence[estimators.Fitted], golden: Sequence[NDArray[np.float32]], scale: Scale
) -> Entry:
    regressors = [FittedRegressor(recipe, one.head, scale) for one in fitted]
    left_out = np.array([one.left_out for one in fitted])
    seconds = sum(one.seconds for one in fitted)
    return Entry(recipe, left_out.shape[1], left_out, _scores(golden, regressors), tuple(regressors), seconds)


def fit_ms2019(
    stages: Stages, graded: GradedImages, recipe: Recipe, part: NDArray[np.intp], *, seed: int, scale: Scale
) -> Entry:
    """Fit the published recipe once without each part, every time with another seed; score what was left out."""
    ordinary = graded.ordinary
    numbers = range(int(part.max()) + 1)
    trains = [[image for image, its in zip(ordinary, part, strict=True) if its != number] for number in numbers]
    for number, train in enumerate(trains, start=1):
        with stages.stage(f"Rolling and embedding, fit {number} of {len(trains)}", total=len(train)) as done:
            rows = len(embeddings.roll(train, recipe, done).grades)
    regressors, seconds = [], []
    with stages.stage(f"Fitting ms2019 on {rows} rows", total=len(trains)) as done, _side_by_side() as pool:
        work = [pool.submit(_fit_once, train, recipe, seed + number) for number, train in enumerate(trains)]
        for number, future in enumerate(work, start=1):
            network, took = future.result()
            regressors.append(FittedRegressor(recipe, network, scale))
            seconds.append(took)
            done(number)
    with stages.stage("Scoring with ms2019"):
        faces = _rows(ordinary, recipe)
        left_out = [score_rows(face, regressors[its])[0] for face, its in zip(faces, part, strict=True)]
        golden = _scores(_rows(graded.golden, recipe), regressors)
    return Entry(recipe, rows, np.array([left_out]), golden, tuple(regressors), sum(seconds))


def _fit_once(train: Sequence[OrdinaryImage], recipe: Recipe, seed: int) -> tuple[Network, float]:
    """Fit on rows that are read anew: those of all fits at once would take gigabytes."""
    rows = embeddings.roll(train, recipe, lambda _: None)
    if not isinstance(recipe.estimator, OnPatches):
        raise TypeError(f"{recipe.name} is not fitted on patches.")
    began = time.thread_time()
    network = estimators.fit_patches(recipe.estimator, rows.embeddings, rows.grades, seed=seed)
    return network, time.thread_time() - began


@contextmanager
def _side_by_side() -> Iterator[ThreadPoolExecutor]:
    """Give as many threads as there are cores; after an error, or a cancelled run, what has not begun is left out."""
    pool = ThreadPoolExecutor(cpu_cores.usable())
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _rows(graded: Sequence[OrdinaryImage] | Sequence[GoldenImage], recipe: Recipe) -> list[NDArray[np.float32]]:
    """Return the embeddings of every image's patches, each (patches, 2048)."""
    return [known.rows() for known in embeddings.describe(graded, recipe)]


def _scores(faces: Sequence[NDArray[np.float32]], regressors: Sequence[FittedRegressor]) -> Floats:
    """Return (regressors, images) scores, as score_image gives them."""
    return np.array([[score_rows(face, regressor)[0] for face in faces] for regressor in regressors])


def score_golden(golden: Sequence[GoldenImage], regressor: FittedRegressor) -> Floats:
    """Return (N,): what a regressor, published before, says of the golden images."""
    (scores,) = _scores(_rows(golden, regressor.recipe), [regressor])
    return np.asarray(scores)
