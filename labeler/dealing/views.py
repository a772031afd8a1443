"""Dealing a study, looking at the proof sheet first, and changing its lists later."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from labeler.accounts import access
from labeler.accounts.access import AuthedRequest
from labeler.dealing import folds, proof_sheet, redealing
from labeler.dealing.folds import DealError
from labeler.dealing.forms import ActForm, DealForm, DesignForm
from labeler.models import Study


@login_required
@require_GET
def dealing(request: AuthedRequest, slug: str) -> HttpResponse:
    """Show the proof sheet of a design, or of a dealt study what was done to its lists."""
    study = access.get_administered_study(request, slug)
    if study.dealt_at:
        return _dealt(request, study, ActForm())
    form = DesignForm(request.GET.dict(), study=study)
    return _preview(request, study, form)


@login_required
@require_POST
def deal(request: AuthedRequest, slug: str) -> HttpResponse:
    study = access.get_administered_study(request, slug)
    form, seen = DesignForm(request.POST.dict(), study=study), DealForm(request.POST)
    if not (form.is_valid() and seen.is_valid()):
        return _preview(request, study, form)
    try:
        folds.deal(study=study, design=form.design(), by=request.user, digest=seen.cleaned_data["digest"])
    except DealError as error:
        messages.error(request, str(error))
        return _preview(request, study, form, status=409)
    messages.success(request, "The study is dealt. Its readers can begin.")
    return redirect("dealing", slug=slug)


@login_required
@require_POST
def deal_later_images(request: AuthedRequest, slug: str) -> HttpResponse:
    study = access.get_administered_study(request, slug)
    form = ActForm(request.POST)
    if not form.is_valid():
        return _dealt(request, study, form, status=422)
    try:
        act = redealing.add_images(study=study, by=request.user, **form.cleaned_data)
    except DealError as error:
        form.add_error(None, str(error))
        return _dealt(request, study, form, status=409)
    messages.success(request, f"{act.assignments.count()} images went into the lists.")
    return redirect("dealing", slug=slug)


@login_required
@require_POST
def take_back(request: AuthedRequest, slug: str) -> HttpResponse:
    """Undo the latest act."""
    study = access.get_administered_study(request, slug)
    form = ActForm(request.POST)
    latest = redealing.latest(study)
    if latest is None or not form.is_valid():
        return _dealt(request, study, form, status=422)
    try:
        redealing.take_back(dealing=latest, by=request.user, **form.cleaned_data)
    except DealError as error:
        form.add_error(None, str(error))
        return _dealt(request, study, form, status=409)
    messages.success(request, "It is taken back.")
    return redirect("dealing", slug=slug)


def _preview(request: AuthedRequest, study: Study, form: DesignForm, *, status: int = 200) -> HttpResponse:
    sheet, refusal = None, ""
    if form.is_valid():
        try:
            sheet = proof_sheet.proof(folds.plan(study, form.design()))
        except DealError as error:
            refusal = str(error)
    context = {"study": study, "form": form, "sheet": sheet, "refusal": refusal}
    return render(request, "labeler/dealing/deal.html", context, status=422 if form.errors else status)


def _dealt(request: AuthedRequest, study: Study, form: ActForm, *, status: int = 200) -> HttpResponse:
    context = {
        "study": study,
        "form": form,
        "acts": study.dealings.select_related("dealt_by", "reader"),
        "latest": redealing.latest(study),
        "stays": redealing.STAYS,
        "waiting": len(folds.undealt(study).images),
    }
    return render(request, "labeler/dealing/dealt.html", context, status=status)
