"""What learned from erased images is marked and replaced, and the numbers of before and after still recompute."""

import json
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client

from labeler.images import consents
from labeler.models import Erasure, Image, Study, User
from labeler.privacy import erasing
from scoring.models import Regressor
from scoring.platform import jobs
from tests.labeler.record.test_ledger import seal
from tests.training.builders import photographed_study, quick_training
from tests.training.export.test_study_zip import assert_identical, rows, unzipped, verify
from training.fitting import dataset
from training.models import TrainingRun
from training.runs import retrain, unlearning

REASON = "They asked for it."


@pytest.fixture
def photographed(ana: User, ben: User, tmp_path: Path) -> Study:
    """Return a graded study; G is in a golden image and P in an ordinary one."""
    study = photographed_study((ana, ben), tmp_path / "photographs", images=20, golden_size=8)
    for flag, subject in ((True, "G"), (False, "P")):
        image = study.images.filter(is_golden=flag).earliest("pk")
        Image.objects.filter(pk=image.pk).update(subject=subject)
    return study


@pytest.fixture
def trained(photographed: Study) -> Study:
    """Return the study with a regressor in service that learned from all ordinary images."""
    regressor = Regressor.objects.create(study="acne", recipe={}, artefact="none", is_active=True)
    run = TrainingRun.objects.create(study=photographed, regressor=regressor, state=TrainingRun.State.SUCCEEDED)
    for image in photographed.images.filter(is_golden=False):
        run.training_images.create(image=image)
    return photographed


def erase(study: Study, subject: str) -> Erasure:
    asked = erasing.request_subject(study=study, subject=subject, reason=REASON, by=None)
    erasure = jobs.claim(Erasure, asked.pk)
    assert erasure is not None
    erasing.erase(erasure)
    return erasure


def test_the_regressor_in_service_is_marked_and_a_run_is_asked_for_once(trained: Study) -> None:
    regressor = Regressor.objects.get()
    erasure = erase(trained, "P")
    (run,) = unlearning.mark()
    assert run.state == TrainingRun.State.QUEUED
    regressor.refresh_from_db()
    erasure.refresh_from_db()
    assert (regressor.learned_from_erased, erasure.regressors) == (1, [regressor.pk])
    assert unlearning.mark() == []


def test_who_was_never_learned_from_marks_nothing(trained: Study) -> None:
    erasure = erase(trained, "G")
    assert unlearning.mark() == []
    erasure.refresh_from_db()
    assert erasure.regressors == []
    assert Regressor.objects.get().learned_from_erased == 0


@pytest.mark.timeout(900)
@quick_training()
def test_the_export_after_an_erasure_recomputes_runs_of_before_and_after(photographed: Study, tmp_path: Path) -> None:
    call_command("retrain", "acne")
    erased = [photographed.images.get(subject=subject).content_hash for subject in ("P", "G")]
    for subject in ("P", "G"):
        erase(photographed, subject)
    call_command("retrain", "acne")
    runs = list(photographed.training_runs.order_by("pk"))
    assert [run.report["images"]["golden"] for run in runs if run.report] == [8, 7]
    assert sorted(runs[-1].left_out) == sorted(erased)
    seal()
    folder = unzipped(photographed, tmp_path / "export")
    assert_identical(folder)
    assert verify(folder)[0] == 0
    assert sum(row["is_erased"] == "yes" for row in rows(folder, "images")) == 2
    assert len(json.loads((folder / "runs.json").read_text())) == 2


def test_the_report_says_how_many_images_are_erased(photographed: Study, as_olga: Client, olga: User) -> None:
    photographed.admins.add(olga)
    assert b"erased, because" not in as_olga.get("/studies/acne/report/").content
    erase(photographed, "P")
    for page in ("report/", "report/print/"):
        words = as_olga.get(f"/studies/acne/{page}").content.decode().split()
        assert "1 image of this study was erased, because" in " ".join(words)


def test_the_next_run_learns_without_the_erased(trained: Study) -> None:
    erased = trained.images.get(subject="P")
    before = dataset.load_graded_images(trained)
    erase(trained, "P")
    graded = dataset.load_graded_images(trained)
    assert len(graded.ordinary) == len(before.ordinary) - 1
    assert graded.left_out == (erased.content_hash,)


def test_a_run_in_whose_course_somebody_withdrew_publishes_nothing(trained: Study) -> None:
    run = retrain.request(study=trained)
    learned = trained.images.get(subject="P")
    run.training_images.create(image=learned)
    consents.record(study=trained, subject="P", scopes=["grading"], by=None)
    claimed = jobs.claim(TrainingRun, run.pk)
    assert claimed is not None
    with pytest.raises(jobs.JobError, match="A consent was withdrawn, or an image taken out"), jobs.held(claimed):
        retrain.refuse_withdrawn(claimed)
