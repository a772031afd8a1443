"""Study jobs: who asked for one is told, the page that shows it, and trying one again."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_GET, require_POST

from labeler import tasks
from labeler.accounts import access
from labeler.accounts.access import AuthedRequest
from labeler.models import StudyJob
from labeler.studies import study_jobs
from labeler.studies.study_jobs import Kind
from scoring.platform.jobs import send

PAGES = {Kind.MEASURE: "prescreen", Kind.LIMITS: "prescreen", Kind.DUPLICATES: "duplicates", Kind.SCORE: "golden"}
QUEUED = "The queue can't be reached. What you asked for is kept and starts when the queue is back."


@require_GET
def study_job(request: AuthedRequest, slug: str, pk: int) -> HttpResponse:
    """Lead to the page that shows it."""
    return _to_page(_get_study_job(request, slug, pk))


@require_POST
def retry(request: AuthedRequest, slug: str, pk: int) -> HttpResponse:
    """Have a study job that failed done again."""
    study_job = _get_study_job(request, slug, pk)
    if study_jobs.retry(study_job, by=request.user):
        begin(request, study_job, "A worker tries it again; this page says how far it is.")
    return _to_page(study_job)


def begin(request: AuthedRequest, study_job: StudyJob, said: str) -> None:
    """Send a worker to a study job and say so, or that it waits for the queue."""
    if send(tasks.do_study_job, study_job.pk):
        messages.success(request, said)
    else:
        messages.warning(request, QUEUED)


def _get_study_job(request: AuthedRequest, slug: str, pk: int) -> StudyJob:
    return get_object_or_404(access.get_administered_study(request, slug).study_jobs, pk=pk)


def _to_page(study_job: StudyJob) -> HttpResponse:
    return redirect(PAGES[Kind(study_job.kind)], slug=study_job.study.slug)
