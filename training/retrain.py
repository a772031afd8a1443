"""One run of retraining, top to bottom."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import distributions

import numpy as np
from django.conf import settings
from django.db import transaction
from numpy.typing import NDArray

from labeler import audit
from labeler.models import Study, User
from scoring import feature_store, images, jobs, recipes, regressors, weights
from scoring.models import Regressor
from scoring.patches import Layout
from scoring.pipeline import UNCHANGED, Described, FittedRegressor, Key, Variant, Variants, score_image
from scoring.recipes import Recipe
from training import calibration, dataset, fitting, reports, rolling
from training.dataset import GoldenImage, GradedImages, OrdinaryImage
from training.models import Score, TrainingImage, TrainingRun

SEEDS = 5  # fits per run: the report shows their spread, the study's own seed is the one published
TOGETHER = 8  # images embedded in common batches; each holds two to four patches
FEWEST_TO_FIT = 10  # ordinary images: with fewer, the validation part would be a single one
NOTHING_NEW = "Nothing new since {}: the current labels and the recipe are the same."
# Whichever of them are installed: dlib and OpenCV come as more than one package.
LIBRARIES = {"dlib", "dlib-bin", "numpy", "onnxruntime", "opencv-python", "opencv-python-headless", "pillow"}
LIBRARIES |= {"scikit-learn", "torch"}


@dataclass(frozen=True)
class Rows:
    """What an estimator is fitted on: (n, 2048) float32 embeddings and the (n,) grades of their images."""

    embeddings: NDArray[np.float32]
    grades: list[float]


@dataclass(frozen=True)
class Fit:
    """A recipe fitted in this run: one regressor per seed, the one that may be published first."""

    regressors: tuple[FittedRegressor, ...]
    rows: int


@transaction.atomic
def request(*, study: Study, requested_by: User | None = None) -> TrainingRun:
    """Return the study's run that waits or works, or queue a new one. Two at once are impossible."""
    Study.objects.select_for_update(no_key=True).get(pk=study.pk)  # of two requests, the second sees the first's run
    unfinished = study.training_runs.filter(state__in=[TrainingRun.State.QUEUED, TrainingRun.State.RUNNING])
    return unfinished.first() or _queue(study, requested_by)


def _queue(study: Study, requested_by: User | None) -> TrainingRun:
    run = TrainingRun.objects.create(study=study, requested_by=requested_by)
    audit.record(study, requested_by, "asked for retraining", detail=str(run))
    return run


def retrain(run: TrainingRun, *, force: bool = False) -> None:
    """Do a claimed run: fit every recipe on ordinary images, take the one that validates best on other ordinary
    images, judge it on golden ones, and publish it if it passes the bar.

    Without anything new since the last run it says so and stops, unless forced. Whatever happens is on the run's
    row; what people can mend is raised as JobError.
    """
    with jobs.held(run):
        study = run.study
        ms2019, face_ridge = _recipes()
        graded = _load(study)
        snapshot = _snapshot(graded, (ms2019, face_ridge))
        before = reports.latest(study)
        if before and before.label_snapshot == snapshot and not force:
            jobs.finish(run, conclusion=NOTHING_NEW.format(before))
            return
        parts = dataset.split(graded.ordinary, seed=study.seed)
        _enlist(run, parts)
        _embed(run, [*parts.train, *parts.validation, *graded.golden], ms2019)
        fits = [_fit_face_ridge(run, parts.train, face_ridge), _fit_ms2019(run, parts.train, ms2019)]
        jobs.tell(run, "Scoring the validation and the golden images")
        candidates = [_judge(fit, parts, graded) for fit in fits]
        chosen = reports.choose(candidates, parts)
        report = reports.build(study=study, graded=graded, split=parts, candidates=candidates, chosen=chosen)
        run.left_out = [*graded.left_out, *graded.golden_left_out]
        fitted = _calibrated(fits[chosen].regressors[0], candidates[chosen], parts)
        _store(run, fitted, snapshot, report, _score_rows(run, candidates, parts, graded))


def _recipes() -> tuple[Recipe, Recipe]:
    """Return the recipes of every run. They share their geometry and backbone, and so the stored embeddings."""
    try:
        return recipes.ms2019(settings.BACKBONE), recipes.face_ridge(settings.BACKBONE)
    except weights.WeightsError as error:
        raise jobs.JobError(str(error)) from error


def recipes_in_use() -> list[Recipe]:
    """Return the recipes of every run and those that answer apps. Raises JobError where weights are missing."""
    answering = Regressor.objects.filter(is_active=True)
    return [*_recipes(), *(Recipe.from_json(row.recipe) for row in answering)]


def _load(study: Study) -> GradedImages:
    graded = dataset.load_graded_images(study)
    if not study.golden_drawn_at:
        raise jobs.JobError(
            f"Study {study.slug} has no golden set, so nothing could judge a regressor. "
            f"Draw it: manage.py draw_golden {study.slug} SIZE, then deal_folds."
        )
    if not graded.golden:
        raise jobs.JobError("No golden image has a grade yet. Retrain when the readers have begun.")
    without_files = study.images.filter(original="", is_erased=False).count()
    if without_files:
        raise jobs.JobError(
            f"{without_files} images of study {study.slug} came as labels without files, so there are no pixels to "
            "learn from. The readers' numbers are on the report all the same."
        )
    if len(graded.ordinary) < FEWEST_TO_FIT:
        raise jobs.JobError(
            f"{len(graded.ordinary)} ordinary images have a grade; {FEWEST_TO_FIT} are needed to fit anything."
        )
    return graded


def _snapshot(graded: GradedImages, used: Sequence[Recipe]) -> str:
    # Clusters and subjects are corrected: then the same grades are split anew.
    together = [
        graded.left_out,
        graded.golden_left_out,
        sorted((image.content_hash, image.group) for image in graded.ordinary),
    ]
    facts = [graded.snapshot, together, *(recipe.as_json() for recipe in used)]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@transaction.atomic
def _enlist(run: TrainingRun, parts: dataset.Split) -> None:
    """Write down what this run learns from; the database refuses a golden image there."""
    hashes = [image.content_hash for image in (*parts.train, *parts.validation)]
    run.training_images.all().delete()  # of an attempt whose worker was lost
    ids = run.study.images.filter(content_hash__in=hashes).values_list("pk", flat=True)
    TrainingImage.objects.bulk_create((TrainingImage(run=run, image_id=pk) for pk in ids), batch_size=1000)


def _embed(run: TrainingRun, graded: Sequence[OrdinaryImage | GoldenImage], recipe: Recipe) -> None:
    """Store what is not stored yet, so that an image that can't be read shows before anything is fitted."""
    for start in range(0, len(graded), TOGETHER):
        jobs.tell(run, f"Embedding {start + 1} of {len(graded)} images")
        pending = [_prepare(image, recipe) for image in graded[start : start + TOGETHER]]
        try:
            feature_store.complete(pending, recipe)
        except weights.WeightsError as error:
            raise jobs.JobError(str(error)) from error


def _prepare(image: OrdinaryImage | GoldenImage, recipe: Recipe) -> feature_store.Pending:
    with _naming(image):
        return feature_store.prepare(image.selfie, recipe)


def _training_rows(run: TrainingRun, train: Sequence[OrdinaryImage], recipe: Recipe) -> Rows:
    """Embed the patches, then roll them: more often where a grade is rare among the rows really used."""
    _refuse_golden(train)
    layouts = [known.layout for known in _described(train, recipe)]
    counts = Counter(round(image.grade) for image, layout in zip(train, layouts, strict=True) for _ in layout.patches)
    rolls = rolling.rolls_per_grade(counts)
    wanted = [_rolls(layout, rolls[round(image.grade)]) for image, layout in zip(train, layouts, strict=True)]
    embeddings, grades = [], []
    rolled = zip(train, wanted, _described(train, recipe, wanted), strict=True)
    for done, (image, rolls_of_it, known) in enumerate(rolled, start=1):
        jobs.tell(run, f"Rolling and embedding {done} of {len(train)} images")
        keys: list[Key] = [(region, roll) for region, some in rolls_of_it.items() for roll in some]
        embeddings += [known.embeddings[key] for key in keys]
        grades += [image.grade] * len(keys)
    return Rows(np.stack(embeddings).astype(np.float32), grades)


def _face_rows(train: Sequence[OrdinaryImage], recipe: Recipe) -> Rows:
    """Return one row per image: the mean embedding of its patches as they are."""
    _refuse_golden(train)
    faces = [known.rows().mean(axis=0) for known in _described(train, recipe)]
    return Rows(np.stack(faces), [image.grade for image in train])


def _described(
    images: Sequence[OrdinaryImage], recipe: Recipe, wanted: Sequence[Variants] | None = None
) -> Iterator[Described]:
    """Yield every image's description with the variants wanted of it: read many at a time, computed where missing."""
    stored = feature_store.read_many([image.content_hash for image in images], recipe)
    for image, known, variants in zip(images, stored, wanted or [UNCHANGED] * len(images), strict=True):
        yield known if known and not known.missing(variants) else _describe(image, recipe, variants=variants)


def _refuse_golden(train: Sequence[OrdinaryImage]) -> None:
    """Raise TypeError for anything but ordinary images: no road leads from a golden image to a training row."""
    if not all(isinstance(image, OrdinaryImage) for image in train):
        raise TypeError("Only ordinary images may be trained on.")


def _describe(image: OrdinaryImage | GoldenImage, recipe: Recipe, *, variants: Variants = UNCHANGED) -> Described:
    with _naming(image):
        return feature_store.describe(image.selfie, recipe, variants=variants)


@contextmanager
def _naming(image: OrdinaryImage | GoldenImage) -> Iterator[None]:
    """Turn what people can mend into JobError, naming the image."""
    try:
        yield
    except FileNotFoundError as error:
        raise jobs.JobError(
            f"The file of the image {image.original} is not in storage. Restore it; or retrain, if it was erased."
        ) from error
    except images.ImageError as error:
        raise jobs.JobError(f"The image {image.original} can't be read: {error}") from error
    except weights.WeightsError as error:
        raise jobs.JobError(str(error)) from error


def _rolls(layout: Layout, rolls: int) -> dict[str, tuple[Variant, ...]]:
    """Return region -> its rolls: along x for the forehead, along y for every other patch."""
    variants = {}
    for patch in layout.patches:
        x_min, y_min, x_max, y_max = patch.box
        dimension = x_max - x_min if patch.region == "forehead" else y_max - y_min
        variants[patch.region] = tuple(Variant(offset) for offset in rolling.offsets(dimension, rolls))
    return variants


def _fit_ms2019(run: TrainingRun, train: Sequence[OrdinaryImage], recipe: Recipe) -> Fit:
    """Fit one regressor per seed, the study's own first."""
    rows = _training_rows(run, train, recipe)
    seeds = range(run.study.seed, run.study.seed + SEEDS)
    jobs.tell(run, f"Fitting ms2019 on {len(rows.grades)} rows, {SEEDS} seeds")
    fitted = []
    for done, estimator in enumerate(fitting.fit_ms2019(rows.embeddings, rows.grades, seeds=seeds), start=1):
        jobs.tell(run, f"Fitting ms2019 on {len(rows.grades)} rows: {done} of {SEEDS} seeds done")
        fitted.append(FittedRegressor(recipe, estimator, grades=_scale(run.study)))
    return Fit(tuple(fitted), len(rows.grades))


def _fit_face_ridge(run: TrainingRun, train: Sequence[OrdinaryImage], recipe: Recipe) -> Fit:
    rows = _face_rows(train, recipe)
    estimator = fitting.fit_face_ridge(rows.embeddings, rows.grades)
    return Fit((FittedRegressor(recipe, estimator, grades=_scale(run.study)),), len(rows.grades))


def _scale(study: Study) -> tuple[int, int]:
    values = study.grade_levels.values_list("value", flat=True)
    return min(values), max(values)


def _judge(fit: Fit, parts: dataset.Split, graded: GradedImages) -> reports.Candidate:
    return reports.Candidate(
        recipe=fit.regressors[0].recipe.name,
        training_rows=fit.rows,
        validation=_scores(fit.regressors[:1], parts.validation)[0],
        golden=_scores(fit.regressors, graded.golden),
    )


def _calibrated(fitted: FittedRegressor, chosen: reports.Candidate, parts: dataset.Split) -> FittedRegressor:
    """Add what an app is told beside the score. Validation images size the interval; golden ones have no say."""
    faces = _face_rows([*parts.train, *parts.validation], fitted.recipe).embeddings
    width = calibration.half_width(reports.validation_errors(chosen, parts))
    return replace(fitted, half_width=width, familiarity=calibration.fit_familiarity(faces))


def _scores(
    fitted: Sequence[FittedRegressor], graded: Sequence[OrdinaryImage] | Sequence[GoldenImage]
) -> NDArray[np.float64]:
    """Return (regressors, images) scores, by the road that every score takes."""
    return np.array([[_score(image, regressor) for image in graded] for regressor in fitted])


def _score(image: OrdinaryImage | GoldenImage, regressor: FittedRegressor) -> float:
    with _naming(image):
        return score_image(image.selfie, regressor, describe=feature_store.describe).score


def _score_rows(
    run: TrainingRun, candidates: Sequence[reports.Candidate], parts: dataset.Split, graded: GradedImages
) -> list[Score]:
    """Return every score that the report rests on."""
    ids = dict(run.study.images.values_list("content_hash", "pk"))
    rows = []
    for candidate in candidates:
        for fit, scores in enumerate(candidate.golden):
            rows += _rows_of_fit(run, candidate.recipe, fit, zip(graded.golden, scores, strict=True), ids)
        rows += _rows_of_fit(run, candidate.recipe, 0, zip(parts.validation, candidate.validation, strict=True), ids)
    return rows


def _rows_of_fit(
    run: TrainingRun,
    recipe: str,
    fit: int,
    scored: Iterable[tuple[OrdinaryImage | GoldenImage, np.float64]],
    ids: Mapping[str, int],
) -> list[Score]:
    return [
        Score(run=run, image_id=ids[image.content_hash], recipe=recipe, fit=fit, value=float(value))
        for image, value in scored
    ]


def _store(
    run: TrainingRun, fitted: FittedRegressor, snapshot: str, report: reports.Report, scores: Sequence[Score]
) -> None:
    """Keep the regressor and publish it if it passes: all of it, or nothing if the run was taken from us."""
    with transaction.atomic():
        refuse_withdrawn(run)
        Score.objects.bulk_create(scores, batch_size=2000)
        provenance = {
            "run": run.pk,
            "recipe": fitted.recipe.name,
            "seed": run.study.seed,
            "label_snapshot": snapshot,
            "libraries": _library_versions(),
        }
        row = regressors.save(fitted, study=run.study.slug, provenance=provenance)
        if report["passes"]:
            regressors.publish(row)
            audit.record(run.study, run.requested_by, "published a regressor", detail=f"of {run}")
        jobs.finish(
            run,
            label_snapshot=snapshot,
            left_out=run.left_out,
            regressor=row,
            report={**report, "regressor_id": row.pk, "run": run.pk},
            is_published=report["passes"],
            conclusion=report["conclusion"],
        )


def refuse_withdrawn(run: TrainingRun) -> None:
    """Raise JobError where somebody took their consent back since the run began."""
    if run.training_images.filter(image__may_be_trained_on=False).exists():
        raise jobs.JobError("Somebody took their consent back while this run learned from their images. Retrain.")


def _library_versions() -> dict[str, str]:
    return {package.name: package.version for package in distributions() if package.name in LIBRARIES}
