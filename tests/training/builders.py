"""Graded studies for tests."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch
from uuid import uuid4

import numpy as np
from django.utils import timezone
from numpy.typing import NDArray

from labeler.dealing import folds
from labeler.golden_set import golden_draw
from labeler.grading import label_store
from labeler.models import Assignment, GradeLevel, Image, Study, User
from labeler.platform import typed_json
from labeler.record import audit
from labeler.studies import studies
from scoring.network import embedder
from scoring.photograph.decoding import Pixels
from scoring.platform import jobs
from scoring.regressor import recipes
from tests import builders
from training.fitting import dataset, model_selection, recipe_comparison
from training.fitting.model_selection import Entry
from training.models import Score, TrainingRun
from training.reports import run_report
from training.runs import retrain

embed = embedder.embed
_embeddings: dict[tuple[str, str | None, tuple[int, ...], bytes], NDArray[np.float32]] = {}


def give_grade(assignment: Assignment, grade: int | None = None, *, not_gradable: str = "") -> None:
    """Label the assignment; neither a grade nor a reason takes the label back."""
    label_store.record_label(
        assignment=assignment, version=assignment.version, submission=uuid4(), grade=grade, not_gradable=not_gradable
    )
    assignment.refresh_from_db()


def grade_everything(study: Study) -> None:
    """Every reader grades their whole list; they agree within one grade, and every grade occurs."""
    grades = studies.scale(study).grades
    for assignment in Assignment.objects.filter(reader__study=study).select_related("reader", "image").order_by("pk"):
        severity = int(assignment.image.content_hash[-4:], 16) % len(grades)
        milder = (assignment.position or 0) % 3 == 0 and severity > 0
        give_grade(assignment, grades[severity - milder])


def assignments_of(image: Image) -> list[Assignment]:
    return list(image.assignments.select_related("reader").order_by("reader__code"))


def photographed_study(
    readers: tuple[User, ...], folder: Path, *, images: int, golden_size: int, grades: tuple[int, ...] = ()
) -> Study:
    """Return a dealt and graded study whose images are real files (without faces in them).

    Its scale is the published one, or has these `grades`.
    """
    study = studies.create(slug="acne", title="The acne study", seed=2019, secret=builders.SECRET)
    if grades:
        study.grade_levels.all().delete()
        GradeLevel.objects.bulk_create(
            GradeLevel(study=study, value=grade, name=f"Level {grade}", criterion=f"What level {grade} is.")
            for grade in grades
        )
    for user in readers:
        studies.add_reader(study=study, user=user)
    folder.mkdir()
    builders.import_photographs(study, {f"IMG_{n}.jpg": builders.make_jpeg(n) for n in range(images)}, folder)
    golden_draw.draw(study=study, size=golden_size)
    folds.deal(study=study)
    study.refresh_from_db()
    grade_everything(study)
    return study


def retrain_without_ms2019(study: Study, *, force: bool = False) -> TrainingRun:
    """Do a run without the published recipe, which takes most of the time."""
    run = retrain.request(study=study)
    TrainingRun.objects.filter(pk=run.pk).update(fits_ms2019=False)
    claimed = jobs.claim(TrainingRun, run.pk)
    assert claimed is not None
    with patch.object(embedder, "embed", embed_once):
        retrain.retrain(claimed, force=force)
    return claimed


@contextmanager
def quick_training() -> Iterator[None]:
    """Fit the published recipe with small layers, and embed the same crop once for all tests of a process.

    The published layers take ten seconds a fit: tests/training/fitting/test_estimators.py fits them.
    """
    small = replace(recipes.MS2019, estimator=recipes.OnPatches((32, 16)))
    with patch.object(recipes, "MS2019", small), patch.object(embedder, "embed", embed_once):
        yield


def embed_once(crops: Sequence[Pixels], backbone_name: str, *, sha256: str | None = None) -> NDArray[np.float32]:
    """Embed crops by the real network, the same crop once for all tests of a process."""
    keys = [(backbone_name, sha256, crop.shape, hashlib.sha256(crop.tobytes()).digest()) for crop in crops]
    missing = {key: crop for key, crop in zip(keys, crops, strict=True) if key not in _embeddings}
    _embeddings.update(zip(missing, embed(list(missing.values()), backbone_name, sha256=sha256), strict=True))
    return np.array([_embeddings[key] for key in keys]).reshape(-1, embedder.DIMENSIONS)


def finish_run(study: Study, *, published: bool = False, error: float = 0.4) -> TrainingRun:
    """Return a run as retraining leaves it, with made scores: nothing is embedded or fitted."""
    graded = dataset.load_graded_images(study)
    parts = model_selection.parts_of(graded.ordinary, study.seed)
    random = np.random.default_rng(study.seed)
    target = np.array([np.mean([*image.grades.values()]) for image in graded.golden])
    golden = (target + random.normal(0, error, (2, len(target)))).clip(1, 5)
    truth = np.array([image.grade for image in graded.ordinary])
    left_out = truth + random.normal(0, error, (1, len(truth)))
    entry = Entry(recipes.faces()["face_ridge"], len(truth), left_out, golden, (), 0.1)
    choice = recipe_comparison.choose({"face_ridge": left_out}, truth, parts)
    measured = run_report.measure(study, graded, entry)
    decision = run_report.decide(study, measured, None)
    now = timezone.now()
    run = TrainingRun.objects.create(
        study=study, state="succeeded", started_at=now, finished_at=now, conclusion=decision.conclusion
    )
    report = run_report.build(
        run=run, graded=graded, entries=[entry], choice=choice, measured=measured, decision=decision
    )
    Score.objects.bulk_create(retrain._score_rows(run, [entry], graded))
    run.report, run.is_published = typed_json.dump(report), published
    run.save(update_fields=["report", "is_published"])
    audit.record(study, None, audit.RUN_KEPT, detail=str(run))
    return run
