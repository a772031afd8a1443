"""Idempotency keys: a repeated request is done once and gets the same answer for a day."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now

from scoring.models import ApiToken, StoredAnswer

KEPT = timedelta(hours=24)
LEASE = timedelta(minutes=5)  # longer than any request takes; a process that holds it longer was lost
KEY = "[!-~]{1,255}"  # visible ASCII

REUSED = "This idempotency key was used for another request. Take a new one for each request."
IN_PROGRESS = "The first request with this idempotency key is still being answered. Send it again in a moment."


class KeyReusedError(ValueError):
    """One key for two requests."""


class InProgressError(RuntimeError):
    """The same request is being answered elsewhere."""


def once(token: ApiToken, key: str, digest: str, answer: Callable[[], Any]) -> tuple[Any, bool]:
    """Return the answer, and whether it was given before.

    Only an answer is stored: what raises may be sent again. Raises KeyReusedError, InProgressError.
    """
    row = _begin(token, key, digest)
    if row.answer is not None:
        return row.answer, True
    try:
        content = answer()
    except BaseException:
        StoredAnswer.objects.filter(pk=row.pk).delete()
        raise
    StoredAnswer.objects.filter(pk=row.pk).update(answer=content)
    return content, False


def forget() -> None:
    """Erase what is older than a day."""
    StoredAnswer.objects.filter(made_at__lt=Now() - KEPT).delete()


def _begin(token: ApiToken, key: str, digest: str) -> StoredAnswer:
    """Take the key, or find what was answered to it."""
    StoredAnswer.objects.filter(token=token, key=key, made_at__lt=Now() - KEPT).delete()
    row, is_new = StoredAnswer.objects.get_or_create(
        token=token, key=key, defaults={"digest": digest, "lease_until": Now() + LEASE}
    )
    if row.digest != digest:
        raise KeyReusedError(REUSED)
    if not is_new and row.answer is None and not _take_over(row):
        raise InProgressError(IN_PROGRESS)
    return row


def _take_over(row: StoredAnswer) -> bool:
    """Take the place of a request whose process was lost."""
    lost = StoredAnswer.objects.filter(pk=row.pk, answer__isnull=True, lease_until__lt=Now())
    return bool(lost.update(lease_until=Now() + LEASE))
