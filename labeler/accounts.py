"""Who may get an account, and how roles come about."""

from allauth.account.adapter import DefaultAccountAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Nobody signs up for a local account: an admin makes it."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        del request
        return False


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Whoever the identity provider lets in has an account, and sees nothing until a study gives them a place."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: object) -> bool:
        del request, sociallogin
        return True
