"""Tokens by which apps call the scoring API. A token is shown once; only its hash is stored."""

import hashlib
import math
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import AbstractUser
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.db.models.functions import Greatest, Now
from django.utils import timezone

from scoring.models import ApiToken, Scope

PREFIX = "acne_"  # lets a scanner of leaked secrets recognise one
MINUTE = timedelta(minutes=1)


class TokenError(ValueError):
    """Why a token can't be made, as a sentence for people."""


@dataclass(frozen=True)
class Allowance:
    """How many photographs a token may send."""

    limit: int  # a minute
    remaining: int  # now
    reset: int  # seconds until it may send `limit` at once again
    retry_after: int = 0  # seconds until this request may come again; 0: it passes

    def headers(self) -> dict[str, str]:
        told = {"Limit": self.limit, "Remaining": self.remaining, "Reset": self.reset}
        return {f"RateLimit-{name}": str(value) for name, value in told.items()}


def make(
    *,
    name: str,
    study: str,
    made_by: AbstractUser | None,
    scopes: Iterable[str] = (Scope.SCORE,),
    per_minute: int = 60,
    expires_at: datetime | None = None,
) -> tuple[ApiToken, str]:
    """Make a token for an app. Returns its row and the plaintext, which is not stored. Raises TokenError."""
    plaintext = PREFIX + secrets.token_urlsafe(32)
    row = ApiToken(name=name, study=study, scopes=sorted(scopes), per_minute=per_minute, expires_at=expires_at)
    row.token_sha256, row.made_by_id = _hash(plaintext), made_by.pk if made_by else None
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError as error:
        raise TokenError(f"{name} has a token already. Revoke it first, or give this one another name.") from error
    return row, plaintext


def find(plaintext: str) -> ApiToken | None:
    """The token that stands, if there is one. Looking up a hash gives timing nothing to tell."""
    standing = ApiToken.objects.filter(Q(expires_at=None) | Q(expires_at__gt=Now()), revoked_at=None)
    return standing.filter(token_sha256=_hash(plaintext)).first()


def revoke(token: ApiToken) -> None:
    """From now on the token opens nothing; revoking it again changes nothing."""
    ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now())
    token.refresh_from_db()


def spend(token: ApiToken, photographs: int) -> Allowance:
    """Take what a request costs out of the token's bucket, if there is enough in it (generic cell rate algorithm).

    The bucket holds `per_minute` and fills evenly. What is more than it holds costs all of it.
    """
    share = MINUTE / token.per_minute
    cost = share * min(photographs, token.per_minute)
    full_at = Greatest(F("full_at"), Now()) + cost
    row = ApiToken.objects.filter(pk=token.pk)
    passed = row.filter(Q(full_at=None) | Q(full_at__lte=Now() + MINUTE - cost)).update(
        full_at=full_at, last_used_at=Now()
    )
    until_full = _until_full(token)
    wait = timedelta() if passed else until_full + cost - MINUTE
    return Allowance(
        limit=token.per_minute,
        remaining=max((MINUTE - until_full) // share, 0),
        reset=math.ceil(until_full.total_seconds()),
        retry_after=0 if passed else max(math.ceil(wait.total_seconds()), 1),
    )


def _until_full(token: ApiToken) -> timedelta:
    """By the database's clock, which all processes share."""
    full_at, now = ApiToken.objects.filter(pk=token.pk).values_list("full_at", Now()).get()
    return max(full_at - now, timedelta()) if full_at else timedelta()


def _hash(plaintext: str) -> str:
    return hashlib.sha256(plaintext.encode()).hexdigest()
