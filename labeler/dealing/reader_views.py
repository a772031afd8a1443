"""Who reads a study: adding people before it is dealt, joining and leaving while it runs."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from labeler.accounts import access
from labeler.accounts.access import AuthedRequest
from labeler.dealing import redealing
from labeler.dealing.folds import DealError
from labeler.dealing.forms import ActForm, CapacityForm, NewReaderForm
from labeler.models import Study, User
from labeler.studies import progress, studies
from labeler.studies.studies import StudyError


@login_required
@require_http_methods(["GET", "POST"])
def readers(request: AuthedRequest, slug: str) -> HttpResponse:
    """Show the readers of a study, and add one."""
    study = access.get_administered_study(request, slug)
    form = NewReaderForm(request.POST or None)
    if form.is_valid():
        try:
            said = _add(study, request.user, **form.cleaned_data)
        except (StudyError, DealError) as error:
            form.add_error("username", str(error))
        else:
            messages.success(request, said)
            return redirect("readers", slug=slug)
    context = {"study": study, "readers": progress.readers_with_progress(study), "form": form}
    return render(request, "labeler/dealing/readers.html", context, status=422 if form.errors else 200)


@transaction.atomic
def _add(study: Study, by: User, *, username: str, capacity: int | None) -> str:
    """Add a reader, or let them join a running study; say what came of it."""
    user, password = User.objects.filter(username=username).first(), ""
    if user is None:
        user, password = studies.create_account(username=username)
    reader = redealing.admit(study=study, user=user, capacity=capacity, by=by)
    said = f"{username} reads the study as {reader.code}."
    return f"{said} A new account; its password, shown this once: {password}" if password else said


@login_required
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


@login_required
@require_http_methods(["GET", "POST"])
def leave(request: AuthedRequest, slug: str, code: str) -> HttpResponse:
    """Ask why a reader leaves, and hand their images over."""
    study = access.get_administered_study(request, slug)
    reader = get_object_or_404(study.readers.select_related("study"), code=code, left_at=None)
    form = ActForm(request.POST or None)
    if form.is_valid():
        try:
            redealing.leave(reader=reader, by=request.user, **form.cleaned_data)
        except DealError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"{code} has left; what was undone is handed over.")
            return redirect("dealing", slug=slug)
    context = {"study": study, "reader": reader, "form": form, "progress": progress.reader_progress(reader)}
    return render(request, "labeler/dealing/leave.html", context, status=422 if form.errors else 200)
