"""Pages of an import: upload in pieces, progress, retries."""

from typing import Any

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.db.models import Count
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import conditional_page, require_GET, require_http_methods, require_POST

from labeler.accounts import access
from labeler.accounts.access import AuthedRequest
from labeler.images import buckets
from labeler.images.buckets import BucketError
from labeler.intake import metadata, metadata_tables, uploads, waiting_tables
from labeler.intake.forms import MetadataForm, PieceForm, PlaceForm, SeenForm
from labeler.intake.importing import IntakeError
from labeler.intake.metadata import Answers, JoinReport
from labeler.models import Intake, IntakeFile, Study
from labeler.platform.spreadsheets import TableError
from labeler.tasks import import_files
from scoring.photograph import formats
from scoring.platform.jobs import send

State = IntakeFile.State

REFUSALS = 500  # on a page
UNSENT = {State.UPLOADING, State.WAITING}


@require_http_methods(["GET", "POST"])
def intake(request: AuthedRequest, slug: str) -> HttpResponse:
    """Show how photographs get in, and take files that a browser without scripts sends at once."""
    study = access.get_administered_study(request, slug)
    if request.method == "POST":
        return _take_whole_files(request, study)
    return _page(request, study, MetadataForm())


@require_POST
def import_place(request: AuthedRequest, slug: str) -> HttpResponse:
    """Import what lies at a place in object storage."""
    study = access.get_administered_study(request, slug)
    form = PlaceForm(request.POST)
    if form.is_valid():
        try:
            into = uploads.begin_bucket(study=study, place=form.cleaned_data["place"], by=request.user)
        except (IntakeError, BucketError) as error:
            messages.error(request, str(error))
        else:
            send(import_files, into.pk)
            return redirect("intake_progress", slug=slug, pk=into.pk)
    return redirect("intake", slug=slug)


def _page(request: AuthedRequest, study: Study, form: MetadataForm, *, status: int = 200, **more: Any) -> HttpResponse:
    context = {
        "study": study,
        "formats": formats.ALL_OF_THEM,
        "accept": formats.ACCEPT,
        "images": study.images.count(),
        "turned": study.images.filter(turn__gt=0, is_turned_by_hand=False).count(),
        "intakes": study.intakes.select_related("requested_by").annotate(n=Count("files"))[:20],
        "form": form,
        "places": buckets.allowed(),
        **more,
    }
    return render(request, "labeler/intake/intake.html", context, status=status)


def _take_whole_files(request: AuthedRequest, study: Study) -> HttpResponse:
    files = request.FILES.getlist("files")
    if not files:
        messages.error(request, "Choose at least one file.")
        return redirect("intake", slug=study.slug)
    try:
        into = uploads.begin(study=study, by=request.user)
    except IntakeError as error:
        messages.error(request, str(error))
        return redirect("intake", slug=study.slug)
    for file in files:
        name, size = file.name or "", file.size or 0
        try:
            _take(into, file, name, size)
        except uploads.UploadError as error:
            uploads.refuse(into, name=name, size=size, reason=str(error))
    uploads.finish(into)
    send(import_files, into.pk)
    return redirect("intake_progress", slug=study.slug, pk=into.pk)


def _take(into: Intake, file: "UploadedFile[Any]", name: str, size: int) -> None:
    """Take a whole file, piece by piece as from other browsers. Raises UploadError."""
    here, mark = 0, uploads.mark_of(file)
    while True:
        here = uploads.receive(into, name=name, size=size, offset=here, body=file, mark=mark)
        if here >= size:
            return


@require_POST
def begin(request: AuthedRequest, slug: str) -> HttpResponse:
    study = access.get_administered_study(request, slug)
    try:
        into = uploads.begin(study=study, by=request.user)
    except IntakeError as error:
        return JsonResponse({"detail": str(error)}, status=409)
    place = [slug, into.pk]
    return JsonResponse({"upload": reverse("upload", args=place), "progress": reverse("intake_progress", args=place)})


@require_http_methods(["GET", "POST"])
def upload(request: AuthedRequest, slug: str, pk: int) -> HttpResponse:
    """Say how much of a file is here, or take its next piece, which is the request's body."""
    into = _intake(request, slug, pk)
    form = PieceForm(request.GET)
    if not form.is_valid():
        return JsonResponse({"detail": "A piece needs the file's name, its size and an offset."}, status=422)
    name, size, mark = (form.cleaned_data[field] for field in ("name", "size", "mark"))
    if request.method == "GET":
        return JsonResponse({"here": uploads.received(into, name=name, size=size, mark=mark)})
    offset = form.cleaned_data["offset"] or 0
    try:
        here = uploads.receive(into, name=name, size=size, offset=offset, body=request, mark=mark)
    except uploads.UploadError as error:
        uploads.refuse(into, name=name, size=size, reason=str(error))
        return JsonResponse({"detail": str(error)}, status=422)
    if here == size:
        send(import_files, into.pk)
    return JsonResponse({"here": here})


@require_POST
def finish(request: AuthedRequest, slug: str, pk: int) -> HttpResponse:
    """The browser has sent all of its files."""
    into = _intake(request, slug, pk)
    uploads.finish(into)
    send(import_files, into.pk)
    return redirect("intake_progress", slug=slug, pk=pk)


@require_POST
def again(request: AuthedRequest, slug: str, pk: int) -> HttpResponse:
    """Have what was given up imported again."""
    into = _intake(request, slug, pk)
    if uploads.retry(into, by=request.user):
        send(import_files, into.pk)
    return redirect("intake_progress", slug=slug, pk=pk)


@require_GET
def progress(request: AuthedRequest, slug: str, pk: int) -> HttpResponse:
    into = _intake(request, slug, pk)
    refused = into.files.filter(state=State.REFUSED).order_by("name")[:REFUSALS]
    return render(
        request,
        "labeler/intake/intake_progress.html",
        {
            "study": into.study,
            "intake": into,
            "now": _now(into),
            "refused": refused,
            "copies": uploads.copies(into)[:REFUSALS],
            "set_aside": uploads.set_aside().filter(intake=into).count(),
        },
    )


@conditional_page
@require_GET
@cache_control(private=True, no_cache=True)
def progress_now(request: AuthedRequest, slug: str, pk: int) -> HttpResponse:
    return JsonResponse(_now(_intake(request, slug, pk)))


def _now(into: Intake) -> dict[str, Any]:
    counts = dict(into.files.exclude(state=State.UNPACKED).order_by().values_list("state").annotate(n=Count("pk")))
    waiting = sum(n for state, n in counts.items() if state in UNSENT)
    total = sum(counts.values())
    return {
        "total": total,
        "done": total - waiting,
        "imported": counts.get(State.IMPORTED, 0),
        "known": counts.get(State.KNOWN, 0),
        "refused": counts.get(State.REFUSED, 0),
        "is_over": not waiting and not into.is_uploading,
    }


@require_POST
def join_metadata(request: AuthedRequest, slug: str) -> HttpResponse:
    """Show what a table would write into the study's images, and write it when that has been seen."""
    study = access.get_administered_study(request, slug)
    if "ticket" in request.POST:
        return _go_on_with_metadata(request, study)
    form = MetadataForm(request.POST, request.FILES)
    if not form.is_valid():
        return _page(request, study, form, status=422)
    ticket, path = waiting_tables.keep(form.cleaned_data["table"], study=study, by=request.user)
    try:
        report = metadata.preview(study=study, table=metadata_tables.read(path))
    except TableError as error:
        path.unlink(missing_ok=True)
        form.add_error("table", str(error))
        return _page(request, study, form, status=422)
    return _report_page(request, study, report, ticket=ticket)


def _report_page(
    request: AuthedRequest, study: Study, report: JoinReport, *, ticket: str = "", answers: Answers | None = None
) -> HttpResponse:
    """Show what a table would write, with a ticket to write it; or without, what it wrote."""
    said = sorted(report.consents.items())
    return _page(request, study, MetadataForm(), report=report, ticket=ticket, answers=answers, consents=said)


def _go_on_with_metadata(request: AuthedRequest, study: Study) -> HttpResponse:
    """Write what has been seen, or show it again with what was answered."""
    form = SeenForm(request.POST)
    answers, ticket = form.answers(), request.POST["ticket"]
    seen = form.cleaned_data["seen"] if form.is_valid() else ""
    try:
        path = waiting_tables.find(ticket, study=study, by=request.user)
        table = metadata_tables.read(path)
        if not seen:
            report = metadata.preview(study=study, table=table, answers=answers)
            return _report_page(request, study, report, ticket=ticket, answers=answers)
        report = metadata.join(study=study, table=table, seen=seen, answers=answers, by=request.user)
    except TableError as error:
        messages.error(request, str(error))
        return redirect("intake", slug=study.slug)
    except metadata.SeenError as error:
        messages.error(request, str(error))
        return _report_page(request, study, error.report, ticket=ticket, answers=answers)
    path.unlink(missing_ok=True)
    return _report_page(request, study, report)


def _intake(request: AuthedRequest, slug: str, pk: int) -> Intake:
    study = access.get_administered_study(request, slug)
    return get_object_or_404(study.intakes.select_related("study"), pk=pk)
