"""Graded studies for tests."""

from pathlib import Path
from uuid import uuid4

from labeler import folds, golden, grading, studies
from labeler.models import Assignment, Image, Study, User
from scoring import jobs
from tests import builders
from training import retrain
from training.models import TrainingRun


def give_grade(assignment: Assignment, grade: int | None = None, *, not_gradable: str = "") -> None:
    """Label the assignment; neither a grade nor a reason takes the label back."""
    grading.record_label(
        assignment=assignment, version=assignment.version, submission=uuid4(), grade=grade, not_gradable=not_gradable
    )
    assignment.refresh_from_db()


def grade_everything(study: Study) -> None:
    """Every reader grades their whole list; they agree within one grade, and every grade occurs."""
    for assignment in Assignment.objects.filter(reader__study=study).select_related("reader", "image").order_by("pk"):
        severity = int(assignment.image.content_hash[-4:], 16) % 5
        milder = (assignment.position or 0) % 3 == 0 and severity > 0
        give_grade(assignment, 1 + severity - milder)


def assignments_of(image: Image) -> list[Assignment]:
    return list(image.assignments.select_related("reader").order_by("reader__code"))


def photographed_study(readers: tuple[User, ...], folder: Path, *, images: int, golden_size: int) -> Study:
    """Return a dealt and graded study whose images are real files (without faces in them)."""
    study = studies.create(slug="acne", title="The acne study", seed=2019)
    for user in readers:
        studies.add_reader(study=study, user=user)
    folder.mkdir()
    builders.import_photographs(study, {f"IMG_{n}.jpg": builders.make_jpeg(n) for n in range(images)}, folder)
    golden.draw(study=study, size=golden_size)
    folds.deal(study=study)
    study.refresh_from_db()
    grade_everything(study)
    return study


def fitted_ms2019_lately(study: Study) -> TrainingRun:
    """Leave a run behind as if the published recipe had been fitted: the next one is not due for it, and is quick."""
    run = retrain.request(study=study, fits_ms2019=True)
    claimed = jobs.claim(TrainingRun, run.pk)
    assert claimed is not None
    jobs.finish(claimed, conclusion="Done.")
    return claimed
