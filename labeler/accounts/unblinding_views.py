"""The pages that ask for the reason of unblinding, and whether a person who oversees a study accepts to read it."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods

from labeler.accounts import access, unblinding
from labeler.accounts.access import AuthedRequest
from labeler.accounts.forms import AcceptForm, ReasonForm
from labeler.accounts.views import onwards_to


class AskForReason:
    """Redirects to the page that asks for a reason or an acceptance, and from there to the page that was wanted.

    A reading list's script is told in JSON, like all that it is told.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, access.RoleTakenError | unblinding.AcceptanceNeededError) and _is_script(request):
            # It settles no grade: what waits in the browser is sent when the person reads again.
            answer = {"reader": access.name(exception.reader), "refused": exception.name, "error": str(exception)}
            return JsonResponse(answer, status=403)
        if isinstance(exception, unblinding.AcceptanceNeededError):
            return redirect("accept_reading", slug=exception.reader.study.slug)
        if not isinstance(exception, unblinding.ReasonNeededError):
            return None
        # A form that was sent can't be sent again by a link: such a person begins at the study's page.
        onwards = request.get_full_path() if request.method == "GET" else ""
        return redirect(f"{reverse('unblind', args=[exception.study.slug])}?{urlencode({'next': onwards})}")


def _is_script(request: HttpRequest) -> bool:
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


@require_http_methods(["GET", "POST"])
def unblind(request: AuthedRequest, slug: str) -> HttpResponse:
    """Ask for the reason, keep it, and go on."""
    study = access.get_overseen_study(request, slug)
    access.require_recent_sign_in(request)
    form = ReasonForm(request.POST or None)
    onwards = onwards_to(request, otherwise=reverse("study", args=[slug]))
    if form.is_valid():
        unblinding.unblind(study=study, user=request.user, session=request.session, **form.cleaned_data)
        return redirect(onwards)
    context = {"study": study, "form": form, "next": onwards}
    return render(request, "labeler/accounts/unblind.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
def accept_reading(request: AuthedRequest, slug: str) -> HttpResponse:
    """Tell a person who oversees a study what they will no longer see while they read it, and ask."""
    reader = access.get_place(request, slug)
    if reader.accepted_at or reader.left_at or reader.study.closed_at:
        return redirect("grade", slug=slug)
    has_unblinded = unblinding.has_unblinded(reader.study, request.user)
    sent = request.POST if request.method == "POST" else None
    form = AcceptForm(sent, has_looked=unblinding.has_looked(reader.study, request.user))
    if form.is_valid() and not has_unblinded:
        unblinding.accept_knowingly(reader, reason=form.cleaned_data.get("reason", ""))
        return redirect("grade", slug=slug)
    context = {"study": reader.study, "form": form, "has_unblinded": has_unblinded}
    return render(request, "labeler/accounts/accept_reading.html", context, status=422 if form.errors else 200)
