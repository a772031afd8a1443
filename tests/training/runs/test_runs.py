"""Runs of retraining: asked for, done once, resumed, refused with a sentence."""

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from queue import Empty

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from labeler.celery import app
from labeler.models import Assignment, Image, Study, User
from scoring.models import Regressor
from scoring.platform import jobs
from scoring.regressor import recipes, regressors
from tests import builders, processes
from tests.training.builders import (
    give_grade,
    grade_everything,
    photographed_study,
    quick_training,
    retrain_without_ms2019,
)
from training import tasks
from training.fitting import dataset, embeddings
from training.models import Score, TrainingRun
from training.runs import retrain

State = TrainingRun.State


@pytest.fixture
def sent() -> Callable[[], list[int]]:
    """Return how to take the messages out of the real queue, as the ids of their runs."""
    app.control.purge()

    def take() -> list[int]:
        ids: list[int] = []
        with app.connection_for_read() as connection, connection.SimpleQueue("celery") as queue:
            while True:
                try:
                    message = queue.get(block=False)
                except Empty:
                    return ids
                message.ack()
                (run_id,), _, _ = message.decode()
                ids.append(run_id)

    return take


@pytest.fixture
def graded(study: Study) -> Study:
    grade_everything(study)
    return study


def claimed(study: Study) -> TrainingRun:
    run = jobs.claim(TrainingRun, retrain.request(study=study).pk)
    assert run is not None
    return run


def refused(study: Study) -> str:
    """Retrain a study that can't be, and return the sentence that says why."""
    run = claimed(study)
    with pytest.raises(jobs.JobError):
        retrain.retrain(run)
    run.refresh_from_db()
    assert run.state == State.FAILED
    assert not Regressor.objects.exists()
    return run.error


def test_a_second_request_is_the_first_run(study: Study, olga: User) -> None:
    first = retrain.request(study=study, requested_by=olga)
    assert retrain.request(study=study) == first
    assert (first.state, first.requested_by) == (State.QUEUED, olga)


def test_a_finished_run_makes_room_for_the_next(study: Study) -> None:
    first = claimed(study)
    jobs.finish(first, conclusion="Done.")
    assert retrain.request(study=study) != first


def test_two_runs_of_a_study_at_once_are_impossible(study: Study) -> None:
    claimed(study)
    with pytest.raises(IntegrityError), transaction.atomic():
        TrainingRun.objects.create(study=study)


def test_each_study_has_its_own_run(study: Study) -> None:
    other = builders.make_study("other")
    assert retrain.request(study=study) != retrain.request(study=other)


def test_a_study_without_a_golden_set_is_told_to_draw_one(db: None) -> None:
    assert "manage.py draw_golden acne SIZE" in refused(builders.make_study(images=5))


def test_a_study_that_nobody_graded_is_told_to_wait(study: Study) -> None:
    assert "No golden image has a grade yet" in refused(study)


def test_too_few_ordinary_images_are_counted(graded: Study) -> None:
    assert refused(graded).startswith("7 ordinary images have a grade; 10 are needed")


def test_a_study_of_labels_without_files_is_told_why_it_learns_nothing(graded: Study) -> None:
    Image.objects.filter(is_golden=False).update(original="")
    assert refused(graded).startswith("7 images of study acne came as labels without files")


def test_missing_weights_name_the_cure(transactional_db: None, ana: User, tmp_path: Path) -> None:
    photographed_study((ana,), tmp_path / "photographs", images=16, golden_size=4)
    environment = processes.environment() | {"WEIGHTS_DIR": str(tmp_path / "empty")}
    command = [sys.executable, "manage.py", "retrain", "acne"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "Run `make weights`" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert TrainingRun.objects.get().state == State.FAILED
    assert not Regressor.objects.exists()


def test_a_photograph_that_is_gone_fails_the_run_with_a_sentence(ana: User, tmp_path: Path) -> None:
    study = photographed_study((ana,), tmp_path / "photographs", images=16, golden_size=4)
    Image.objects.filter(is_golden=False).update(original="originals/gone")
    assert (
        refused(study)
        == "The file of the image originals/gone is not in storage. Restore it; or retrain, if it was erased."
    )


def test_no_training_row_comes_from_a_golden_image(graded: Study) -> None:
    golden = dataset.load_graded_images(graded).golden
    ms2019, _ = retrain._recipes()
    with pytest.raises(TypeError, match="Only ordinary images"):
        embeddings.roll(golden, ms2019, lambda _: None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="Only ordinary images"):
        embeddings.pool(golden, ms2019)  # type: ignore[arg-type]


def test_the_task_of_a_finished_run_does_nothing(graded: Study) -> None:
    run = retrain.request(study=graded)
    tasks.retrain(run.pk)
    run.refresh_from_db()
    ended = run.finished_at
    assert run.state == State.FAILED
    tasks.retrain(run.pk)
    run.refresh_from_db()
    assert (run.finished_at, run.attempts) == (ended, 1)


def test_every_study_that_has_begun_is_retrained_at_night_and_once(
    graded: Study, olga: User, sent: Callable[[], list[int]]
) -> None:
    builders.make_study("not-begun", readers=(olga,), images=6, golden_size=2)
    Study.objects.update(retrain_at=timezone.localtime().time())
    tasks.retrain_nightly()
    tasks.retrain_nightly()
    run = TrainingRun.objects.get()
    assert (run.study, run.is_nightly) == (graded, True)
    assert sent() == [run.pk]


def test_the_sweep_sends_a_lost_run_again(study: Study, sent: Callable[[], list[int]]) -> None:
    run = claimed(study)
    jobs.sweep()
    assert sent() == []
    TrainingRun.objects.update(lease_until=Now() - timedelta(seconds=1))
    jobs.sweep()
    assert sent() == [run.pk]


def test_the_sweep_sends_a_run_whose_message_was_lost(study: Study, sent: Callable[[], list[int]]) -> None:
    run = retrain.request(study=study)
    TrainingRun.objects.update(requested_at=Now() - timedelta(minutes=5))
    jobs.sweep()
    assert sent() == [run.pk]


BUTTON = """
import django, sys
django.setup()
from django.test import Client
from labeler.models import User
client = Client(HTTP_HOST="localhost")
client.force_login(User.objects.get(username="olga"))
print(client.post("/studies/acne/report/retrain/", follow=True).content.decode())
"""


def test_a_broker_that_is_down_keeps_the_run_and_says_so(transactional_db: None, study: Study) -> None:
    environment = processes.environment() | {"REDIS_URL": "redis://127.0.0.1:1/0"}
    environment["DJANGO_SETTINGS_MODULE"] = "labeler.settings"
    page = subprocess.run([sys.executable, "-c", BUTTON], env=environment, capture_output=True, text=True, check=False)
    assert "The queue can&#x27;t be reached." in page.stdout, page.stderr
    assert TrainingRun.objects.get().state == State.QUEUED


def test_the_command_says_why_not(study: Study) -> None:
    with pytest.raises(CommandError, match="No golden image has a grade yet"):
        call_command("retrain", "acne")


def test_the_command_leaves_a_run_at_work_alone(study: Study) -> None:
    run = claimed(study)
    with pytest.raises(CommandError, match=f"Run {run.pk} of study acne is at work already"):
        call_command("retrain", "acne")


@pytest.fixture
def photographed(ana: User, ben: User, tmp_path: Path) -> Study:
    return photographed_study((ana, ben), tmp_path / "photographs", images=20, golden_size=8)


@quick_training()
def test_a_run_stores_a_regressor_and_its_report_and_then_nothing_is_new(
    photographed: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("retrain", "acne")
    run = TrainingRun.objects.get()
    assert (run.state, run.error, run.stage) == (State.SUCCEEDED, "", "")
    assert run.regressor is not None
    assert run.report is not None
    images, machine = run.report["images"], run.report["machine"]
    assert (images["golden"], images["ordinary"], images["left_out"]) == (8, 12, 0)
    assert run.is_published == run.regressor.is_active == all(row["passes"] for row in run.report["gate"])
    rows = {row["recipe"]: row for row in run.report["recipes"]}
    assert rows.keys() == {entry.name for entry in recipes.REGISTRY}
    assert {len(row["golden_rmse_by_seed"]["values"]) for row in rows.values()} == {5}
    best = min(rows.values(), key=lambda row: float(row["validation_rmse_by_seed"]["mean"]))
    assert machine["recipe"] == best["recipe"] == run.regressor.recipe["name"]
    assert best["golden_rmse_by_seed"]["values"][0] == machine["golden_rmse"]["value"]
    assert run.regressor.provenance["seed"] == photographed.seed

    call_command("retrain", "acne")
    second = TrainingRun.objects.latest("pk")
    assert second.conclusion == f"Nothing new since run {run.pk}: the current labels and the recipes are the same."
    assert (second.state, second.regressor, second.report) == (State.SUCCEEDED, None, None)
    assert second.conclusion in capsys.readouterr().out

    golden = Assignment.objects.filter(image__is_golden=True).earliest("pk")
    give_grade(golden, 1 if golden.labels.get().grade != 1 else 5)
    call_command("retrain", "acne")
    third = TrainingRun.objects.latest("pk")
    assert third.report is not None
    kept = {row["recipe"]: row for row in third.report["recipes"]}
    assert {name: row["from_run"] for name, row in kept.items() if row["from_run"]} == {"ms2019": run.pk}
    assert kept["ms2019"]["validation_rmse"] == rows["ms2019"]["validation_rmse"]
    assert kept["ms2019"]["golden_rmse"] != rows["ms2019"]["golden_rmse"]


def test_the_regressor_knows_its_interval_and_the_report_how_often_it_held(
    ana: User, ben: User, tmp_path: Path
) -> None:
    study = photographed_study((ana, ben), tmp_path / "photographs", images=56, golden_size=8)
    run = retrain_without_ms2019(study)
    assert run.regressor is not None
    assert run.report is not None
    row = run.report["machine"]["interval"]
    fitted = regressors.load(run.regressor)
    of_validation = Score.objects.filter(run=run, recipe=fitted.recipe.name, fit=0, image__is_golden=False)
    grades = {image.content_hash: image.grade for image in dataset.load_graded_images(study).ordinary}
    errors = sorted(abs(grades[score.image.content_hash] - score.value) for score in of_validation)
    assert row["validation_images"] == len(errors) == 48
    assert fitted.half_width == row["half_width"] == pytest.approx(errors[44])
    assert row["golden_consensus"]["n"] == 8
    assert row["golden_grades"]["n"] == 16
    assert fitted.familiarity is not None
    assert fitted.familiarity.limit is None  # of 48 faces nobody can say what is unlike them


def test_a_forced_run_repeats_the_last_one_bit_for_bit(photographed: Study) -> None:
    first, second = (retrain_without_ms2019(photographed, force=True) for _ in range(2))
    assert first.report is not None
    assert second.report is not None
    assert first.regressor != second.regressor
    assert first.record["artefact_sha256"] == second.record["artefact_sha256"]
    assert first.report["points"] == second.report["points"]
    numbers = [{**report["machine"], "fit_seconds": None} for report in (first.report, second.report)]
    assert numbers[0] == numbers[1]


def test_golden_grades_have_no_say_in_what_is_chosen_or_fitted(photographed: Study) -> None:
    first = retrain_without_ms2019(photographed)
    for assignment in Assignment.objects.filter(image__is_golden=True):
        give_grade(assignment, 1 if (assignment.labels.latest("pk").grade or 0) > 1 else 5)
    second = retrain_without_ms2019(photographed)
    assert first.report is not None
    assert second.report is not None
    assert first.report["machine"]["golden_rmse"] != second.report["machine"]["golden_rmse"]
    assert first.report["choice"] == second.report["choice"]
    assert first.record["artefact_sha256"] == second.record["artefact_sha256"]


def test_the_published_recipe_is_fitted_once_a_week_or_when_asked_for(photographed: Study) -> None:
    assert retrain.request(study=photographed).fits_ms2019
    earlier = jobs.claim(TrainingRun, retrain.request(study=photographed).pk)
    assert earlier is not None
    jobs.finish(earlier)
    soon = retrain.request(study=photographed)
    assert not soon.fits_ms2019
    jobs.finish(jobs.claim(TrainingRun, soon.pk) or soon)
    week_ago = Now() - timedelta(days=8)
    TrainingRun.objects.filter(pk=earlier.pk).update(started_at=week_ago, finished_at=week_ago)
    assert retrain.request(study=photographed).fits_ms2019


def test_who_lost_the_run_leaves_no_regressor(photographed: Study) -> None:
    run = claimed(photographed)
    TrainingRun.objects.update(attempts=2)  # another worker has claimed it since
    with pytest.raises(jobs.LostLeaseError):
        retrain.retrain(run)
    assert not Regressor.objects.exists()
