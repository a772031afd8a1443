"""Chores: who asked for one is told, the page that shows it, and trying one again."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_GET, require_POST

from labeler import tasks
from labeler.accounts import access
from labeler.accounts.access import AuthedRequest
from labeler.models import Chore
from labeler.studies import study_jobs
from labeler.studies.study_jobs import Kind
from scoring.tasks import send

PAGES = {Kind.MEASURE: "prescreen", Kind.LIMITS: "prescreen", Kind.DUPLICATES: "duplicates", Kind.SCORE: "golden"}
QUEUED = "The queue can't be reached. What you asked for is kept and starts when the queue is back."


@login_required
@require_GET
def chore(request: AuthedRequest, slug: str, pk: int) -> HttpResponse:
    """Lead to the page that shows it."""
    return _to_page(_get_chore(request, slug, pk))


@login_required
@require_POST
def retry(request: AuthedRequest, slug: str, pk: int) -> HttpResponse:
    """Have a chore that failed done again."""
    chore = _get_chore(request, slug, pk)
    if study_jobs.retry(chore, by=request.user):
        begin(request, chore, "A worker tries it again; this page says how far it is.")
    return _to_page(chore)


def begin(request: AuthedRequest, chore: Chore, said: str) -> None:
    """Send a worker to a chore and say so, or that it waits for the queue."""
    if send(tasks.do_chore, chore.pk):
        messages.success(request, said)
    else:
        messages.warning(request, QUEUED)


def _get_chore(request: AuthedRequest, slug: str, pk: int) -> Chore:
    return get_object_or_404(access.get_administered_study(request, slug).chores, pk=pk)


def _to_page(chore: Chore) -> HttpResponse:
    return redirect(PAGES[Kind(chore.kind)], slug=chore.study.slug)
