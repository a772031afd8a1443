"""The pages of runs: progress, cancelling, the leaderboard, putting in service by hand and going back."""

import json
from dataclasses import asdict
from datetime import time, timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone

from labeler.models import AuditEvent, Study, User
from scoring.models import Regressor
from scoring.platform import jobs
from scoring.regressor import regressors
from tests.scoring.builders import make_fitted
from tests.training.builders import grade_everything, photographed_study, retrain_without_ms2019
from training import tasks
from training.fitting.run_progress import Stages
from training.models import TrainingRun
from training.reports import reader_numbers
from training.runs import retrain, schedule

BOARD = "/studies/acne/report/recipes/"
SEED = 1_987_654_321


@pytest.fixture
def ran(ana: User, ben: User, olga: User, tmp_path: Path) -> TrainingRun:
    """Return a run with a report, of all recipes but the published one."""
    study = photographed_study((ana, ben), tmp_path / "photographs", images=24, golden_size=8)
    study.admins.add(olga)
    return retrain_without_ms2019(study)


def claimed(study: Study) -> TrainingRun:
    run = jobs.claim(TrainingRun, retrain.request(study=study).pk)
    assert run is not None
    return run


def with_regressor(study: Study, seed: int) -> TrainingRun:
    run = claimed(study)
    jobs.finish(run, regressor=regressors.save(make_fitted(seed), study=study.slug, provenance={}))
    return run


def post(client: Client, address: str, **form: str) -> str:
    return client.post(address, form, follow=True).content.decode()


def page_of(run: TrainingRun, act: str = "") -> str:
    return f"/studies/acne/report/runs/{run.pk}/{act}"


def test_page_json_command_and_report_have_the_same_numbers(
    as_olga: Client, ran: TrainingRun, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ran.report is not None
    board = json.loads(as_olga.get(f"{BOARD}numbers.json").content)
    capsys.readouterr()
    call_command("leaderboard", "acne", "--json")
    assert json.loads(capsys.readouterr().out) == board
    call_command("report", "acne", "--json")
    report = json.loads(capsys.readouterr().out)["machine_run"]
    by_name = {row["recipe"]: row for row in board["recipes"]}
    assert len(by_name) == 7
    assert [{name: by_name[row["recipe"]][name] for name in row} for row in report["recipes"]] == report["recipes"]
    assert board["sentence"] == report["choice"]["sentence"]
    page = as_olga.get(BOARD).content.decode()
    assert board["sentence"] in page
    for row in board["recipes"]:
        assert f"{row['validation_rmse_by_seed']['mean']:.3f}" in page
        assert f"{row['golden_rmse']['value']:.3f}" in page
    assert [row["recipe"] for row in board["recipes"] if row["is_chosen"]] == [report["machine"]["recipe"]]


def test_before_any_run_the_leaderboard_says_so(
    as_olga: Client, study: Study, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "No run has a report yet" in as_olga.get(BOARD).content.decode()
    call_command("leaderboard", "acne")
    assert "manage.py retrain acne" in capsys.readouterr().out


def test_a_run_says_what_it_was_made_with(as_olga: Client, ran: TrainingRun) -> None:
    record = ran.record
    assert record["seeds"] == list(range(ran.study.seed, ran.study.seed + 5))
    assert {"numpy", "scikit-learn", "scipy"} <= record["libraries"].keys()
    assert ran.regressor is not None
    assert record["drift"] == asdict(reader_numbers.drifting(ran.study))
    assert record["artefact_sha256"] == ran.regressor.artefact_sha256
    assert [name.split()[0] for name, _ in record["seconds"]][:3] == ["Reading", "Embedding", "Pooling"]
    TrainingRun.objects.update(record={**record, "seed": SEED, "seeds": [SEED + n for n in range(5)]})
    page = as_olga.get(page_of(ran)).content.decode()
    assert "Seeds" not in page
    assert str(SEED)[:-1] not in page  # nor those after it
    for said in (record["artefact_sha256"], record["code_sha256"], record["libraries"]["numpy"], "Embedding images: "):
        assert said in page
    for condition in (ran.report or {})["gate"]:
        assert condition["name"].capitalize() in page


def test_progress_tells_how_far_and_how_long(as_olga: Client, study: Study) -> None:
    run = claimed(study)
    jobs.tell(run, "Embedding images", done=25, total=100, stage_began_at=timezone.now() - timedelta(minutes=20))
    page = as_olga.get(page_of(run, "state/")).content.decode()
    assert "Embedding images" in page
    assert "25 of 100, about 60 min left of this step" in page


def test_a_run_that_waits_is_cancelled_at_once(as_olga: Client, study: Study) -> None:
    grade_everything(study)
    run = retrain.request(study=study)
    assert "Cancelled by olga." in post(as_olga, page_of(run, "cancel/"))
    tasks.retrain(run.pk)
    run.refresh_from_db()
    assert (run.state, run.attempts, run.error) == (TrainingRun.State.FAILED, 0, "Cancelled by olga.")
    assert AuditEvent.objects.latest("pk").action == "cancelled retraining"
    assert retrain.request(study=study) != run


def test_a_run_at_work_stops_at_its_next_step_and_leaves_nothing(as_olga: Client, ran: TrainingRun) -> None:
    """It is cancelled while the last step before storing is told: nothing of it may be kept."""
    before = Regressor.objects.count()
    run = claimed(ran.study)

    def work() -> None:
        with jobs.held(run):
            stages = Stages(run)
            with stages.stage("Fitting"):
                assert "has cancelled it: it stops at its next step" in post(as_olga, page_of(run, "cancel/"))
            with stages.stage("Storing"):
                regressors.save(make_fitted(9), study="acne", provenance={})

    with pytest.raises(jobs.JobError, match="Cancelled by olga"):
        work()
    run.refresh_from_db()
    assert (run.state, run.error, run.regressor) == (TrainingRun.State.FAILED, "Cancelled by olga.", None)
    assert Regressor.objects.count() == before


def test_a_run_that_is_over_can_not_be_cancelled(as_olga: Client, ran: TrainingRun) -> None:
    assert "The run was over already." in post(as_olga, page_of(ran, "cancel/"))
    ran.refresh_from_db()
    assert ran.cancelled_by is None


def test_a_regressor_is_put_in_service_for_a_reason_only(as_olga: Client, study: Study) -> None:
    run = with_regressor(study, 1)
    assert "Say why" in post(as_olga, page_of(run, "publish/"), reason="no")
    assert not Regressor.objects.filter(is_active=True).exists()
    assert "answers from now on" in post(as_olga, page_of(run, "publish/"), reason="The gate was too strict.")
    assert Regressor.objects.get(is_active=True) == run.regressor
    event = AuditEvent.objects.latest("pk")
    assert (event.action, event.reason) == ("published a regressor by hand", "The gate was too strict.")


def test_the_one_before_answers_again(as_olga: Client, study: Study) -> None:
    first, second = with_regressor(study, 1), with_regressor(study, 2)
    assert "No other regressor has answered before." in post(as_olga, f"{BOARD}roll-back/", reason="It was better.")
    for run in (first, second):
        post(as_olga, page_of(run, "publish/"), reason="To try it.")
    assert "Say why" in post(as_olga, f"{BOARD}roll-back/")
    assert Regressor.objects.get(is_active=True) == second.regressor
    assert f"Put run {first.pk} back in service" in as_olga.get(BOARD).content.decode()
    assert f"run {first.pk} answers again" in post(as_olga, f"{BOARD}roll-back/", reason="It was better.")
    assert Regressor.objects.get(is_active=True) == first.regressor
    event = AuditEvent.objects.latest("pk")
    assert (event.action, event.reason) == ("rolled back to a regressor", "It was better.")


def test_a_run_without_a_regressor_can_not_be_published(as_olga: Client, study: Study) -> None:
    run = claimed(study)
    jobs.finish(run)
    assert "made no regressor" in post(as_olga, page_of(run, "publish/"), reason="To try it.")


def test_each_study_has_its_own_time(as_olga: Client, study: Study) -> None:
    grade_everything(study)
    assert "Retrained every day at 04:10." in post(as_olga, "/studies/acne/report/retrain/time/", retrain_at="04:10")
    study.refresh_from_db()
    assert study.retrain_at == time(4, 10)
    ten_past_four = timezone.localtime().replace(hour=4, minute=10, second=5)
    assert schedule.due(ten_past_four) == [study]
    assert schedule.due(ten_past_four - timedelta(minutes=1)) == []
    assert schedule.due(ten_past_four + timedelta(hours=3)) == []
    assert "Give a time" in post(as_olga, "/studies/acne/report/retrain/time/", retrain_at="noon")
    post(as_olga, "/studies/acne/report/retrain/time/", retrain_at="")
    study.refresh_from_db()
    assert schedule.time_of(study) == schedule.USUAL


def test_one_night_one_run(study: Study) -> None:
    grade_everything(study)
    Study.objects.update(retrain_at=(timezone.localtime() - timedelta(minutes=1)).time())
    (due,) = schedule.due(timezone.now())
    run = retrain.request(study=due, is_nightly=True)
    assert schedule.due(timezone.now()) == []
    TrainingRun.objects.filter(pk=run.pk).update(requested_at=Now() - timedelta(days=1))
    assert schedule.due(timezone.now()) == [study]
