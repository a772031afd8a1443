"""A run survives the worker that was doing it."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from labeler.models import Study, User
from scoring.models import Regressor
from scoring.platform import jobs
from tests import processes
from tests.training.builders import photographed_study
from training import tasks
from training.models import Score, TrainingRun
from training.runs import retrain

PATIENCE = 240  # seconds for a run on a busy machine


def wait_until(is_so: Callable[[TrainingRun], bool], run: TrainingRun) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so(run):
        assert time.monotonic() < deadline, f"{run.state}: {run.stage}"
        time.sleep(0.1)
        run.refresh_from_db()


@pytest.mark.timeout(600)
def test_a_run_whose_worker_is_killed_is_done_once_by_the_next(
    transactional_db: None, ana: User, ben: User, tmp_path: Path
) -> None:
    study = photographed_study((ana, ben), tmp_path / "photographs", images=24, golden_size=8)
    run = retrain.request(study=study)
    TrainingRun.objects.update(fits_ms2019=False)  # it takes most of the time; make test-slow has it
    with processes.worker(tmp_path / "first.log") as worker:
        jobs.send(tasks.retrain, run.pk)
        wait_until(lambda run: run.stage.startswith("Embedding"), run)
        processes.kill(worker)
    assert run.state == TrainingRun.State.RUNNING
    assert not Score.objects.exists()
    assert not Regressor.objects.exists()

    # A minute later its lease has passed, and the sweep that beat starts every minute finds it.
    TrainingRun.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    with processes.worker(tmp_path / "second.log"):
        jobs.sweep()
        wait_until(lambda run: run.state == TrainingRun.State.SUCCEEDED, run)
    assert run.attempts == 2
    assert Regressor.objects.get() == run.regressor
    assert Score.objects.count() == 7 * (5 * 8 + 16)  # recipes, fits of golden images, ordinary images once


def test_a_run_that_took_three_workers_with_it_is_failed_and_the_next_one_starts_clean(study: Study) -> None:
    lost = retrain.request(study=study)
    TrainingRun.objects.update(
        state="running", attempts=3, started_at=timezone.now(), lease_until=timezone.now() - timedelta(seconds=1)
    )
    tasks.retrain(lost.pk)
    lost.refresh_from_db()
    assert (lost.state, lost.error) == (TrainingRun.State.FAILED, jobs.GIVEN_UP)
    fresh = retrain.request(study=study)
    assert fresh != lost
    assert (fresh.state, fresh.attempts, fresh.record) == (TrainingRun.State.QUEUED, 0, {})
