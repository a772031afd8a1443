"""allauth's OpenID Connect provider with the checks of `id_tokens`.

Stock allauth sends no nonce, believes an ID token without its signature, takes any discovery document, and passes
`?scope=`, `?auth_params=` and `?process=connect` of a request on.
"""

from typing import Any

from allauth.account.utils import get_next_redirect_url
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.base.constants import AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.utils import generate_code_challenge
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from labeler.accounts import people
from labeler.accounts.oidc import id_tokens, issuer
from labeler.accounts.oidc.id_tokens import Claims, UnbelievableError
from labeler.accounts.oidc.issuer import RefusedError, Tokens, UnreachableError

PROVIDER_ID = "oidc"
FAILURES = (UnbelievableError, RefusedError, UnreachableError)


class Adapter(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    """The way from the provider's answer to a person, every step of it checked."""

    @property
    def openid_config(self) -> dict[str, Any]:
        try:
            return issuer.discovery()
        except FAILURES as error:
            raise OAuth2Error(str(error)) from error

    def get_callback_url(self, request: HttpRequest, app: object) -> str:
        del app
        return request.build_absolute_uri(reverse("oidc_callback"))

    def get_access_token_data(
        self, request: HttpRequest, app: object, client: object, pkce_code_verifier: str | None = None
    ) -> dict[str, Any]:
        del client
        if not pkce_code_verifier or request.GET.get("iss", settings.OIDC_ISSUER) != settings.OIDC_ISSUER:
            raise OAuth2Error("This answer does not belong to a sign-in that began here.")
        try:
            tokens = issuer.redeem(
                request.GET["code"], verifier=pkce_code_verifier, callback=self.get_callback_url(request, app)
            )
        except FAILURES as error:
            raise OAuth2Error(str(error)) from error
        return {"access_token": "not kept", "tokens": tokens}

    def complete_login(self, request: HttpRequest, app: object, token: object, **kwargs: Any) -> SocialLogin:
        del app, token
        tokens: Tokens = kwargs["response"]["tokens"]
        login = self.get_provider().sociallogin_from_response(request, tokens.claims)
        login.tokens = tokens
        return login


class Provider(OpenIDConnectProvider):  # type: ignore[misc]
    """The one provider of this installation."""

    oauth2_adapter_class = Adapter

    def get_login_url(self, request: HttpRequest, **kwargs: Any) -> str:
        del request, kwargs
        return reverse("oidc_login")

    def redirect_from_request(self, request: HttpRequest) -> HttpResponse:
        """Begin a sign-in. Of the request counts only where to go afterwards, and that only on this site."""
        answer = self.redirect(request, process=AuthProcess.LOGIN, next_url=get_next_redirect_url(request))
        assert isinstance(answer, HttpResponse)  # noqa: S101
        return answer

    def get_pkce_params(self) -> dict[str, str]:
        params: dict[str, str] = generate_code_challenge()
        return params | {"nonce": id_tokens.nonce_of(params["code_verifier"])}

    def get_auth_params(self) -> dict[str, str]:
        """Ask the provider to authenticate the person again, although a session exists."""
        if not self.request.user.is_authenticated:
            return {}
        prompt = settings.OIDC_REAUTHENTICATION
        return {"prompt": prompt} | ({"max_age": "0"} if prompt == "login" else {})

    def get_scope(self) -> list[str]:
        return list(settings.OIDC_SCOPE)

    def extract_uid(self, data: Claims) -> str:
        return people.identity_of(data)

    def extract_extra_data(self, data: Claims) -> dict[str, Any]:
        return people.kept_of(data)

    def extract_common_fields(self, data: Claims) -> dict[str, Any]:
        """No name and no address: `people` makes accounts, and nothing is looked up by an address."""
        del data
        return {}

    def extract_email_addresses(self, data: Claims) -> list[object]:
        del data
        return []


provider_classes = [Provider]


@login_not_required
@require_POST
def login(request: HttpRequest) -> HttpResponse:
    return _handle(OAuth2LoginView, request)


@login_not_required
@require_GET
def callback(request: HttpRequest) -> HttpResponse:
    return _handle(OAuth2CallbackView, request)


def _handle(view: type, request: HttpRequest) -> HttpResponse:
    """Let allauth do its part; what it does not catch itself is answered like what it does."""
    if not settings.OIDC_ISSUER:
        raise Http404
    adapter = Adapter(request, PROVIDER_ID)
    try:
        answer = view.adapter_view(adapter)(request)  # type: ignore[attr-defined]
    except OAuth2Error as error:
        answer = render_authentication_error(request, adapter.get_provider(), exception=error)
    assert isinstance(answer, HttpResponse)  # noqa: S101
    return answer
