"""Pages for consent, erasure and retention."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from labeler import tasks
from labeler.accounts import access
from labeler.accounts.access import AuthedRequest
from labeler.images import consents, subjects
from labeler.models import Consent, Erasure, Study
from labeler.platform import keyset_pages
from labeler.privacy import erasing, taking_out
from labeler.privacy.forms import ConsentForm, EraseForm, PolicyForm, SubjectsForm, TakingOutForm
from labeler.studies import retention
from scoring.platform.jobs import send

PAGE = 50  # subjects
ERASURES = 20
QUEUED = "The queue can't be reached. The erasure is kept and starts when the queue is back."


@require_GET
def privacy(request: AuthedRequest, slug: str) -> HttpResponse:
    """Show consents, finished erasures and coming ones."""
    study = access.get_administered_study(request, slug)
    return _privacy(request, study, PolicyForm.of(study))


@require_POST
def set_policy(request: AuthedRequest, slug: str) -> HttpResponse:
    """Say whether silence is consent, and how long photographs stay."""
    study = access.get_administered_study(request, slug)
    form = PolicyForm(request.POST)
    if not form.is_valid():
        return _privacy(request, study, form, status=422)
    consents.require(study, is_needed=form.cleaned_data["needs_consent"], by=request.user)
    retention.set_time(study=study, by=request.user, **form.time())
    messages.success(request, "Kept.")
    return redirect("privacy", slug=slug)


@require_http_methods(["GET", "POST"])
def person(request: AuthedRequest, slug: str, pk: int) -> HttpResponse:
    """Show the person in an image, and write down what they agree to. No address ever names them."""
    image = access.get_overseen_image(request, slug, pk)
    study = image.study
    if image.is_erased:
        return redirect("erasure", slug=slug, pk=image.erased.erasure_id)
    said = consents.history(study, image.subject) if image.subject else Consent.objects.none()
    form = ConsentForm(request.POST or None, initial={"scopes": said[0].scopes if said else []})
    if image.subject and form.is_valid():
        consents.record(study=study, subject=image.subject, by=request.user, **form.cleaned_data)
        messages.success(request, "Recorded.")
        return redirect("person", slug=slug, pk=pk)
    context = {
        "study": study,
        "image": image,
        "images": subjects.images_of_person(image),
        "said": said,
        "form": form,
    }
    return render(request, "labeler/privacy/person.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
def take_out(request: AuthedRequest, slug: str, pk: int) -> HttpResponse:
    """Take an image out of its study or back in, for a reason. The page is the same whatever the image is."""
    image = access.get_overseen_image(request, slug, pk)
    if image.is_erased:
        return redirect("erasure", slug=slug, pk=image.erased.erasure_id)
    form = TakingOutForm(request.POST or None, initial={"is_taken_out": image.is_taken_out})
    if form.is_valid():
        was_out = form.cleaned_data["is_taken_out"]
        act = taking_out.take_back if was_out else taking_out.take_out
        if act(image=image, reason=form.cleaned_data["reason"], by=request.user):
            messages.success(request, "It is back in the study." if was_out else "It is out of the study.")
        return redirect("take_out", slug=slug, pk=pk)
    context = {"study": image.study, "image": image, "form": form, "acts": taking_out.history(image)}
    return render(request, "labeler/privacy/take_out.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
def erase(request: AuthedRequest, slug: str, pk: int) -> HttpResponse:
    """Erase the person in an image, after a reason and a fresh sign-in."""
    image = access.get_overseen_image(request, slug, pk)
    access.require_recent_sign_in(request)
    if image.is_erased:
        return redirect("erasure", slug=slug, pk=image.erased.erasure_id)
    study, images = image.study, subjects.images_of_person(image)
    form = EraseForm(request.POST or None)
    if form.is_valid():
        reason = form.cleaned_data["reason"]
        asked = erasing.request(study=study, images=images, subject=image.subject, reason=reason, by=request.user)
        if not send(tasks.erase, asked.pk):
            messages.warning(request, QUEUED)
        return redirect("erasure", slug=slug, pk=asked.pk)
    context = {
        "study": study,
        "image": image,
        "images": images,
        "elsewhere": erasing.elsewhere(study, images),
        "form": form,
    }
    return render(request, "labeler/privacy/erase.html", context, status=422 if form.errors else 200)


@require_GET
def erasure(request: AuthedRequest, slug: str, pk: int) -> HttpResponse:
    """Show an erasure's certificate, or how far it is."""
    erasure = _get_erasure(request, slug, pk)
    context = {
        "study": erasure.study,
        "erasure": erasure,
        "certificate": _certificate(request, erasure),
        "is_auditor": not access.administers(request.user, erasure.study),
    }
    return render(request, "labeler/privacy/erasure.html", context)


@require_GET
def certificate(request: AuthedRequest, slug: str, pk: int) -> HttpResponse:
    """Answer the certificate for programs; empty until the erasure is over."""
    erasure = _get_erasure(request, slug, pk)
    answer = JsonResponse(_certificate(request, erasure), json_dumps_params={"indent": 2, "ensure_ascii": False})
    answer["Content-Disposition"] = f'attachment; filename="{slug}-erasure-{pk}.json"'
    return answer


@require_POST
def retry_erasure(request: AuthedRequest, slug: str, pk: int) -> HttpResponse:
    """Have an erasure that failed done again."""
    study = access.get_administered_study(request, slug)
    erasure = get_object_or_404(study.erasures, pk=pk)
    if erasing.retry(erasure, by=request.user) and not send(tasks.erase, erasure.pk):
        messages.warning(request, QUEUED)
    return redirect("erasure", slug=slug, pk=pk)


def _certificate(request: AuthedRequest, erasure: Erasure) -> dict[str, Any]:
    return erasing.certificate_of(erasure, with_counts=access.may_see_golden(request, erasure.study))


def _get_erasure(request: AuthedRequest, slug: str, pk: int) -> Erasure:
    study = access.get_audited_study(request, slug)
    return get_object_or_404(study.erasures.select_related("study", "requested_by"), pk=pk)


def _privacy(request: AuthedRequest, study: Study, policy: PolicyForm, *, status: int = 200) -> HttpResponse:
    asked = SubjectsForm(request.GET)
    found = subjects.with_images(study, beginning=asked.cleaned_data["name"] if asked.is_valid() else "")
    page = keyset_pages.turn_to(found, [keyset_pages.TEXT], size=PAGE, asked=request.GET)
    context: dict[str, Any] = {
        "study": study,
        "counts": consents.counts(study),
        "policy": policy,
        "due": retention.due_on(study),
        "is_near": retention.is_near(study),
        "asked": asked,
        "people": consents.with_latest(study, page.rows),
        "page": page,
        "erasures": study.erasures.select_related("requested_by")[:ERASURES],
    }
    return render(request, "labeler/privacy/privacy.html", context, status=status)
