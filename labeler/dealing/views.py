"""Pages for a study's readers, for the deal with its proof sheet, and for later changes."""

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from labeler.accounts import access, unblinding
from labeler.accounts.access import AuthedRequest
from labeler.dealing import changes, folds, joining_and_leaving, new_images, proof_sheet, remaining_lists, undo
from labeler.dealing.folds import DealError
from labeler.dealing.forms import ActForm, CapacityForm, DealForm, DesignForm, NewReaderForm
from labeler.models import Study, User
from labeler.studies import progress, studies
from labeler.studies.studies import StudyError


@require_GET
def dealing(request: AuthedRequest, slug: str) -> HttpResponse:
    """Show the proof sheet of a design, or of a dealt study what was done to its lists."""
    study = access.get_administered_study(request, slug)
    if study.dealt_at:
        return _dealt(request, study, ActForm())
    form = DesignForm(request.GET.dict(), study=study)
    return _preview(request, study, form)


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


@require_POST
def deal_later_images(request: AuthedRequest, slug: str) -> HttpResponse:
    study = access.get_administered_study(request, slug)
    form = ActForm(request.POST)
    if not form.is_valid():
        return _dealt(request, study, form, status=422)
    try:
        act = new_images.add_images(study=study, by=request.user, **form.cleaned_data)
    except DealError as error:
        form.add_error(None, str(error))
        return _dealt(request, study, form, status=409)
    messages.success(request, f"{act.assignments.count()} images went into the lists.")
    return redirect("dealing", slug=slug)


@require_POST
def take_back(request: AuthedRequest, slug: str) -> HttpResponse:
    """Undo the latest act."""
    study = access.get_administered_study(request, slug)
    form = ActForm(request.POST)
    latest = changes.latest(study)
    if latest is None or not form.is_valid():
        return _dealt(request, study, form, status=422)
    try:
        undo.take_back(dealing=latest, by=request.user, **form.cleaned_data)
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
        "latest": changes.latest(study),
        "stays": remaining_lists.STAYS,
        "waiting": len(folds.undealt(study).images),
    }
    return render(request, "labeler/dealing/dealt.html", context, status=status)


@require_http_methods(["GET", "POST"])
def readers(request: AuthedRequest, slug: str) -> HttpResponse:
    """Show the readers of a study, and add one."""
    study = access.get_administered_study(request, slug)
    form = NewReaderForm(request.POST or None, by=request.user)
    if form.is_valid():
        try:
            username, capacity = form.cleaned_data["username"], form.cleaned_data["capacity"]
            said = _add(study, request.user, username=username, capacity=capacity)
        except (StudyError, DealError) as error:
            form.add_error("username", str(error))
        else:
            messages.success(request, said)
            return redirect("readers", slug=slug)
    looked = unblinding.readers_who_looked(study)
    readers = [(reader, looked.get(reader.pk, "")) for reader in progress.readers_with_progress(study)]
    context = {"study": study, "readers": readers, "form": form}
    return render(request, "labeler/dealing/readers.html", context, status=422 if form.errors else 200)


@transaction.atomic
def _add(study: Study, by: User, *, username: str, capacity: int | None) -> str:
    """Add a reader, or let them join a running study; say what came of it."""
    user, password = User.objects.filter(username=username).first(), ""
    if user is None:
        user, password = studies.create_account(username=username)
    reader = joining_and_leaving.admit(study=study, user=user, capacity=capacity, by=by)
    said = f"{username} reads the study as {reader.code}."
    if access.oversees(user, study):
        said = (
            f"{username} is {reader.code}, and runs or audits this study. They are asked to accept before they read; "
            "until then they see what they see now."
        )
    return f"{said} A new account; its password, shown this once: {password}" if password else said


@require_POST
def set_capacity(request: AuthedRequest, slug: str, code: str) -> HttpResponse:
    study = access.get_administered_study(request, slug)
    reader = get_object_or_404(study.readers, code=code)
    form = CapacityForm(request.POST)
    if form.is_valid():
        studies.set_capacity(reader=reader, by=request.user, **form.cleaned_data)
        messages.success(request, f"{code} takes {form.cleaned_data['capacity'] or 'any number of'} images.")
    else:
        messages.error(request, "A capacity is a number of images, or empty for no limit.")
    return redirect("readers", slug=slug)


@require_http_methods(["GET", "POST"])
def leave(request: AuthedRequest, slug: str, code: str) -> HttpResponse:
    """Ask why a reader leaves, and hand their images over."""
    study = access.get_administered_study(request, slug)
    reader = get_object_or_404(study.readers.select_related("study"), code=code, left_at=None)
    form = ActForm(request.POST or None)
    if form.is_valid():
        try:
            joining_and_leaving.leave(reader=reader, by=request.user, **form.cleaned_data)
        except DealError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"{code} has left; what was undone is handed over.")
            return redirect("dealing", slug=slug)
    context = {"study": study, "reader": reader, "form": form, "progress": progress.reader_progress(reader)}
    return render(request, "labeler/dealing/leave.html", context, status=422 if form.errors else 200)
