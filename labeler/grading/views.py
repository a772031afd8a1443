"""Pages of a reader: lists, the light box, and the requests of its script."""

import time
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseGone, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from labeler.accounts import access
from labeler.accounts.access import AuthedRequest
from labeler.grading import label_store, queries
from labeler.grading.forms import LabelForm, QueueForm, UndoForm
from labeler.images import renditions
from labeler.images.forms import ImageForm
from labeler.images.picture_responses import webp
from labeler.models import Assignment, NotGradable, Reader, Role, Study
from labeler.studies import atlas, progress
from scoring.platform import telemetry

CARDS = 12  # images told to the page at once, so that it seldom has to ask
AHEAD = 4  # of these the page has fetched: the one on the screen and three ahead
LONGEST_WAIT_DIGITS = 11  # of milliseconds: three years
BACK = 20  # images a reader can look back at
WITHDRAWN = "This image is no longer part of the study, so this grade was not kept. Here is your next one."


@login_required
@require_GET
def home(request: AuthedRequest) -> HttpResponse:
    readerships = access.readerships(request.user).select_related("study").order_by("study__title")
    context = {
        "lists": [(reader, progress.reader_progress(reader)) for reader in readerships],
        "studies": access.administered_studies(request.user).order_by("title"),
        "audits": request.user.holds(Role.AUDITOR),
        "may_make": access.may_make_studies(request.user),
    }
    if context["audits"]:
        context["audited"] = Study.objects.order_by("title")
    return render(request, "labeler/grading/home.html", context)


@login_required
@require_GET
def grade(request: AuthedRequest, slug: str) -> HttpResponse:
    return _show_card(request, access.get_reader(request, slug))


@login_required
@require_GET
def queue(request: AuthedRequest, slug: str) -> HttpResponse:
    """Answer the next images after the one that the page names; without one, all that a page begins with."""
    reader = access.get_reader(request, slug)
    form = QueueForm(request.GET)
    if not form.is_valid():
        return JsonResponse(_state(reader))
    following = queries.following(reader, after=form.cleaned_data["after"], count=CARDS)
    return JsonResponse({"upcoming": _cards(following, reader)})


@login_required
@require_GET
def image(request: AuthedRequest, slug: str, public_id: UUID) -> FileResponse | HttpResponse:
    """Answer the image of one of the reader's own assignments, alike for golden and ordinary ones."""
    image = queries.get_image(request, slug, public_id)
    if not image.may_be_graded:
        return HttpResponseGone()
    form = ImageForm(request.GET)
    if not form.is_valid() or not image.has_file:
        raise Http404
    size = renditions.smallest_of_at_least(form.cleaned_data["size"], long_side=max(image.width, image.height))
    return webp(renditions.storage_name(image.rendition, size))


@login_required
@require_GET
def atlas_picture(request: AuthedRequest, slug: str, picture: int) -> FileResponse | HttpResponse:
    """Answer an example from the study's atlas."""
    return webp(access.get_atlas_picture(request, slug, picture).file)


def _counted(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Count how long a grade takes here, and how long the browser had kept it."""

    @wraps(view)
    def counted(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        begun = time.monotonic()
        response = view(request, *args, **kwargs)
        telemetry.saves.labels(response.status_code).observe(time.monotonic() - begun)
        waited = request.headers.get("X-Waited-Ms", "")
        if waited.isdecimal() and len(waited) <= LONGEST_WAIT_DIGITS:
            telemetry.outbox_age.observe(int(waited) / 1000)
        return response

    return counted


@_counted
@login_required
@require_POST
def label(request: AuthedRequest, slug: str, public_id: UUID) -> HttpResponse:
    assignment = queries.get_assignment(request, slug, public_id)
    form = LabelForm(request.POST, study=assignment.reader.study)
    if not form.is_valid():
        return _refuse(request, assignment.reader, _first_error(form), status=422)
    return _record(request, assignment, form)


@_counted
@login_required
@require_POST
def undo(request: AuthedRequest, slug: str, public_id: UUID) -> HttpResponse:
    assignment = queries.get_assignment(request, slug, public_id)
    form = UndoForm(request.POST)
    if not form.is_valid():
        return _refuse(request, assignment.reader, _first_error(form), status=422)
    return _record(request, assignment, form)


def _record(request: HttpRequest, assignment: Assignment, form: LabelForm | UndoForm) -> HttpResponse:
    reader = assignment.reader
    try:
        stored = label_store.record_label(assignment=assignment, **form.act())
    except label_store.OutdatedVersionError:
        return _refuse(request, reader, "This image was graded in another window. Here is your next one.", status=409)
    except label_store.ClosedError:
        return _refuse(request, reader, "The study is closed, so this grade was not kept.", status=410)
    except label_store.WithdrawnError:
        return _refuse(request, reader, WITHDRAWN, status=410)
    except label_store.ReusedSubmissionError:
        return _refuse(request, reader, "This submission was used before with another grade.", status=422)
    if not _wants_json(request):
        return redirect("grade", slug=reader.study.slug)
    # One image leaves the page's list and one comes in: grading takes no other round trip.
    known = QueueForm(request.POST)
    following = queries.following(reader, after=known.cleaned_data["after"], count=1) if known.is_valid() else []
    return JsonResponse({"version": stored.version, "upcoming": _cards(following, reader)})


def _refuse(request: HttpRequest, reader: Reader, sentence: str, *, status: int) -> HttpResponse:
    if _wants_json(request):
        return JsonResponse({"error": sentence}, status=status)
    return _show_card(request, reader, refusal=sentence, status=status)


def _wants_json(request: HttpRequest) -> bool:
    return request.headers.get("Accept") == "application/json"


def _first_error(form: LabelForm | UndoForm) -> str:
    return next(str(errors[0]) for errors in form.errors.values())


def _show_card(request: HttpRequest, reader: Reader, *, refusal: str = "", status: int = 200) -> HttpResponse:
    study = reader.study
    state = _state(reader)
    context = {
        "study": study,
        "card": next(iter(state["upcoming"]), None),
        "last": next(iter(state["back"]), None),
        "submission": uuid4(),
        "undo_submission": uuid4(),
        "levels": atlas.levels(study),
        "reasons": NotGradable.choices,
        "progress": state["progress"],
        "refusal": refusal,
        "page": {
            "queue": reverse("queue", args=[study.slug]),
            "ahead": AHEAD,
            "outbox": f"{study.slug} {reader.code}",
            "csrf_cookie": settings.CSRF_COOKIE_NAME,
            **state,
        },
    }
    template = "labeler/grading/grade.html" if context["card"] else "labeler/grading/finished.html"
    return render(request, template, context, status=status)


def _state(reader: Reader) -> dict[str, Any]:
    """Return where a reader is: the next images, the last ones graded, and how many of how many are done."""
    slug = reader.study.slug
    now = progress.reader_progress(reader)
    return {
        "upcoming": _cards(queries.upcoming(reader)[:CARDS], reader),
        "back": [
            _card(assignment, slug) | _own_label(assignment) for assignment in queries.lately_graded(reader)[:BACK]
        ],
        "progress": {"done": now.done, "total": now.total},
    }


def _cards(assignments: Iterable[Assignment], reader: Reader) -> list[dict[str, object]]:
    return [_card(assignment, reader.study.slug) for assignment in assignments]


def _card(assignment: Assignment, slug: str) -> dict[str, object]:
    """Return all that a reader's browser may know of an assignment."""
    of_image = {"slug": slug, "public_id": assignment.public_id}
    return {
        "id": str(assignment.public_id),
        "version": assignment.version,
        "image": reverse("image", kwargs=of_image),
        "long_side": max(assignment.image.width, assignment.image.height),
        "label": reverse("label", kwargs=of_image),
        "undo": reverse("undo", kwargs=of_image),
    }


def _own_label(assignment: Assignment) -> dict[str, object]:
    """Return what the reader themself said of an assignment from `lately_graded`."""
    return {"grade": assignment.grade, "not_gradable": assignment.not_gradable}  # type: ignore[attr-defined]
