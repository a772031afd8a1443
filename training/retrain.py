"""One run of retraining, top to bottom."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from django.conf import settings
from django.db import IntegrityError, transaction
from numpy.typing import NDArray

from labeler import jobs
from labeler.models import Study, User
from scoring import feature_store, images, recipes, regressors, weights
from scoring.pipeline import Described, FittedRegressor, Key, score_image
from scoring.recipes import Recipe
from training import dataset, fitting, reports, rolling
from training.dataset import GoldenImage, GradedImages, OrdinaryImage
from training.models import TrainingRun

SEEDS = 5  # fits per run: the report shows their spread, the study's own seed is the one published
FEWEST_TO_FIT = 10  # ordinary images
LIBRARIES = ("dlib-bin", "numpy", "opencv-python-headless", "pillow", "scikit-learn", "torch")


@dataclass(frozen=True)
class Rows:
    """What an estimator is fitted on: (n, 2048) float32 embeddings and the (n,) grades of their images."""

    embeddings: NDArray[np.float32]
    grades: list[float]


def request(*, study: Study, requested_by: User | None = None) -> TrainingRun:
    """Return the study's run that waits or works, or queue a new one. Two at once are impossible."""
    try:
        with transaction.atomic():
            return TrainingRun.objects.create(study=study, requested_by=requested_by)
    except IntegrityError:
        return TrainingRun.objects.get(study=study, state__in=[TrainingRun.State.QUEUED, TrainingRun.State.RUNNING])


def retrain(run: TrainingRun) -> None:
    """Do a claimed run: fit on ordinary images, judge on golden ones, publish what passes the bar.

    Whatever happens is on the run's row; what people can mend is raised as JobError.
    """
    with jobs.held(run):
        study = run.study
        recipe = _recipe()
        graded = _load(study)
        snapshot = _snapshot(graded, recipe)
        if before := _same_before(study, snapshot):
            jobs.finish(run, label_snapshot=snapshot, conclusion=f"Nothing new since run {before.pk}.")
            return
        parts = dataset.split(graded.ordinary, seed=study.seed)
        rows = _training_rows(run, parts.train, recipe)
        fitted = list(_fit(run, rows, recipe, study))
        jobs.tell(run, "Scoring the validation and the golden images")
        validation = _scores(fitted[:1], parts.validation)
        golden = _scores(fitted, graded.golden)
        report = reports.build(
            study=study,
            graded=graded,
            split=parts,
            training_rows=len(rows.grades),
            validation=validation,
            golden=golden,
        )
        _store(run, fitted[0], snapshot, report)


def _recipe() -> Recipe:
    try:
        return recipes.ms2019(settings.BACKBONE)
    except weights.WeightsError as error:
        raise jobs.JobError(str(error)) from error


def _load(study: Study) -> GradedImages:
    graded = dataset.load_graded_images(study)
    if not study.golden_drawn_at:
        raise jobs.JobError(
            f"Study {study.slug} has no golden set, so nothing could judge a regressor. "
            f"Draw it: manage.py draw_golden {study.slug} SIZE, then deal_folds."
        )
    if not graded.golden:
        raise jobs.JobError("No golden image has a grade yet. Retrain when the readers have begun.")
    if len(graded.ordinary) < FEWEST_TO_FIT:
        raise jobs.JobError(
            f"{len(graded.ordinary)} ordinary images have a grade; {FEWEST_TO_FIT} are needed to fit anything."
        )
    return graded


def _snapshot(graded: GradedImages, recipe: Recipe) -> str:
    return hashlib.sha256(json.dumps([graded.snapshot, recipe.as_json()], sort_keys=True).encode()).hexdigest()


def _same_before(study: Study, snapshot: str) -> TrainingRun | None:
    return study.training_runs.filter(label_snapshot=snapshot, regressor__isnull=False).first()


def _training_rows(run: TrainingRun, train: Sequence[OrdinaryImage], recipe: Recipe) -> Rows:
    """Embed the patches, then roll them: more often where a grade is rare among the rows really used."""
    described = []
    for done, image in enumerate(train, start=1):
        jobs.tell(run, f"Embedding: image {done} of {len(train)}")
        described.append((image, _describe(image, recipe)))
    counts = Counter(round(image.grade) for image, known in described for _ in known.layout.patches)
    rolls = rolling.rolls_per_grade(counts)
    embeddings, grades = [], []
    for done, (image, known) in enumerate(described, start=1):
        jobs.tell(run, f"Rolling: image {done} of {len(train)}")
        wanted = _offsets(known, rolls[round(image.grade)])
        rolled = _describe(image, recipe, rolls=wanted)
        keys: list[Key] = [(region, offset) for region, offsets in wanted.items() for offset in offsets]
        embeddings += [rolled.embeddings[key] for key in keys]
        grades += [image.grade] * len(keys)
    return Rows(np.stack(embeddings).astype(np.float32), grades)


def _describe(image: OrdinaryImage, recipe: Recipe, *, rolls: dict[str, tuple[int, ...]] | None = None) -> Described:
    try:
        return feature_store.describe(image.selfie, recipe, rolls=rolls or {})
    except (images.ImageError, weights.WeightsError) as error:
        raise jobs.JobError(f"Image {image.content_hash[:12]} can't be embedded: {error}") from error


def _offsets(described: Described, rolls: int) -> dict[str, tuple[int, ...]]:
    """Return region -> offsets: along x for the forehead, along y for every other patch."""
    offsets = {}
    for patch in described.layout.patches:
        x_min, y_min, x_max, y_max = patch.box
        dimension = x_max - x_min if patch.region == "forehead" else y_max - y_min
        offsets[patch.region] = rolling.offsets(dimension, rolls)
    return offsets


def _fit(run: TrainingRun, rows: Rows, recipe: Recipe, study: Study) -> Iterator[FittedRegressor]:
    levels = study.grade_levels.values_list("value", flat=True)
    for n in range(SEEDS):
        jobs.tell(run, f"Fitting on {len(rows.grades)} rows: seed {n + 1} of {SEEDS}")
        estimator = fitting.fit_ms2019(rows.embeddings, rows.grades, seed=study.seed + n)
        yield FittedRegressor(recipe, estimator, grades=(min(levels), max(levels)))


def _scores(
    fitted: Sequence[FittedRegressor], graded: Sequence[OrdinaryImage] | Sequence[GoldenImage]
) -> NDArray[np.float64]:
    """Return (regressors, images) scores, by the road that every score takes."""
    return np.array(
        [
            [score_image(image.selfie, regressor, describe=feature_store.describe).score for image in graded]
            for regressor in fitted
        ]
    )


def _store(run: TrainingRun, fitted: FittedRegressor, snapshot: str, report: reports.Report) -> None:
    """Keep the regressor and publish it if it passes: all of it, or nothing if the run was taken from us."""
    with transaction.atomic():
        provenance = {
            "run": run.pk,
            "seed": run.study.seed,
            "label_snapshot": snapshot,
            "libraries": {name: version(name) for name in LIBRARIES},
        }
        row = regressors.save(fitted, study=run.study.slug, provenance=provenance)
        if report["passes"]:
            regressors.publish(row)
        jobs.finish(
            run,
            label_snapshot=snapshot,
            regressor=row,
            report={**report, "regressor_id": row.pk, "run": run.pk},
            is_published=report["passes"],
            conclusion=report["conclusion"],
        )
