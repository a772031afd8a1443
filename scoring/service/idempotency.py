"""Idempotency keys: a repeated request is done once and gets the same answer for a day."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now

from scoring.models import ApiToken, StoredAnswer

ANSWERS_KEPT = timedelta(hours=24)
ANSWER_LEASE = timedelta(minutes=5)  # longer than any request takes; a process that holds it longer was lost
KEY_PATTERN = "[!-~]{1,255}"  # visible ASCII

REUSED = "This idempotency key was used for another request. Take a new one for each request."
IN_PROGRESS = "The first request with this idempotency key is still being answered. Send it again in a moment."


class KeyReusedError(ValueError):
    """One key for two requests."""


class InProgressError(RuntimeError):
    """The same request is being answered elsewhere."""


@dataclass
class Attempt:
    """A request's answer: the stored one, or None until the request is done."""

    answer: Any = None
    is_repeated: bool = False


@contextmanager
def once(token: ApiToken, key: str | None, digest: str) -> Iterator[Attempt]:
    """Hold the key while the block does the request, unless it has an answer; store the answer that the block sets.

    A block that raises frees the key, so the request may be sent again. Without a key nothing is held or stored.
    Raises KeyReusedError, InProgressError.
    """
    if key is None:
        yield Attempt()
        return
    row = _begin(token, key, digest)
    attempt = Attempt(row.answer, is_repeated=row.answer is not None)
    try:
        yield attempt
    except BaseException:
        StoredAnswer.objects.filter(pk=row.pk, answer__isnull=True).delete()
        raise
    if not attempt.is_repeated:
        StoredAnswer.objects.filter(pk=row.pk).update(answer=attempt.answer)


def forget() -> None:
    """Erase what is older than a day."""
    StoredAnswer.objects.filter(made_at__lt=Now() - ANSWERS_KEPT).delete()


def _begin(token: ApiToken, key: str, digest: str) -> StoredAnswer:
    """Take the key, or find what was answered to it."""
    StoredAnswer.objects.filter(token=token, key=key, made_at__lt=Now() - ANSWERS_KEPT).delete()
    row, is_new = StoredAnswer.objects.get_or_create(
        token=token, key=key, defaults={"digest": digest, "lease_until": Now() + ANSWER_LEASE}
    )
    if row.digest != digest:
        raise KeyReusedError(REUSED)
    if not is_new and row.answer is None and not _take_over(row):
        raise InProgressError(IN_PROGRESS)
    return row


def _take_over(row: StoredAnswer) -> bool:
    """Take the place of a request whose process was lost."""
    lost = StoredAnswer.objects.filter(pk=row.pk, answer__isnull=True, lease_until__lt=Now())
    return bool(lost.update(lease_until=Now() + ANSWER_LEASE))
