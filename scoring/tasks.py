"""Celery tasks of the scoring service. Each may run twice."""

import logging
from contextlib import suppress
from typing import Any

from celery import Task, shared_task
from kombu.exceptions import OperationalError

from scoring.models import BulkJob
from scoring.platform import jobs
from scoring.service import batches, idempotency, webhooks

logger = logging.getLogger(__name__)


@shared_task
def score_job(job_id: int) -> None:
    """Do a job if it is free, and tell its app how it ended."""
    job = jobs.claim(BulkJob, job_id)
    if job is not None:
        with suppress(jobs.JobError, jobs.LostLeaseError):  # the one stands on its row; the other is somebody else's
            batches.work(job)
    webhooks.deliver(job_id)


@shared_task
def tell_app(job_id: int) -> None:
    """Tell an app again what it did not take."""
    webhooks.deliver(job_id)


@shared_task
def sweep() -> None:
    """Send again what was lost, tell again what was not taken, and erase what has been kept long enough."""
    for job in jobs.overdue(BulkJob):
        send(score_job, job.pk)
    for job in webhooks.due():
        send(tell_app, job.pk)
    batches.forget()
    idempotency.forget()


def send(task: "Task[Any, None]", *arguments: int | str) -> bool:
    """Ask the workers for a task. False if the broker is down: then it must be asked for again."""
    try:
        task.delay(*arguments)
    except OperationalError:
        logger.warning("The broker is down; %s was not sent.", task.name)
        return False
    return True
