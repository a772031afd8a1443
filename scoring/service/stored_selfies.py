"""Selfies stored with their person's consent: one file each, with the words of the consent, until erased."""

import secrets
from typing import Any

from django.db.models import QuerySet

from scoring.models import ApiToken, StoredSelfie
from scoring.platform import blobs


class ConsentError(ValueError):
    """A photograph was to be kept without a consent."""


def store(*, token: ApiToken, data: bytes, consent: str, answer: dict[str, Any]) -> StoredSelfie:
    """Store the file under an unpredictable name, then its row. Raises ConsentError."""
    if not consent.strip():
        raise ConsentError("Keeping a photograph needs its person's consent: send the words they read as `consent`.")
    name = f"selfies/{secrets.token_hex(16)}"
    blobs.write(name, data)
    return StoredSelfie.objects.create(token=token, file=name, consent=consent, answer=answer)


def erase(selfies: QuerySet[StoredSelfie]) -> int:
    """Erase files, then rows, so that nothing is left whose row is gone; return how many."""
    rows = list(selfies)
    for row in rows:
        blobs.erase(row.file)
        row.delete()
    return len(rows)
