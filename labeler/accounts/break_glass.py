"""Emergency access while the identity provider is down: a one-time link for a superuser, valid ten minutes."""

from django.contrib.auth.models import update_last_login
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.db import transaction
from django.db.models import QuerySet

from labeler.models import User
from labeler.record import audit


class NoLinkError(ValueError):
    """Why a link does not sign in, as a sentence for people."""


class _Links(PasswordResetTokenGenerator):
    """Signed by the secret key, and void once the account has signed in: Django puts the last sign-in under it."""

    key_salt = "labeler.accounts.break_glass"


_links = _Links()


@transaction.atomic
def make(username: str, *, reason: str) -> tuple[User, str]:
    """Return a superuser and the token that lets them in, and write it down. Raises NoLinkError."""
    user = User.objects.filter(username=username, is_superuser=True, is_active=True).first()
    if user is None:
        raise NoLinkError(f"{username} is no superuser. `createsuperuser` makes one.")
    audit.record(None, None, "sign-in link made", detail=username, reason=reason)
    return user, _links.make_token(user)


def is_open(pk: int, token: str) -> bool:
    user = _superusers().filter(pk=pk).first()
    return bool(user and _links.check_token(user, token))


@transaction.atomic
def use(pk: int, token: str) -> User | None:
    """Return the superuser to sign in. Of two simultaneous requests, the second finds the link used."""
    user = _superusers().select_for_update().filter(pk=pk).first()
    if user is None or not _links.check_token(user, token):
        return None
    update_last_login(User, user)
    audit.record(None, user, "signed in", detail="by a link")
    return user


def _superusers() -> QuerySet[User]:
    return User.objects.filter(is_superuser=True, is_active=True)
