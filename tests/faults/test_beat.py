"""Of two beats one says what is due, and the other takes over; what a wiped queue lost is found again."""

import io
import os
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from subprocess import Popen

import pytest
import redis
from django.conf import settings
from django.db import Error, connection
from django.utils import timezone

from labeler import tasks
from labeler.celery import app
from labeler.intake import uploads
from labeler.models import Intake, Study, User
from labeler.operations import health
from labeler.privacy import erasing
from labeler.server.beat import Schedule, Turn
from labeler.studies import study_jobs
from scoring import tasks as scoring_tasks
from scoring.models import BulkJob, Job, Scope
from scoring.platform import jobs
from tests import builders, processes
from tests.scoring.builders import App
from training import tasks as training_tasks
from training.runs import retrain

BEGUN, WAITS, SENT = b"This beat says what is due.", b"This one waits", b"Sending due task"
TASKS = len(settings.CELERY_BEAT_SCHEDULE)


def queue() -> redis.Redis:
    return redis.Redis.from_url(settings.REDIS_URL)


def messages() -> int:
    return sum(int(queue().llen(name)) for name in ("celery", "intake"))


def make_everything_due(schedule: Path) -> None:
    """Leave the schedule as a beat does that was away for two weeks."""
    scheduler = Schedule(app=app, schedule_filename=str(schedule))
    for entry in scheduler.schedule.values():
        entry.last_run_at = timezone.now() - timedelta(weeks=2)
    scheduler.close()


def wait_until(is_so: Callable[[], bool], *logs: Path) -> None:
    deadline = time.monotonic() + processes.PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, "\n".join(log.read_text() for log in logs)
        time.sleep(0.05)


def run_beat(schedule: Path, log: Path, **changed: str) -> AbstractContextManager[Popen[bytes]]:
    command = ("celery", "-A", "tests.faults.hurried", "beat", "--schedule", str(schedule), "--loglevel", "INFO")
    return processes.running(*command, log=log, **changed)


def test_of_two_beats_one_sends_and_the_other_takes_over(transactional_db: None, tmp_path: Path) -> None:
    schedule, first_log, second_log = (tmp_path / name for name in ("schedule", "first.log", "second.log"))
    make_everything_due(schedule)
    queue().flushall()
    with run_beat(schedule, first_log) as first:
        wait_until(lambda: messages() == TASKS, first_log)
        with run_beat(schedule, second_log) as second:
            wait_until(lambda: WAITS in second_log.read_bytes(), second_log)
            os.killpg(second.pid, signal.SIGSTOP)  # so that it can't take over before there is something to send
            processes.kill(first)
            assert BEGUN in first_log.read_bytes()
            assert BEGUN not in second_log.read_bytes()
            assert messages() == TASKS
            make_everything_due(schedule)
            os.killpg(second.pid, signal.SIGCONT)
            wait_until(lambda: second_log.read_bytes().count(SENT) == TASKS, second_log)
            wait_until(lambda: messages() == 2 * TASKS, second_log)
    queue().flushall()


def test_a_damaged_schedule_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "schedule.json"
    path.write_text('{"tick": "2026-')
    begun = Schedule(app=app, schedule_filename=str(path))
    assert begun.schedule.keys() == settings.CELERY_BEAT_SCHEDULE.keys()
    begun.close()
    kept = Schedule(app=app, schedule_filename=str(path)).schedule
    assert {name: entry.last_run_at for name, entry in kept.items()} == {
        name: entry.last_run_at for name, entry in begun.schedule.items()
    }


def test_a_lock_that_its_connection_lost_goes_to_who_waits(transactional_db: None) -> None:
    first, second = Turn(), Turn()
    assert (first.is_mine(), second.is_mine(), first.is_mine()) == (True, False, True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")
    wait_until(second.is_mine)
    with pytest.raises(Error):
        first.is_mine()
    assert not first.is_mine()
    for turn in (first, second):
        turn.release()


@pytest.fixture
def asked(study: Study, olga: User) -> list[Job]:
    """Ask for one job of each kind, while no worker hears of it."""
    sources = {kind: study if kind == study_jobs.Kind.SCORE else None for kind in study_jobs.Kind}
    unfinished: list[Job] = [
        retrain.request(study=study),
        erasing.request(study=study, images=study.images.filter(is_golden=False), reason="They asked.", by=olga),
        BulkJob.objects.create(token=App(Scope.BATCH).token),
        *(study_jobs.request(study=study, kind=kind, by=olga, source=source) for kind, source in sources.items()),
    ]
    assert {type(job) for job in unfinished} == set(health.job_models())
    return unfinished


@pytest.mark.timeout(600)
def test_what_a_wiped_queue_lost_is_found_in_the_database(
    transactional_db: None, asked: list[Job], study: Study, olga: User, tmp_path: Path
) -> None:
    into = uploads.begin(study=study, by=olga)
    send_photographs(into, 15)
    run, erasure, job, *over_the_study = asked
    training_tasks.retrain.delay(run.pk)
    tasks.erase.delay(erasure.pk)
    scoring_tasks.score_job.delay(job.pk)
    tasks.import_files.delay(into.pk)
    for study_job in over_the_study:
        tasks.do_study_job.delay(study_job.pk)
    assert messages() >= 4 + len(over_the_study)
    queue().flushall()
    for job in asked:
        type(job)._default_manager.update(requested_at=timezone.now() - 2 * jobs.GRACE)  # two minutes later

    make_everything_due(tmp_path / "schedule")
    with (
        processes.worker(tmp_path / "worker.log", queue="celery,intake"),
        run_beat(tmp_path / "schedule", tmp_path / "beat.log", SWEEP_EVERY="2"),
    ):
        wait_until(lambda: into.files.filter(state="imported").exists(), tmp_path / "worker.log")
        queue().flushall()  # once more, while the worker is at it
        wait_until(lambda: not uploads.waiting(into), tmp_path / "worker.log")
        wait_until(lambda: not any(map(is_unfinished, asked)), tmp_path / "worker.log")
    assert into.files.filter(state="imported").count() == 15
    assert {job.attempts for job in asked} == {1}
    # No grades to learn from, and no regressor that scores.
    assert [job.state for job in asked] == ["failed", "succeeded", "failed", *["succeeded"] * 3, "failed"]


def is_unfinished(job: Job) -> bool:
    job.refresh_from_db()
    return job.state in {Job.State.QUEUED, Job.State.RUNNING}


def send_photographs(into: Intake, number: int) -> None:
    for n in range(number):
        data = builders.make_jpeg(n)
        uploads.receive(into, name=f"IMG_{n}.jpg", size=len(data), offset=0, body=io.BytesIO(data))
    uploads.finish(into)
