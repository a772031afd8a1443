"""What old runs leave goes, what they found stays, and who is erased is still found in what they learned from."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from labeler.models import Image, Study, User
from scoring.models import Regressor
from scoring.regressor.recipes import faces
from tests.training.builders import finish_run, grade_everything
from tests.training.export.test_study_zip import assert_identical, rows, unzipped
from tests.training.runs.test_unlearning import erase
from training import tasks
from training.fitting import dataset
from training.models import LearnedFrom, TrainingRun
from training.publication import publishing
from training.reports import study_report
from training.runs import pruning, retrain, unlearning

KEPT = 2


@pytest.fixture(autouse=True)
def _few_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "RUNS_KEPT", KEPT)


@pytest.fixture
def runs(study: Study) -> list[TrainingRun]:
    """Return four runs, the first of which answered once: with the last two kept, the second is overdue."""
    grade_everything(study)
    Image.objects.filter(pk=study.images.filter(is_golden=False).earliest("pk").pk).update(subject="P")
    found = [finish_run(study) for _ in range(4)]
    for number, run in enumerate(found):
        published = None if number else timezone.now()
        run.regressor = Regressor.objects.create(study="acne", recipe={}, artefact="none", published_at=published)
        run.save(update_fields=["regressor"])
        for image in study.images.filter(is_golden=False):
            run.training_images.create(image=image)
    return found


def counts(run: TrainingRun) -> tuple[int, int]:
    return run.scores.count(), run.training_images.count()


def start(run: TrainingRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prune until the first batch of images is packed, as a worker does that is killed then."""
    monkeypatch.setattr(pruning, "ROWS_PER_DELETE", 4)
    while not run.learned_from.exists():
        assert pruning.prune(seconds=0) == 0
    assert run.training_images.exists()


def test_only_the_details_of_old_runs_that_never_answered_go(study: Study, runs: list[TrainingRun]) -> None:
    before = [counts(run) for run in runs]
    assert all(scores and images for scores, images in before)
    report = runs[1].report
    tasks.prune_runs()
    assert [counts(run) for run in runs] == [before[0], (0, 0), *before[2:]]
    old, *others = [TrainingRun.objects.get(pk=runs[number].pk) for number in (1, 0, 2, 3)]
    assert (old.report, old.regressor) == (report, runs[1].regressor)
    assert old.details_deleted_at is not None
    assert all(run.details_deleted_at is None for run in others)
    assert pruning.prune() == 0
    assert settings.CELERY_BEAT_SCHEDULE["prune-runs"]["task"] == tasks.prune_runs.name


def test_who_has_fewer_runs_loses_nothing(runs: list[TrainingRun], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "RUNS_KEPT", len(runs) + 1)
    assert pruning.prune() == 0
    assert not TrainingRun.objects.filter(details_deleted_at__isnull=False).exists()


def test_a_worker_that_is_killed_half_way_leaves_the_rest_to_the_next(
    study: Study, runs: list[TrainingRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    learned = set(runs[1].training_images.values_list("image", flat=True))
    start(runs[1], monkeypatch)
    begun = TrainingRun.objects.get(pk=runs[1].pk).details_deleted_at
    assert pruning.prune() == 1
    assert counts(runs[1]) == (0, 0)
    assert TrainingRun.objects.get(pk=runs[1].pk).details_deleted_at == begun
    packed = [image for row in LearnedFrom.objects.filter(run=runs[1]) for image in row.images]
    assert set(packed) == learned
    assert len(packed) == len(learned)


def test_the_page_of_a_pruned_run_says_so_and_keeps_its_numbers(
    study: Study, runs: list[TrainingRun], as_olga: Client
) -> None:
    page = reverse("training:run", args=["acne", runs[1].pk])
    said = "were deleted on"
    assert said not in as_olga.get(page).content.decode()
    report = study_report.current(study)
    pruning.prune()
    text = as_olga.get(page).content.decode()
    assert f"{said} {timezone.localdate():%-d %B %Y}" in text
    assert runs[1].conclusion in text.replace("&#x27;", "'")
    assert "The gate" in text
    assert study_report.current(study) == report
    assert said not in as_olga.get(reverse("training:run", args=["acne", runs[3].pk])).content.decode()


def test_the_export_says_which_runs_it_does_not_recompute(
    study: Study, runs: list[TrainingRun], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "ROWS_PER_DELETE", 4)
    assert pruning.prune(seconds=0) == 0  # some of its scores are there still
    assert runs[1].scores.exists()
    folder = unzipped(study, tmp_path / "export")
    said = assert_identical(folder)
    assert re.search(rf"^runs\.{runs[1].pk} +- +scores deleted 2\d\d\d-\d\d-\d\d +not recomputed$", said, re.MULTILINE)
    assert {int(row["run"]) for row in rows(folder, "scores")} == {runs[number].pk for number in (0, 2, 3)}


def test_scores_that_are_being_deleted_are_no_earlier_fit(
    study: Study, runs: list[TrainingRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    TrainingRun.objects.filter(pk=runs[1].pk).update(record={"ms2019_snapshot": "the same"})
    graded, recipe = dataset.load_graded_images(study), faces()["face_ridge"]
    kept = retrain._kept_ms2019(runs[3], graded, recipe, "the same")
    assert kept is not None
    assert kept.golden.shape[0] == 2
    monkeypatch.setattr(pruning, "ROWS_PER_DELETE", 1)
    pruning.prune(seconds=0)
    assert runs[1].scores.exists()
    assert retrain._kept_ms2019(runs[3], graded, recipe, "the same") is None


@pytest.mark.parametrize("is_done", [True, False], ids=["done", "half-way"])
def test_who_is_erased_is_found_in_what_pruned_runs_learned_from(
    study: Study, runs: list[TrainingRun], monkeypatch: pytest.MonkeyPatch, is_done: bool
) -> None:
    start(runs[1], monkeypatch)
    if is_done:
        pruning.prune()
    erasure = erase(study, "P")
    assert unlearning.mark() == []  # none of them answers
    erasure.refresh_from_db()
    assert erasure.regressors == [run.regressor_id for run in runs]
    assert set(Regressor.objects.values_list("learned_from_erased", flat=True)) == {1}
    assert unlearning.mark() == []


def test_each_erasure_counts_once_in_a_pruned_run(study: Study, runs: list[TrainingRun]) -> None:
    pruning.prune()
    other = study.images.filter(is_golden=False).latest("pk")
    Image.objects.filter(pk=other.pk).update(subject="Q")
    for subject in ("P", "Q"):
        erase(study, subject)
        unlearning.mark()
    regressor = Regressor.objects.get(training_run=runs[1])
    assert regressor.learned_from_erased == 2


def test_a_pruned_run_that_is_in_service_again_is_replaced_when_somebody_is_erased(
    study: Study, runs: list[TrainingRun], olga: User
) -> None:
    pruning.prune()
    Regressor.objects.filter(training_run=runs[1]).update(is_active=True)
    assert publishing.previous(study) == runs[0]
    erase(study, "P")
    (asked,) = unlearning.mark()
    assert asked.state == TrainingRun.State.QUEUED
