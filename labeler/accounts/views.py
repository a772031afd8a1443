"""Sign-in, sign-out, re-authentication, and the check of the session at every request."""

from collections.abc import Callable
from typing import Any

from allauth.account import views as allauth_views
from allauth.account.adapter import get_adapter
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.views.decorators.http import require_GET, require_http_methods

from labeler.accounts import break_glass, sessions
from labeler.accounts.access import AuthedRequest
from labeler.accounts.oidc import issuer
from labeler.accounts.oidc.provider import FAILURES
from labeler.accounts.sessions import SignIn, SignInNeededError
from labeler.record import audit

# Requested by a page's script again and again: not a sign of a present person.
POLLED = {"oversight_now", "intake_now", "training:run_state"}
SECOND_FACTOR = "second_factor"  # key of the session: this person has one
# What a person without a second factor may still open: the pages that set one up.
SETTING_UP = {"mfa_activate_totp", "mfa_add_webauthn", "account_reauthenticate", "account_logout", "service_worker"}
# What a person may open whose password an admin has read: the pages that change it.
CHANGING = SETTING_UP | {
    *("account_change_password", "mfa_reauthenticate", "mfa_reauthenticate_webauthn"),
    *("mfa_view_recovery_codes", "mfa_download_recovery_codes"),
}
# What may take the last one away: the next request looks anew.
TAKING_AWAY = {"mfa_deactivate_totp", "mfa_remove_webauthn"}


class Sessions(SessionMiddleware):
    """Django's, but for a session that another request has ended while this one was answered: sign in again.

    Django answers 400, which to a grading page says that its grade was not taken, when it was.
    """

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        try:
            return super().process_response(request, response)
        except SessionInterrupted:
            return redirect_to_login(request.get_full_path() if request.method == "GET" else reverse("home"))


class WatchSession:
    """Ends sessions that are over, and redirects to re-authentication or to setting up a second factor."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: Any) -> HttpResponse | None:
        del view
        if settings.SESSION_COOKIE_NAME not in request.COOKIES or not request.user.is_authenticated:
            return None
        name = request.resolver_match.view_name if request.resolver_match else ""
        if name == "oidc_callback":
            return None  # it finds out by itself what the person is now
        why = sessions.why_over(request.session, request.user, is_act=name not in POLLED)
        if why:
            audit.record(None, request.user, "session ended", reason=why)
            sessions.forget(request.session)
            get_adapter().logout(request)
        elif name not in SETTING_UP and _lacks_second_factor(request):
            return redirect("mfa_activate_totp")
        elif name not in CHANGING and request.user.password_is_given:
            return redirect("account_change_password")
        elif name in TAKING_AWAY:
            request.session.pop(SECOND_FACTOR, None)
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        del request
        if not isinstance(exception, SignInNeededError):
            return None
        return redirect(f"{reverse('sign_in_again')}?{urlencode({'next': exception.onwards})}")


@login_not_required
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    if request.method == "POST" and not settings.LOCAL_PASSWORDS:
        raise Http404
    page = allauth_views.LoginView.as_view(
        extra_context={"passwords": settings.LOCAL_PASSWORDS, "is_demo": not settings.REQUIRE_MFA}
    )
    answer: HttpResponse = page(request)
    return answer


@login_not_required
@require_http_methods(["GET", "POST"])
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session here and at the provider, and let the browser forget what it has of us.

    Not its cookies and storage: the first are those of the organisation's whole domain, in the second are grades that
    have not reached us yet, and no face.
    """
    if request.method == "GET":
        return render(request, "account/logout.html")
    id_token = sessions.forget(request.session)
    if request.user.is_authenticated:
        audit.record(None, request.user, "signed out")
    get_adapter().logout(request)
    answer = HttpResponseRedirect(_provider_sign_out(request, id_token) or reverse(settings.LOGIN_URL))
    answer["Clear-Site-Data"] = '"cache"'
    return answer


def _provider_sign_out(request: HttpRequest, id_token: str) -> str:
    if not id_token:
        return ""
    try:
        return issuer.sign_out_address(id_token, back=request.build_absolute_uri(reverse(settings.LOGIN_URL)))
    except FAILURES:
        return ""  # signed out here is the best that can be had now


@require_GET
def sign_in_again(request: AuthedRequest) -> HttpResponse:
    """Ask for a fresh sign-in, the way the person signed in, and go on from there."""
    onwards = onwards_to(request, otherwise=reverse("home"))
    signed_in = SignIn.of(request.session)
    by = signed_in.by if signed_in else "password"
    if by == "password":
        return redirect(f"{reverse('account_reauthenticate')}?{urlencode({'next': onwards})}")
    context = {"next": onwards, "by": by, "provider": settings.OIDC_NAME}
    return render(request, "account/sign_in_again.html", context)


@login_not_required
@require_http_methods(["GET", "POST"])
def open_link(request: HttpRequest, user: int, token: str) -> HttpResponse:
    """Sign in by a link of `manage.py break_glass`. Looking at it uses nothing up; only the button does."""
    if request.method == "GET":
        return render(request, "account/link.html", {"is_open": break_glass.is_open(user, token)})
    person = break_glass.use(user, token)
    if person is None:
        return render(request, "account/link.html", {"is_open": False}, status=403)
    get_adapter().login(request, person)
    sessions.begin(request.session, person, by="link")
    return redirect("home")


def change_password(request: AuthedRequest) -> HttpResponse:
    if not settings.LOCAL_PASSWORDS or not request.user.has_usable_password():
        raise Http404
    answer: HttpResponse = allauth_views.password_change(request)
    return answer


@login_not_required
@require_GET
def cancelled(request: HttpRequest) -> HttpResponse:
    """Answer a person who cancelled at the provider."""
    del request
    return redirect(settings.LOGIN_URL)


@login_not_required
@require_http_methods(["GET", "POST"])
def admin_sign_in(request: HttpRequest) -> HttpResponse:
    """Stand in for the sign-in page of Django's admin, which knows no limits and no second factor."""
    if request.user.is_authenticated:
        raise Http404
    onwards = onwards_to(request, otherwise=reverse("admin:index"))
    return redirect(f"{reverse(settings.LOGIN_URL)}?{urlencode({'next': onwards})}")


def onwards_to(request: HttpRequest, *, otherwise: str) -> str:
    """Return where the person wanted to go, if that is here."""
    wanted = request.POST.get("next") or request.GET.get("next", "")
    here = {request.get_host()}
    is_here = url_has_allowed_host_and_scheme(wanted, allowed_hosts=here, require_https=request.is_secure())
    return wanted if is_here and wanted.startswith("/") else otherwise  # `redirect` takes other words for names


def _lacks_second_factor(request: HttpRequest) -> bool:
    """Whether a person with a local password has still to set up a second factor."""
    if not settings.REQUIRE_MFA or request.session.get(SECOND_FACTOR):
        return False
    signed_in = SignIn.of(request.session)
    if signed_in is None or signed_in.by != "password":
        return False
    request.session[SECOND_FACTOR] = is_mfa_enabled(request.user)
    return not request.session[SECOND_FACTOR]
