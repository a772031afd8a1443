"""Batches of photographs: accepted as a job, scored one by one by a worker, reported, erased."""

import logging
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from http import HTTPStatus

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from scoring.models import ApiToken, BulkItem, BulkJob, Job
from scoring.platform import blobs, jobs
from scoring.regressor import regressors
from scoring.regressor.pipeline import FittedRegressor
from scoring.regressor.regressors import ArtefactError, NoActiveRegressor
from scoring.service import fetching, outcomes
from scoring.service.outcomes import Outcome, Photograph
from scoring.service.score_json import SelfieScoreOut
from scoring.weights.weight_files import WeightsError

MOST_OPEN = 5  # jobs of one token that have not ended
MAX_TRIES = 2  # a photograph that took two workers with it is not tried again
JOBS_KEPT = timedelta(days=7)  # after its end a job waits this long to be read

TOO_MANY = f"This token has {MOST_OPEN} jobs that have not ended. Wait for one of them."
DEADLY = "Scoring it stopped the worker. Open it in an image program and save it anew."
GONE = "The photograph is no longer in storage. Send it again."
OUT_OF_SERVICE = "Scoring is out of service; its operator finds the reason in the log."

logger = logging.getLogger(__name__)


class TooManyJobsError(RuntimeError):
    """A token has enough to wait for."""


def create(*, token: ApiToken, photographs: Sequence[Photograph], webhook: str) -> BulkJob:
    """Take a job in: its row, then its files, then its items. Raises TooManyJobsError.

    Whatever stops it half way leaves a job of nothing, which goes as every job does, and its files with it.
    """
    if open_jobs(token).count() >= MOST_OPEN:
        raise TooManyJobsError(TOO_MANY)
    job = BulkJob.objects.create(token=token, webhook=webhook)
    items = [_item(job, position, photograph) for position, photograph in enumerate(photographs)]
    for item, photograph in zip(items, photographs, strict=True):
        if item.file:
            blobs.write(item.file, photograph.read())
    with transaction.atomic():
        if not BulkJob.objects.filter(pk=job.pk, state=Job.State.QUEUED).update(requested_at=Now()):
            raise jobs.LostLeaseError(f"{job} was begun before its photographs were here. Send it again.")
        BulkItem.objects.bulk_create(items)
    return job


def open_jobs(token: ApiToken) -> QuerySet[BulkJob]:
    return token.bulk_jobs.filter(state__in=[Job.State.QUEUED, Job.State.RUNNING])


def work(job: BulkJob) -> None:
    """Score what is not scored yet of a claimed job. Raises jobs.JobError, jobs.LostLeaseError."""
    with jobs.held(job):
        try:
            for item in job.items.exclude(status=None).exclude(file=""):
                _erase_file(item)  # scored by a worker that was killed before it could
            regressor = regressors.active(job.token.study)
            for item in job.items.filter(status=None):
                _finish(item, _outcome(item, regressor))
                jobs.tell(job, f"Scored {item.position + 1}")
        except NoActiveRegressor as error:
            raise jobs.JobError(str(error)) from error
        except (WeightsError, ArtefactError) as error:
            logger.exception("%s can't be done.", job)
            raise jobs.JobError(OUT_OF_SERVICE) from error
        jobs.finish(job)


def result(item: BulkItem) -> Outcome:
    answer = SelfieScoreOut.model_validate(item.answer) if item.answer else None
    return Outcome(item.status or HTTPStatus.ACCEPTED, answer, item.detail)


def erase(job: BulkJob) -> None:
    """Erase a job, running or not, with its photographs and results."""
    folder = _folder(job)
    for file in blobs.files(folder):
        blobs.erase(f"{folder}/{file}")
    job.delete()


def forget() -> None:
    """Erase jobs that ended a while ago, and photographs of failed ones at once: they will not be scored."""
    for job in BulkJob.objects.filter(finished_at__lt=Now() - JOBS_KEPT):
        erase(job)
    for item in BulkItem.objects.filter(~Q(file=""), job__state=Job.State.FAILED):
        _erase_file(item)


def _item(job: BulkJob, position: int, photograph: Photograph) -> BulkItem:
    file = "" if photograph.url else f"{_folder(job)}/{position}"
    return BulkItem(job=job, position=position, name=photograph.name[:255], file=file, url=photograph.url)


def _folder(job: BulkJob) -> str:
    return f"jobs/{job.public_id.hex}"


def _outcome(item: BulkItem, regressor: FittedRegressor) -> Outcome:
    BulkItem.objects.filter(pk=item.pk).update(attempts=F("attempts") + 1)
    if item.attempts >= MAX_TRIES:
        return Outcome(HTTPStatus.UNPROCESSABLE_ENTITY, None, DEADLY)
    try:
        return outcomes.of(Photograph(item.name, item.url, partial(_read, item)), regressor)
    except FileNotFoundError:
        return Outcome(HTTPStatus.GONE, None, GONE)


def _read(item: BulkItem) -> bytes:
    return fetching.fetch(item.url, fetching.rules()) if item.url else blobs.read(item.file)


def _finish(item: BulkItem, outcome: Outcome) -> None:
    """Store what came of a photograph, once, and erase it."""
    waiting = BulkItem.objects.filter(pk=item.pk, status=None)
    answer = outcome.answer.model_dump(mode="json") if outcome.answer else None
    waiting.update(status=outcome.status, answer=answer, detail=outcome.detail)
    _erase_file(item)


def _erase_file(item: BulkItem) -> None:
    if item.file:
        blobs.erase(item.file)
        BulkItem.objects.filter(pk=item.pk).update(file="")
