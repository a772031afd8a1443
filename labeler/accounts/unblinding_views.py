"""The page that asks for the reason of unblinding."""

from collections.abc import Callable

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods

from labeler.accounts import access, unblinding
from labeler.accounts.access import AuthedRequest
from labeler.accounts.forms import ReasonForm
from labeler.accounts.views import onwards_to


class AskForReason:
    """Redirects a person without a reason to the page that asks for it, and from there to the page they wanted."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, unblinding.ReasonNeededError):
            return None
        # A form that was sent can't be sent again by a link: such a person begins at the study's page.
        onwards = request.get_full_path() if request.method == "GET" else ""
        return redirect(f"{reverse('unblind', args=[exception.study.slug])}?{urlencode({'next': onwards})}")


@login_required
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
