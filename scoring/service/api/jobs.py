"""Endpoints for batches of photographs: create, poll, read, delete."""

from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.http import HttpResponse
from django.urls import reverse
from ninja import Query, Router

from scoring import tasks
from scoring.models import ApiToken, BulkJob, Job, Scope
from scoring.platform.jobs import send
from scoring.service import batches, fetching, outcomes
from scoring.service.api import authorisation, bodies
from scoring.service.api.authorisation import AuthedRequest, BearerToken
from scoring.service.api.bodies import Kind, Sent
from scoring.service.api.problems import ASKED, NOT_FOUND, ProblemError
from scoring.service.api.schemas import JobOut, ResultsPageOut
from scoring.service.batches import TooManyJobsError

MOST = 500  # files of one job
MOST_BYTES = 500 * 2**20  # spooled to disk while they come
PAGE = 100  # results

MANY = Kind("files", bodies.JobForm, bodies.ManyUrls, MOST, MOST_BYTES, TemporaryFileUploadHandler)
router = Router(tags=["Jobs"], auth=BearerToken(Scope.BATCH))


@router.post(
    "/jobs",
    response={202: JobOut},
    summary="Send a job of many photographs",
    openapi_extra=MANY.documented(HTTPStatus.CONFLICT) | {"parameters": [authorisation.KEY_PARAMETER]},
)
def send_job(request: AuthedRequest, response: HttpResponse) -> Any:
    """Up to 500 files of 500 MB together, or 1,000 addresses. Each photograph is erased when it is scored."""
    sent = bodies.read(request, MANY)
    with authorisation.once(request, response, sent.digest) as attempt:
        if attempt.answer is None:
            job = _create(request.auth.token, sent)
            send(tasks.score_job, job.pk)
            attempt.answer = _told(job)
    response["Location"] = reverse("api:job", args=[attempt.answer["id"]])
    return attempt.answer


@router.get(
    "/jobs/{uuid:public_id}",
    response=JobOut,
    url_name="job",
    summary="Ask how a job is",
    openapi_extra={"responses": ASKED},
)
def ask_job(request: AuthedRequest, public_id: UUID) -> dict[str, Any]:
    """It is there for 7 days after its end."""
    return _told(_find(request, public_id))


@router.get(
    "/jobs/{uuid:public_id}/results",
    response=ResultsPageOut,
    summary="Read a job's results",
    openapi_extra={"responses": ASKED},
)
def read_results(
    request: AuthedRequest, public_id: UUID, after: Annotated[int, Query(ge=-1, le=10**6)] = -1
) -> dict[str, Any]:
    """What is scored so far, in the order it was sent in, 100 at a time."""
    job = _find(request, public_id)
    items = list(job.items.filter(position__gt=after, status__isnull=False)[: PAGE + 1])
    results = [outcomes.told(item.position, item.name, batches.result(item)) for item in items[:PAGE]]
    return {"results": results, "next": items[PAGE - 1].position if len(items) > PAGE else None}


@router.delete(
    "/jobs/{uuid:public_id}",
    response={204: None},
    summary="Erase a job",
    openapi_extra={"responses": ASKED},
)
def erase_job(request: AuthedRequest, public_id: UUID) -> None:
    """Photographs that wait and results that are there are gone when this is answered, also of a job at work."""
    batches.erase(_find(request, public_id))


def _create(token: ApiToken, sent: Sent) -> BulkJob:
    webhook = sent.said.webhook
    if webhook:
        fetching.check(webhook, fetching.rules())
    try:
        return batches.create(token=token, photographs=sent.photographs, webhook=webhook)
    except TooManyJobsError as error:
        raise ProblemError(HTTPStatus.TOO_MANY_REQUESTS, str(error), {"Retry-After": "60"}) from error


def _find(request: AuthedRequest, public_id: UUID) -> BulkJob:
    job = BulkJob.objects.filter(token=request.auth.token, public_id=public_id).first()
    if job is None:
        raise ProblemError(HTTPStatus.NOT_FOUND, NOT_FOUND)
    return job


def _told(job: BulkJob) -> dict[str, Any]:
    told = {
        "id": job.public_id,
        "state": job.state,
        "error": job.error,
        "total": job.items.count(),
        "done": job.items.filter(status__isnull=False).count(),
        "requested_at": job.requested_at,
        "finished_at": job.finished_at,
        "kept_until": job.finished_at + batches.JOBS_KEPT if job.finished_at else None,
        "webhook": _webhook(job),
    }
    return JobOut.model_validate(told).model_dump(mode="json")


def _webhook(job: BulkJob) -> dict[str, Any] | None:
    if not job.webhook:
        return None
    has_ended = job.state in {Job.State.SUCCEEDED, Job.State.FAILED}
    return {
        "url": job.webhook,
        "attempts": job.webhook_attempts,
        "delivered_at": job.webhook_delivered_at,
        "next_attempt_at": job.webhook_due_at if has_ended else None,
    }
