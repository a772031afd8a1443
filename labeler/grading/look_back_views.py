"""Pages of a reader beside the light box: what they graded, to look at and change, and the end of grading."""

from uuid import uuid4

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.datastructures import MultiValueDict
from django.views.decorators.http import require_GET

from labeler.accounts import access
from labeler.accounts.access import AuthedRequest
from labeler.grading import queries, refusals
from labeler.grading.forms import LookingBackForm
from labeler.models import Label, NotGradable, Reader
from labeler.platform import keyset_pages
from labeler.studies import atlas, progress

PAGE = 12  # images: as many as a reader can take in, and their pictures come at once


@require_GET
def look_back(request: AuthedRequest, slug: str) -> HttpResponse:
    """Show everything that a reader has graded, the latest of their list first, each to be graded anew."""
    reader = access.get_reader(request, slug)
    return ended(request, reader) or show_graded(request, reader)


def show_graded(request: HttpRequest, reader: Reader, *, refusal: refusals.RefusedError | None = None) -> HttpResponse:
    """Answer the page of graded images, or the part of it that a refused act came from."""
    begins = _begins(request)
    asked = MultiValueDict({keyset_pages.AFTER: [str(begins)]}) if begins else request.GET
    page = keyset_pages.turn_to(queries.graded(reader), [keyset_pages.ID], size=PAGE, asked=asked)
    context = {
        "study": reader.study,
        "progress": progress.reader_progress(reader),
        "images": [
            {"assignment": one, "number": number, "submission": uuid4()}
            for one, number in zip(page.rows, queries.numbers(reader, page.rows), strict=True)
        ],
        "page": page,
        "begins": asked.get(keyset_pages.AFTER, "") or 0,
        "levels": atlas.levels(reader.study),
        "reasons": NotGradable.choices,
        "refusal": refusal.sentence if refusal else "",
    }
    return render(request, "labeler/grading/look_back.html", context, status=refusal.status if refusal else 200)


def ended(request: HttpRequest, reader: Reader, *, refusal: refusals.RefusedError | None = None) -> HttpResponse | None:
    """Answer that a reader grades no more, and why; None where they do."""
    reason = refusals.of_reader(reader)
    if reason is None:
        return None
    context = {"study": reader.study, "reader": reader, "reason": reason, "refusal": refusal, "page": outbox(reader)}
    return render(request, "labeler/grading/ended.html", context, status=reason.status)


def go_on(request: HttpRequest, stored: Label) -> HttpResponseRedirect:
    """Lead on from an act of a plain form: to the next image, or back to the graded ones."""
    reader = stored.assignment.reader
    form = LookingBackForm(request.POST)
    if not form.is_valid():
        return redirect("grade", slug=reader.study.slug)
    assignment = reader.assignments.get(pk=stored.assignment_id)
    (number,) = queries.numbers(reader, [assignment])
    messages.success(request, f"Image {number} of {progress.reader_progress(reader).total}: your answer is changed.")
    begins = form.cleaned_data["looking_back"]
    query = f"?{keyset_pages.AFTER}={begins}" if begins else ""
    return redirect(f"{reverse('look_back', args=[reader.study.slug])}{query}#image-{number}")


def outbox(reader: Reader) -> dict[str, str]:
    """Return what a page's script needs to send what a reader's browser kept."""
    return {"outbox": access.name(reader), "csrf_cookie": settings.CSRF_COOKIE_NAME}


def _begins(request: HttpRequest) -> int:
    """Return the position behind which the page began that an act came from; 0 for the first page, or no act."""
    form = LookingBackForm(request.POST)
    return form.cleaned_data["looking_back"] if form.is_valid() else 0
