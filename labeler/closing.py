"""Closing a study: nobody grades any more, and the promise about its golden set is opened."""

from django.db import transaction
from django.utils import timezone

from labeler import audit
from labeler.models import Study, User


class ClosingError(ValueError):
    """Why a study can't be closed, as a sentence for people."""


@transaction.atomic
def close(*, study: Study, by: User | None = None, reason: str) -> Study:
    """Close a dealt study for good. Raises ClosingError."""
    study = Study.objects.select_for_update().get(pk=study.pk)
    if study.closed_at:
        raise ClosingError(f"Study {study.slug} was closed on {study.closed_at:%Y-%m-%d} already.")
    if not study.dealt_at:
        raise ClosingError(f"Study {study.slug} isn't dealt yet, so there is nothing to close.")
    study.closed_at = timezone.now()
    study.save(update_fields=["closed_at"])
    audit.record(study, by, "closed", reason=reason)
    return study
