"""Background jobs: a job is a row that is done once, even if the broker or a worker fails.

A Celery message is only a nudge that carries a row's id. The worker that claims the row holds it under a lease, which a
thread keeps renewing; a lease that has passed means that its worker is gone, and the job may be claimed again.

Each kind of job is registered once, in the tasks.py of its package, by the function that does a claimed row:

    @jobs.work_of(Erasure, queue="intake")
    def erase(erasure: Erasure) -> None: ...

That makes the Celery task `erase(pk)`, and the sweep sends it again for each row whose message or worker was lost.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from typing import Any, Literal, TypeVar

from celery import Task, shared_task
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from kombu.exceptions import OperationalError as BrokerError

from scoring.models import Job

LEASE = timedelta(seconds=60)  # a lost job waits this long at most until it may be claimed again
RENEWAL = 15.0  # seconds: three renewals may fail before a lease passes
SILENCE = 12 * 3600.0  # seconds without a word of how far it is: the longest step takes minutes, or counts its parts
MAX_ATTEMPTS = 3  # a job that took three workers with it would take the fourth
GRACE = timedelta(seconds=60)  # a message normally arrives at once; after this the sweep sends another

GIVEN_UP = f"It was started {MAX_ATTEMPTS} times and its worker was lost each time. See its log, then try again."
INTERRUPTED = "It was interrupted by the person who started it."
UNSAID = "It stopped without saying why; the worker's log has the details."

AnyJob = TypeVar("AnyJob", bound=Job)
AnyTask = TypeVar("AnyTask", bound="Task[Any, None]")
Queue = Literal["celery", "intake"]  # the first one's workers may be hours in a retraining

logger = logging.getLogger(__name__)


class JobError(RuntimeError):
    """Why a job can't be done, as a sentence for people that says what to do."""


class LostLeaseError(RuntimeError):
    """The lease is over and another worker may hold the job, so nothing of it may be stored any more."""


@dataclass(frozen=True)
class Kind:
    """One kind of background work: its task, which takes a row's id, and how the sweep finds lost rows."""

    task: "Task[Any, None]"
    overdue: Callable[[], Iterable[int]]  # ids of rows whose message or worker was lost
    model: type[Job] | None = None  # None: its rows are not jobs


JOB_KINDS: list[Kind] = []  # filled when the packages' tasks are imported, as every worker does at its start


def work_of(job_model: type[AnyJob], *, queue: Queue) -> Callable[[Callable[[AnyJob], None]], "Task[[int], None]"]:
    """Register the decorated function as what is done with a claimed job; make its Celery task, which takes the id.

    A second message for the same row finds it taken or done, and does nothing. A JobError stands on the row.
    """

    def register(work: Callable[[AnyJob], None]) -> "Task[[int], None]":
        @wraps(work)
        def claim_and_work(pk: int) -> None:
            job = claim(job_model, pk)
            if job is not None:
                with suppress(JobError):
                    work(job)

        task = shared_task(name=f"{work.__module__}.{work.__name__}", queue=queue)(claim_and_work)
        JOB_KINDS.append(Kind(task, lambda: overdue(job_model).values_list("pk", flat=True), job_model))
        return task

    return register


def swept(overdue: Callable[[], Iterable[int]]) -> Callable[[AnyTask], AnyTask]:
    """Register the decorated task, whose rows are not jobs: the sweep sends it for each id that `overdue` returns."""

    def register(task: AnyTask) -> AnyTask:
        JOB_KINDS.append(Kind(task, overdue))
        return task

    return register


def sweep() -> None:
    """Send again what was lost with a message or a worker, of every kind."""
    for kind in JOB_KINDS:
        for pk in kind.overdue():
            send(kind.task, pk)


def send(task: "Task[Any, None]", *arguments: int | str) -> bool:
    """Send a message for a task. False if the broker is down: the sweep sends it when the broker is back."""
    try:
        task.delay(*arguments)
    except BrokerError:
        logger.warning("The broker is down; %s waits for the sweep.", task.name)
        return False
    return True


def claim(job_model: type[AnyJob], pk: int) -> AnyJob | None:
    """Take a queued or lost job; None if it is done, held by another worker, or has been tried too often."""
    rows = _rows(job_model).filter(_claimable(), pk=pk)
    rows.filter(attempts__gte=MAX_ATTEMPTS).update(
        state=Job.State.FAILED, error=GIVEN_UP, lease_until=None, finished_at=Now()
    )
    claimed = rows.update(
        state=Job.State.RUNNING, attempts=F("attempts") + 1, started_at=Now(), lease_until=Now() + LEASE
    )
    return _rows(job_model).get(pk=pk) if claimed else None


@contextmanager
def held(job: Job, *, renewal: float | None = None) -> Iterator[None]:
    """Hold a claimed job's lease while the block runs. `renewal` is in seconds, if not RENEWAL.

    An exception in the block ends the job as failed, with its message for people, and goes on to the caller, who has
    the traceback in their log. Only a database that went away leaves the job as it is: its lease passes, and the
    sweep has it done again.
    """
    stop = threading.Event()
    renewer = threading.Thread(target=_renew, args=(job, renewal or RENEWAL, stop), name=f"lease of {job}", daemon=True)
    renewer.start()
    try:
        yield
    except (OperationalError, InterfaceError, LostLeaseError):
        raise
    except (Exception, KeyboardInterrupt) as error:
        with suppress(DatabaseError):
            _end(job, state=Job.State.FAILED, error=_sentence(error))
        raise
    finally:
        stop.set()
        renewer.join()


def tell(job: Job, stage: str, **fields: Any) -> None:
    """Tell people what the job is doing now, and how far it is. Raises LostLeaseError."""
    _change(job, stage=stage, **fields)


def finish(job: Job, **fields: Any) -> None:
    """End a held job as succeeded, with what came out of it. Raises LostLeaseError.

    Called in the transaction that stores the job's results, it keeps them from being stored twice.
    """
    _end(job, state=Job.State.SUCCEEDED, **fields)


def retry(job: Job, **fields: Any) -> bool:
    """Have a job that failed done again, as often as a new one. False if it did not fail."""
    failed = _rows(type(job)).filter(pk=job.pk, state=Job.State.FAILED)
    again = {"error": "", "attempts": 0, "started_at": None, "finished_at": None, "requested_at": Now()}
    return failed.update(state=Job.State.QUEUED, **again, **fields) == 1


def overdue(job_model: type[AnyJob]) -> QuerySet[AnyJob]:
    """Return the jobs that wait for a message: queued for a while, or lost with their worker."""
    waiting = Q(state=Job.State.QUEUED, requested_at__lt=Now() - GRACE)
    return _rows(job_model).filter(waiting | _lost()).order_by("pk")


def _rows(job_model: type[AnyJob]) -> QuerySet[AnyJob]:
    return job_model._default_manager.all()


def _claimable() -> Q:
    return Q(state=Job.State.QUEUED) | _lost()


def _lost() -> Q:
    return Q(state=Job.State.RUNNING, lease_until__lt=Now())


def _held_rows(job: Job) -> QuerySet[Job]:
    """The job's row, as long as this claim of it stands: the number of attempts is the claim's token."""
    return _rows(type(job)).filter(pk=job.pk, state=Job.State.RUNNING, attempts=job.attempts)


def _change(job: Job, **fields: Any) -> None:
    if not _held_rows(job).update(**fields):
        raise LostLeaseError(f"{job} is no longer held by this worker; another one may be doing it.")
    for name, value in fields.items():
        setattr(job, name, value)


def _end(job: Job, **fields: Any) -> None:
    _change(job, stage="", lease_until=None, finished_at=Now(), **fields)
    job.refresh_from_db()


def _sentence(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, JobError):
        return str(error)
    return f"{str(error) or UNSAID} ({type(error).__name__})"


def _said(job: Job) -> tuple[str, object]:
    return job.stage, getattr(job, "done", None)


def _renew(job: Job, interval: float, stop: threading.Event) -> None:
    """Renew until told to stop, on this thread's own connection; a database that is away is asked again later.

    A job that has told nothing for very long hangs: it is held no more, and may store nothing once another has it.
    """
    said, since = _said(job), time.monotonic()
    try:
        while not stop.wait(interval):
            if _said(job) != said:
                said, since = _said(job), time.monotonic()
            if time.monotonic() - since > SILENCE:
                logger.error("%s has said nothing for hours and is held no longer.", job)
                return
            try:
                if not _held_rows(job).update(lease_until=Now() + LEASE):
                    return
            except DatabaseError:
                logger.warning("The lease of %s could not be renewed; trying again.", job, exc_info=True)
                connection.close()
    finally:
        connection.close()
