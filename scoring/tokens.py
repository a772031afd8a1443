"""The keys by which apps call the scoring API. A key is shown once; only its hash is kept."""

import hashlib
import secrets

from django.contrib.auth.models import AbstractUser
from django.utils import timezone

from scoring.models import ApiToken

PREFIX = "acne_"  # lets a scanner of leaked secrets recognise one


def make(name: str, study: str, made_by: AbstractUser | None) -> tuple[ApiToken, str]:
    """Make a token for an app. Returns its row and the plaintext, which nobody can read again."""
    plaintext = PREFIX + secrets.token_urlsafe(32)
    made_by_id = made_by.pk if made_by else None
    row = ApiToken.objects.create(name=name, study=study, token_sha256=_hash(plaintext), made_by_id=made_by_id)
    return row, plaintext


def find(plaintext: str) -> ApiToken | None:
    """The token that is not revoked, if there is one. Looking up a hash gives timing nothing to tell."""
    return ApiToken.objects.filter(token_sha256=_hash(plaintext), revoked_at=None).first()


def revoke(token: ApiToken) -> None:
    """From now on the token opens nothing; revoking it again changes nothing."""
    ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now())
    token.refresh_from_db()


def _hash(plaintext: str) -> str:
    return hashlib.sha256(plaintext.encode()).hexdigest()
