"""Who may get an account, and how roles come about."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Nobody signs up by themselves: an admin makes local accounts, an identity provider brings the others."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        del request
        return False
