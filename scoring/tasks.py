"""Celery tasks of the scoring service, and the sweep. Each may run twice."""

from collections.abc import Iterable
from contextlib import suppress

from celery import shared_task

from scoring.models import BulkJob
from scoring.platform import jobs
from scoring.service import batches, idempotency, webhooks


@shared_task
def sweep() -> None:
    """Send again what was lost with a message or a worker, of every kind of job in all packages."""
    jobs.sweep()


@jobs.work_of(BulkJob, queue="intake")
def score_job(job: BulkJob) -> None:
    """Score an app's photographs, and tell the app how its job ended."""
    try:
        with suppress(jobs.LostLeaseError):  # another worker has the job
            batches.work(job)
    finally:
        webhooks.deliver(job.pk)


def _untold() -> Iterable[int]:
    return webhooks.due().values_list("pk", flat=True)


@jobs.swept(_untold)
@shared_task
def tell_app(job_id: int) -> None:
    """Tell an app again what it did not take."""
    webhooks.deliver(job_id)


@shared_task
def forget() -> None:
    """Erase jobs and answers that have been kept long enough."""
    batches.forget()
    idempotency.forget()
