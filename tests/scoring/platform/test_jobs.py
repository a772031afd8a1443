"""A job is done once, whatever happens to its worker."""

import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from celery import Task
from django.db import OperationalError, connection
from django.db.models.functions import Now

from labeler import tasks as labeler_tasks
from labeler.celery import app
from labeler.operations import health
from scoring import tasks as scoring_tasks
from scoring.models import Job
from scoring.platform import jobs
from tests import builders
from training.models import TrainingRun


@pytest.fixture
def job(db: None) -> TrainingRun:
    return TrainingRun.objects.create(study=builders.make_study())


def claimed(job: TrainingRun) -> TrainingRun:
    claim = jobs.claim(TrainingRun, job.pk)
    assert claim is not None
    return claim


def lose_worker(job: TrainingRun) -> None:
    """Let the lease pass, as when its worker is gone."""
    TrainingRun.objects.filter(pk=job.pk).update(lease_until=Now() - timedelta(seconds=1))


def stored(job: TrainingRun) -> TrainingRun:
    return TrainingRun.objects.get(pk=job.pk)


def test_a_queued_job_is_claimed_once(job: TrainingRun) -> None:
    first, second = jobs.claim(TrainingRun, job.pk), jobs.claim(TrainingRun, job.pk)
    assert first is not None
    assert (first.state, first.attempts) == (Job.State.RUNNING, 1)
    assert second is None


def test_of_many_workers_one_gets_the_job(transactional_db: None) -> None:
    job = TrainingRun.objects.create(study=builders.make_study())
    start, winners = threading.Barrier(8), []

    def compete() -> None:
        start.wait()
        winners.append(jobs.claim(TrainingRun, job.pk))
        connection.close()

    threads = [threading.Thread(target=compete) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(winners) == 8
    assert sum(winner is not None for winner in winners) == 1


def test_a_job_that_does_not_exist_is_nobodys(db: None) -> None:
    assert jobs.claim(TrainingRun, 12345) is None


def test_a_finished_job_is_not_done_again(job: TrainingRun) -> None:
    with jobs.held(run := claimed(job)):
        jobs.finish(run, conclusion="Done.")
    assert (run.state, run.conclusion, run.lease_until) == (Job.State.SUCCEEDED, "Done.", None)
    assert run.finished_at is not None
    assert jobs.claim(TrainingRun, job.pk) is None


def test_a_lost_job_is_claimed_again(job: TrainingRun) -> None:
    claimed(job)
    lose_worker(job)
    assert claimed(job).attempts == 2


def test_a_job_that_loses_every_worker_is_given_up_with_a_sentence(job: TrainingRun) -> None:
    for _ in range(jobs.MAX_ATTEMPTS):
        claimed(job)
        lose_worker(job)
    assert jobs.claim(TrainingRun, job.pk) is None
    assert (stored(job).state, stored(job).error) == (Job.State.FAILED, jobs.GIVEN_UP)


def test_what_people_can_mend_is_told_in_its_own_words(job: TrainingRun) -> None:
    with pytest.raises(jobs.JobError), jobs.held(claimed(job)):
        raise jobs.JobError("Draw the golden set first.")
    assert (stored(job).state, stored(job).error) == (Job.State.FAILED, "Draw the golden set first.")


def test_any_other_failure_is_told_with_its_kind(job: TrainingRun) -> None:
    with pytest.raises(KeyError), jobs.held(claimed(job)):
        raise KeyError("cheek")
    assert stored(job).error == "'cheek' (KeyError)"


def test_a_silent_failure_points_to_the_log(job: TrainingRun) -> None:
    with pytest.raises(MemoryError), jobs.held(claimed(job)):
        raise MemoryError
    assert stored(job).error == f"{jobs.UNSAID} (MemoryError)"


def test_ctrl_c_ends_the_job_too(job: TrainingRun) -> None:
    with pytest.raises(KeyboardInterrupt), jobs.held(claimed(job)):
        raise KeyboardInterrupt
    assert (stored(job).state, stored(job).error) == (Job.State.FAILED, jobs.INTERRUPTED)


def test_a_database_that_went_away_leaves_the_job_to_the_sweep(job: TrainingRun) -> None:
    with pytest.raises(OperationalError), jobs.held(claimed(job)):
        raise OperationalError("server closed the connection unexpectedly")
    assert stored(job).state == Job.State.RUNNING


def test_who_lost_the_lease_can_store_nothing(job: TrainingRun) -> None:
    slow = claimed(job)
    lose_worker(job)
    quick = claimed(job)
    with pytest.raises(jobs.LostLeaseError):
        jobs.tell(slow, "Still here")
    with pytest.raises(jobs.LostLeaseError), jobs.held(slow):
        jobs.finish(slow, conclusion="Too late.")
    jobs.finish(quick, conclusion="In time.")
    assert stored(job).conclusion == "In time."


def test_a_held_lease_is_renewed(transactional_db: None) -> None:
    job = claimed(TrainingRun.objects.create(study=builders.make_study()))
    deadline = time.monotonic() + 30
    with jobs.held(job, renewal=0.02):
        lose_worker(job)
        while jobs.overdue(TrainingRun).exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not jobs.overdue(TrainingRun).exists()


def test_a_job_that_says_nothing_any_more_is_held_no_longer(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = claimed(TrainingRun.objects.create(study=builders.make_study()))
    began = threading.active_count()
    with jobs.held(job, renewal=0.02):
        jobs.tell(job, "The last word")
        assert threading.active_count() == began + 1
        monkeypatch.setattr(jobs, "SILENCE", 0.1)  # hours later
        while threading.active_count() > began:
            time.sleep(0.02)
        lose_worker(job)
        assert jobs.overdue(TrainingRun).exists()


def test_the_renewing_thread_ends_with_its_block(job: TrainingRun) -> None:
    before = threading.active_count()
    with jobs.held(claimed(job)):
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


def test_the_sweep_finds_what_nobody_works_on(db: None) -> None:
    fresh, forgotten, at_work, lost = (
        TrainingRun.objects.create(study=builders.make_study(slug)) for slug in ("fresh", "forgotten", "busy", "lost")
    )
    long_ago = Now() - timedelta(minutes=10)
    TrainingRun.objects.filter(pk=forgotten.pk).update(requested_at=long_ago)
    claimed(at_work)
    claimed(lost)
    lose_worker(lost)
    assert list(jobs.overdue(TrainingRun)) == [forgotten, lost]
    assert fresh.state == Job.State.QUEUED


def test_every_kind_of_job_is_registered_once() -> None:
    models = [kind.model for kind in jobs.JOB_KINDS if kind.model]
    assert len(models) == len(set(models))
    assert set(models) == set(health.job_models())
    others = {kind.task for kind in jobs.JOB_KINDS if not kind.model}
    assert others == {labeler_tasks.import_files, scoring_tasks.tell_app}


def test_only_what_may_take_an_hour_waits_behind_a_retraining() -> None:
    app.loader.import_default_modules()
    ours = [name for name in app.tasks if name.startswith(("scoring.", "labeler.", "training."))]
    queues = {name: _queue(app.tasks[name]) for name in ours}
    assert {name for name, queue in queues.items() if queue == "celery"} == {
        *("labeler.tasks.do_study_job", "labeler.tasks.count_labels", "labeler.tasks.clean_uploads"),
        *("training.tasks.retrain", "training.tasks.help_embed", "training.tasks.retrain_nightly"),
        *("training.tasks.refresh_standings", "training.tasks.collect_features", "training.tasks.prune_runs"),
    }
    urgent = ("labeler.tasks.erase", "labeler.tasks.seal_ledger", "scoring.tasks.sweep", "training.tasks.forget_erased")
    assert {queues[name] for name in urgent} == {"intake"}


def _queue(task: "Task[Any, Any]") -> str:
    """Return the queue that a message for the task goes to."""
    own = getattr(task, "queue", None)
    return str(app.amqp.router.route({"queue": own} if own else {}, task.name)["queue"].name)
