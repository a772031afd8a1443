"""django-allauth's adapters: no sign-up, no linking of accounts, every sign-in is logged."""

import logging
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from labeler.accounts import people, sessions
from labeler.models import User
from labeler.platform.compiled_queries import CompiledQuery
from labeler.record import audit

logger = logging.getLogger(__name__)


_PERSON = CompiledQuery(lambda pk: User.objects.filter(pk=pk), pk=-1)


class Passwords(AuthenticationBackend):  # type: ignore[misc]
    """Local passwords, where they are switched on. Existing sessions work either way."""

    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> User | None:
        if not settings.LOCAL_PASSWORDS:
            return None
        user: User | None = super().authenticate(request, **credentials)
        return user

    def get_user(self, user_id: int) -> User | None:
        user = _PERSON.first(pk=user_id)
        return user if user and self.user_can_authenticate(user) else None


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Local accounts are created by admins; there is no sign-up."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        del request
        return False

    def post_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse:
        login: SocialLogin | None = (kwargs["signal_kwargs"] or {}).get("sociallogin")
        tokens, by = (login.tokens, "provider") if login else (None, "password")
        sessions.begin(request.session, user, tokens=tokens, by=by)
        audit.record(None, user, "signed in", detail=f"by {by}")
        answer: HttpResponse = super().post_login(request, user, **kwargs)
        return answer

    def set_password(self, user: User, password: str) -> None:
        user.password_is_given = False
        super().set_password(user, password)

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Log a wrong password, but no unknown user name: it may be a password typed into the wrong field."""
        del request
        user = User.objects.filter(username__iexact=credentials.get("username") or "").first()
        audit.record(None, None, "sign-in failed", detail=user.username if user else "an unknown name")

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """A sign-in a minute ago counts as re-authentication for setting up a second factor."""
        del app, kwargs
        return not sessions.is_recent(context.request.session)

    def send_mail(self, template_prefix: str, email: str, fields: dict[str, Any]) -> None:
        """Send nothing: there is no mail server, and no page that asks for an address."""
        del template_prefix, email, fields


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """`people` decides at each sign-in whether the person may come in."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        del request, sociallogin
        return False

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        try:
            user = people.admit(sociallogin.tokens.claims)
        except people.NotAdmittedError as error:
            audit.record(None, None, "sign-in refused", detail=sociallogin.account.uid, reason=str(error))
            raise ImmediateHttpResponse(render(request, "account/refused.html", {"why": error}, status=403)) from error
        if user == request.user:
            sessions.prove(request.session, sociallogin.tokens)
            if not sessions.is_recent(request.session):
                raise ImmediateHttpResponse(render(request, "account/not_proven.html", status=403))
            raise ImmediateHttpResponse(HttpResponseRedirect(sociallogin.get_redirect_url(request) or "/"))
        sociallogin.user = None
        sociallogin.lookup()

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: object,
        error: object = None,
        exception: Exception | None = None,
        extra_context: object = None,
    ) -> None:
        del request, provider, extra_context
        logger.warning("A sign-in at the identity provider failed: %s", exception or error)
