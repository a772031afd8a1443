"""Second factors of local accounts: authenticator app, passkeys, recovery codes."""

import base64
from collections.abc import Sequence

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import transaction
from django.utils.crypto import salted_hmac

from labeler.accounts import people
from labeler.models import User
from labeler.record import audit


class SecondFactors(DefaultMFAAdapter):  # type: ignore[misc]
    """What allauth asks of second factors here."""

    def is_mfa_enabled(self, user: AbstractBaseUser | AnonymousUser, types: Sequence[str] | None = None) -> bool:
        """Where local passwords are switched off, the provider has seen to it, and nothing of ours is asked."""
        return settings.LOCAL_PASSWORDS and bool(super().is_mfa_enabled(user, types=types))

    def encrypt(self, text: str) -> str:
        """Encrypt the secrets of authenticator apps, so that a copy of the database alone reveals none."""
        return _cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Under another SECRET_KEY than it was stored with, every code is wrong: an account then needs a reset."""
        try:
            return _cipher().decrypt(encrypted_text.encode()).decode()
        except InvalidToken as error:
            raise self.validation_error("incorrect_code") from error


@transaction.atomic
def reset(user: User, *, by: User | None, reason: str) -> None:
    """Delete a person's second factors and end their sessions: the next sign-in sets one up."""
    Authenticator.objects.filter(user=user).delete()
    audit.record(None, by, "second factor reset", detail=user.username, reason=reason)
    people.end_sessions(user)


def _cipher() -> Fernet:
    key = salted_hmac("labeler.accounts.second_factors", "encryption", algorithm="sha256").digest()
    return Fernet(base64.urlsafe_b64encode(key))
