"""What a browser can ask for: each view gates, validates, does and answers."""

from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.files.storage import default_storage
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_GET, require_POST

from labeler import access, grading, progress, renditions
from labeler.access import AuthedRequest
from labeler.forms import ImageForm, LabelForm, QueueForm, UndoForm
from labeler.models import Assignment, NotGradable, Reader

AHEAD = 4  # images told to the page at once: the one on the screen and three to fetch ahead
BACK = 20  # images a reader can look back at


@login_required
@require_GET
def home(request: AuthedRequest) -> HttpResponse:
    readerships = request.user.readerships.select_related("study").order_by("study__title")
    lists = [(reader, progress.reader_progress(reader)) for reader in readerships]
    studies = access.administered_studies(request.user).order_by("title")
    return render(request, "labeler/home.html", {"lists": lists, "studies": studies})


@login_required
@require_GET
@cache_control(private=True, no_store=True)
def grade(request: AuthedRequest, slug: str) -> HttpResponse:
    return _show_card(request, access.get_reader(request, slug))


@login_required
@require_GET
@cache_control(private=True, no_store=True)
def queue(request: AuthedRequest, slug: str) -> HttpResponse:
    """Answer the next images after the one that the page names, or the first ones."""
    reader = access.get_reader(request, slug)
    form = QueueForm(request.GET)
    after = access.get_assignment(reader, form.cleaned_data["after"]) if form.is_valid() else None
    ahead = grading.upcoming(reader, after=after)[:AHEAD]
    return JsonResponse({"upcoming": [_public(assignment, slug) for assignment in ahead]})


@login_required
@require_GET
@cache_control(private=True, no_store=True)
def image(request: AuthedRequest, slug: str, public_id: UUID) -> FileResponse:
    """Answer the image of one of the reader's own assignments, alike for golden and ordinary ones."""
    image = access.get_assignment(access.get_reader(request, slug), public_id).image
    form = ImageForm(request.GET)
    if not form.is_valid() or not image.has_file:
        raise Http404
    size = renditions.smallest_of_at_least(form.cleaned_data["size"], long_side=max(image.width, image.height))
    file = default_storage.open(renditions.storage_name(image.rendition, size))
    response = FileResponse(file, content_type="image/webp")
    response["Content-Disposition"] = "inline"
    response["Content-Security-Policy"] = "sandbox"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    return response


@login_required
@require_POST
def label(request: AuthedRequest, slug: str, public_id: UUID) -> HttpResponse:
    reader = access.get_reader(request, slug)
    assignment = access.get_assignment(reader, public_id)
    form = LabelForm(request.POST, study=reader.study)
    if not form.is_valid():
        return _refuse(request, reader, _first_error(form), status=422)
    return _record(request, reader, assignment, form)


@login_required
@require_POST
def undo(request: AuthedRequest, slug: str, public_id: UUID) -> HttpResponse:
    reader = access.get_reader(request, slug)
    assignment = access.get_assignment(reader, public_id)
    form = UndoForm(request.POST)
    if not form.is_valid():
        return _refuse(request, reader, _first_error(form), status=422)
    return _record(request, reader, assignment, form)


def _record(request: HttpRequest, reader: Reader, assignment: Assignment, form: LabelForm | UndoForm) -> HttpResponse:
    try:
        stored = grading.record_label(assignment=assignment, **form.act())
    except grading.OutdatedVersionError:
        return _refuse(request, reader, "This image was graded in another window. Here is your next one.", status=409)
    except grading.ReusedSubmissionError:
        return _refuse(request, reader, "This submission was used before with another grade.", status=422)
    if not _wants_json(request):
        return redirect("grade", slug=reader.study.slug)
    return JsonResponse({"version": stored.version})


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
    ahead = list(grading.upcoming(reader)[:AHEAD])
    back = list(grading.lately_graded(reader)[:BACK])
    now = progress.reader_progress(reader)
    context = {
        "study": study,
        "assignment": ahead[0] if ahead else None,
        "last": back[0] if back else None,
        "submission": uuid4(),
        "undo_submission": uuid4(),
        "levels": study.grade_levels.all(),
        "reasons": NotGradable.choices,
        "progress": now,
        "refusal": refusal,
        "page": {
            "queue": reverse("queue", args=[study.slug]),
            "ahead": AHEAD,
            "outbox": f"outbox {study.slug} {reader.code}",
            "upcoming": [_public(assignment, study.slug) for assignment in ahead],
            "back": [_public(assignment, study.slug) | _own_label(assignment) for assignment in back],
            "csrf_cookie": settings.CSRF_COOKIE_NAME,
            "progress": {"done": now.done, "total": now.total},
        },
    }
    return render(request, "labeler/grade.html" if ahead else "labeler/finished.html", context, status=status)


def _public(assignment: Assignment, slug: str) -> dict[str, object]:
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


@login_required
@require_GET
def study(request: AuthedRequest, slug: str) -> HttpResponse:
    study = access.get_administered_study(request, slug)
    context = {"study": study, "readers": progress.readers_with_progress(study), "images": progress.image_counts(study)}
    return render(request, "labeler/study.html", context)
