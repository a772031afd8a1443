"""Closing a study: grading ends, the commitment to the golden set is opened, readers get their reports."""

from django.db import transaction
from django.utils import timezone

from labeler.models import Study, User
from labeler.record import audit


class ClosingError(ValueError):
    """Why a study can't be closed, as a sentence for people."""


@transaction.atomic
def close(*, study: Study, by: User | None = None, reason: str) -> Study:
    """Close a dealt study for good. Raises ClosingError."""
    study = Study.objects.select_for_update().get(pk=study.pk)  # not no_key: grades on their way are stored first
    if study.closed_at:
        raise ClosingError(f"Study {study.slug} was closed on {study.closed_at:%Y-%m-%d} already.")
    if not study.dealt_at:
        raise ClosingError(f"Study {study.slug} isn't dealt yet, so there is nothing to close.")
    study.closed_at = timezone.now()
    study.save(update_fields=["closed_at"])
    audit.record(study, by, "closed", reason=reason)
    return study


@transaction.atomic
def release_reports(*, study: Study, by: User | None = None) -> Study:
    """Let each reader of a closed study see their own report. Raises ClosingError."""
    study = Study.objects.select_for_update(no_key=True).get(pk=study.pk)
    if not study.closed_at:
        raise ClosingError("The study is open. Close it first: a report tells its reader which images are golden.")
    if study.reports_released_at:
        raise ClosingError(f"The readers have had their reports since {study.reports_released_at:%Y-%m-%d}.")
    study.reports_released_at = timezone.now()
    study.save(update_fields=["reports_released_at"])
    audit.record(study, by, "released the readers' reports")
    return study
