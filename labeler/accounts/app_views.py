"""Pages for the apps that score selfies with a study's regressor: tokens and stored selfies."""

from django.contrib import messages
from django.db import transaction
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from labeler.accounts import access
from labeler.accounts.access import AuthedRequest
from labeler.accounts.forms import EraseSelfiesForm, TokenForm
from labeler.models import Study, User
from labeler.record import audit
from scoring.models import ApiToken, Regressor, Scope
from scoring.service import stored_selfies as stored_selfies_of_apps
from scoring.service import tokens, webhooks

SELFIES_SHOWN = 200  # stored selfies


@require_http_methods(["GET", "POST"])
def apps(request: AuthedRequest, slug: str) -> HttpResponse:
    """Show the tokens of a study, and make one. It stands in this answer and nowhere else."""
    study = access.get_administered_study(request, slug)
    form = TokenForm(request.POST or None)
    made = webhook_secret = ""
    if request.method == "POST":
        access.require_recent_sign_in(request)
        if form.is_valid():
            try:
                made, webhook_secret = _make(study, request.user, form)
            except tokens.TokenError as error:
                form.add_error("name", str(error))
    context = {
        "study": study,
        "form": TokenForm() if made else form,
        "made": made,
        "webhook_secret": webhook_secret,
        "name": form.cleaned_data["name"] if made else "",
        "tokens": ApiToken.objects.filter(study=study.slug)
        .select_related("made_by")
        .annotate(stored=Count("stored_selfies")),
        "is_published": Regressor.objects.filter(study=study.slug, is_active=True).exists(),
    }
    return render(request, "labeler/accounts/apps.html", context, status=422 if form.errors else 200)


@require_POST
@transaction.atomic
def revoke_token(request: AuthedRequest, slug: str, pk: int) -> HttpResponse:
    study = access.get_administered_study(request, slug)
    token = get_object_or_404(ApiToken, pk=pk, study=study.slug)
    tokens.revoke(token)
    audit.record(study, request.user, "token revoked", detail=token.name)
    messages.success(request, f"The token of {token.name} opens nothing any more.")
    return redirect("apps", slug=slug)


@require_http_methods(["GET", "POST"])
def stored_selfies(request: AuthedRequest, slug: str, pk: int) -> HttpResponse:
    """Show what an app stores here with its persons' consent, and erase one of them or all."""
    study = access.get_administered_study(request, slug)
    token = get_object_or_404(ApiToken, pk=pk, study=study.slug)
    form = EraseSelfiesForm(request.POST or None)
    if request.method == "POST":
        access.require_recent_sign_in(request)
    if form.is_valid():
        _erase_selfies(study, request.user, token, form)
        messages.success(request, "Erased: the photographs, the consents and the scores.")
        return redirect("stored_selfies", slug=slug, pk=pk)
    context = {
        "study": study,
        "token": token,
        "selfies": token.stored_selfies.order_by("-pk")[:SELFIES_SHOWN],
        "form": form,
    }
    context["total"] = token.stored_selfies.count()
    return render(request, "labeler/accounts/stored_selfies.html", context, status=422 if form.errors else 200)


@transaction.atomic
def _erase_selfies(study: Study, by: User, token: ApiToken, form: EraseSelfiesForm) -> None:
    public_id = form.cleaned_data["selfie"]
    chosen = token.stored_selfies.filter(public_id=public_id) if public_id else token.stored_selfies.all()
    detail = f"{stored_selfies_of_apps.erase(chosen)} of {token.name}"
    audit.record(study, by, "erased stored selfies", detail=detail, reason=form.cleaned_data["reason"])


@transaction.atomic
def _make(study: Study, by: User, form: TokenForm) -> tuple[str, str]:
    """Return the token, and what its webhooks are signed with where it may have any."""
    token, plaintext = tokens.make(study=study.slug, made_by=by, **form.wanted())
    audit.record(study, by, "token made", detail=f"{token.name}: {', '.join(token.scopes)}")
    return plaintext, webhooks.secret(token) if Scope.BATCH in token.scopes else ""
