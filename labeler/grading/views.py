"""Pages of a reader: lists, the light box, and the requests of its script."""

import time
from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from typing import Any, TypeVar
from uuid import UUID, uuid4

from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from labeler.accounts import access
from labeler.accounts.access import AuthedRequest
from labeler.grading import label_store, look_back_views, queries, refusals, window
from labeler.grading.forms import LabelForm, LookingBackForm, QueueForm, UndoForm
from labeler.images import renditions
from labeler.images.forms import ImageForm
from labeler.images.picture_responses import padded_webp, webp
from labeler.models import Assignment, AtlasPicture, NotGradable, Reader, Role, Study
from labeler.studies import atlas, progress
from scoring.platform import telemetry

AnyResponse = TypeVar("AnyResponse", bound=HttpResponseBase)

LONGEST_WAIT_DIGITS = 11  # of milliseconds: three years
BACK = 20  # images graded before that the page is told at once


@require_GET
def home(request: AuthedRequest) -> HttpResponse:
    readerships = access.readerships(request.user).select_related("study").order_by("study__title")
    context = {
        "lists": [(reader, progress.reader_progress(reader)) for reader in readerships],
        "studies": access.administered_studies(request.user).order_by("title"),
        "audits": request.user.holds(Role.AUDITOR),
        "may_make": access.may_make_studies(request.user),
    }
    if not request.user.holds(Role.READER) and request.user.readerships.exists():
        context["no_reader"] = access.NO_READER
    if context["audits"]:
        context["audited"] = Study.objects.order_by("title")
    return render(request, "labeler/grading/home.html", context)


@require_GET
def grade(request: AuthedRequest, slug: str) -> HttpResponse:
    reader = access.get_reader(request, slug)
    return look_back_views.ended(request, reader) or _show_card(request, reader)


@require_GET
def queue(request: AuthedRequest, slug: str) -> HttpResponse:
    """Answer the next images after the one that the page names, or those graded before it; all to begin with else."""
    reader = access.get_reader(request, slug)
    if refusal := refusals.of_reader(reader):
        return _refused(reader, refusal, refusal.fact)
    form = QueueForm(request.GET)
    if not form.is_valid():
        return _answer(reader, _state(request, reader))
    before, after = form.cleaned_data["before"], form.cleaned_data["after"]
    if before:
        return _answer(reader, {"back": _back(reader, queries.graded_before(reader, before)[:BACK])})
    return _answer(reader, {"upcoming": _cards(window.upcoming(reader, request.session, after=after), reader)})


def _for_list(view: Callable[..., AnyResponse]) -> Callable[..., AnyResponse | HttpResponse]:
    """Answer for what is on no list of this reader as for what was taken off it."""

    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> AnyResponse | HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except queries.OffListError as off:
            refusal = refusals.WithdrawnError()
            if request.method == "POST":
                return _refuse(request, off.reader, refusal)
            return _refused(off.reader, refusal, refusal.fact)

    return answered


@require_GET
@_for_list
def image(request: AuthedRequest, slug: str, public_id: UUID) -> HttpResponseBase:
    """Answer the image of one of the reader's own assignments, alike for golden and ordinary ones."""
    assignment = window.get_assignment(request, slug, public_id)
    if refusal := window.refusal(assignment, request.session):
        return _refused(assignment.reader, refusal, refusal.fact)
    form, image = ImageForm(request.GET), assignment.image
    if not form.is_valid() or not image.has_file:
        raise Http404
    size = renditions.smallest_of_at_least(form.cleaned_data["size"], long_side=max(image.width, image.height))
    return padded_webp(renditions.storage_name(image.rendition, size), assignment=assignment.pk)


@require_GET
def atlas_picture(request: AuthedRequest, slug: str, picture: int) -> FileResponse | HttpResponse:
    """Answer an example from the study's atlas, to its admins, and to its readers while they read."""
    study = access.administered_studies(request.user).filter(slug=slug).first()
    if study is None:
        reader = access.get_reader(request, slug)
        if refusal := refusals.of_reader(reader):
            return _refused(reader, refusal, refusal.fact)
        study = reader.study
    return webp(get_object_or_404(AtlasPicture, pk=picture, level__study=study).file)


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
@require_POST
@_for_list
def label(request: AuthedRequest, slug: str, public_id: UUID) -> HttpResponse:
    assignment = queries.get_assignment(request, slug, public_id)
    form = LabelForm(request.POST, study=assignment.reader.study)
    if not form.is_valid():
        return _refuse(request, assignment.reader, refusals.InvalidError(_first_error(form)))
    return _record(request, assignment, form)


@_counted
@require_POST
@_for_list
def undo(request: AuthedRequest, slug: str, public_id: UUID) -> HttpResponse:
    assignment = queries.get_assignment(request, slug, public_id)
    form = UndoForm(request.POST)
    if not form.is_valid():
        return _refuse(request, assignment.reader, refusals.InvalidError(_first_error(form)))
    return _record(request, assignment, form)


def _record(request: HttpRequest, assignment: Assignment, form: LabelForm | UndoForm) -> HttpResponse:
    reader = assignment.reader
    try:
        stored = label_store.record_label(assignment=assignment, **form.act())
    except refusals.RefusedError as refusal:
        return _refuse(request, assignment.reader, refusal)
    if not _wants_json(request):
        return look_back_views.go_on(request, stored)
    answer: dict[str, Any] = {"submission": str(stored.submission), "version": stored.version, "upcoming": []}
    # One image leaves the page's list and one comes in: grading takes no other round trip.
    known = QueueForm(request.POST)
    if known.is_valid() and not refusals.of_reader(reader):
        after = known.cleaned_data["after"]
        answer["upcoming"] = _cards(window.upcoming(reader, request.session, after=after), reader)
    return _answer(reader, answer)


def _refuse(request: HttpRequest, reader: Reader, refusal: refusals.RefusedError) -> HttpResponse:
    """Say why an act was not stored, and show where the reader is now."""
    if _wants_json(request):
        return _refused(reader, refusal, submission=request.POST.get("submission", ""))
    if page := look_back_views.ended(request, reader, refusal=refusal):
        return page
    if LookingBackForm(request.POST).is_valid():
        return look_back_views.show_graded(request, reader, refusal=refusal)
    return _show_card(request, reader, refusal=refusal.sentence, status=refusal.status)


def _answer(reader: Reader, answer: dict[str, Any], *, status: int = 200) -> JsonResponse:
    """Answer the page's script, which takes for ours only what names its reader."""
    return JsonResponse({"reader": access.name(reader), **answer}, status=status)


def _refused(
    reader: Reader, refusal: refusals.RefusedError, sentence: str = "", *, submission: str = ""
) -> JsonResponse:
    answer = {"refused": refusal.name, "error": sentence or refusal.sentence}
    response = _answer(reader, answer | ({"submission": submission} if submission else {}), status=refusal.status)
    if refusal.wait:
        response["Retry-After"] = str(refusal.wait)
    return response


def _wants_json(request: HttpRequest) -> bool:
    return request.headers.get("Accept") == "application/json"


def _first_error(form: LabelForm | UndoForm) -> str:
    return next(str(errors[0]) for errors in form.errors.values())


def _show_card(request: HttpRequest, reader: Reader, *, refusal: str = "", status: int = 200) -> HttpResponse:
    study = reader.study
    state = _state(request, reader)
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
            "ahead": window.AHEAD,
            **look_back_views.outbox(reader),
            **state,
        },
    }
    template = "labeler/grading/grade.html" if context["card"] else "labeler/grading/finished.html"
    return render(request, template, context, status=status)


def _state(request: HttpRequest, reader: Reader) -> dict[str, Any]:
    """Return where a reader is: the next images, the last ones graded, and how many of how many are done."""
    now = progress.reader_progress(reader)
    return {
        "upcoming": _cards(window.upcoming(reader, request.session), reader),
        "back": _back(reader, queries.lately_graded(reader)[:BACK]),
        "progress": {"done": now.done, "total": now.total},
    }


def _back(reader: Reader, graded: Iterable[Assignment]) -> list[dict[str, object]]:
    """Return cards of images that were graded, each with what the reader themself said."""
    graded = list(graded)
    said = ("grade", "not_gradable", "note")
    return [
        card | {name: getattr(one, name) for name in said}
        for one, card in zip(graded, _cards(graded, reader), strict=True)
    ]


def _cards(assignments: Sequence[Assignment], reader: Reader) -> list[dict[str, object]]:
    """Return all that a reader's browser may know of each assignment."""
    numbers = queries.numbers(reader, assignments)
    return [_card(one, reader.study.slug) | {"number": n} for one, n in zip(assignments, numbers, strict=True)]


def _card(assignment: Assignment, slug: str) -> dict[str, object]:
    of_image = {"slug": slug, "public_id": assignment.public_id}
    return {
        "id": str(assignment.public_id),
        "version": assignment.version,
        "image": reverse("image", kwargs=of_image),
        "long_side": max(assignment.image.width, assignment.image.height),
        "label": reverse("label", kwargs=of_image),
        "undo": reverse("undo", kwargs=of_image),
    }
