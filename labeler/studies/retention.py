"""Retention: the day on which a study's photographs are erased."""

import calendar
from datetime import date, timedelta

from django.db import transaction
from django.utils import timezone

from labeler.models import Study, User
from labeler.record import audit

WARNED = timedelta(days=30)  # before: time to say that they are needed longer


@transaction.atomic
def set_time(*, study: Study, erase_on: date | None, months: int | None, by: User | None) -> None:
    """Say when the study's photographs are erased; None is never by itself."""
    Study.objects.filter(pk=study.pk).update(erase_on=erase_on, erase_months_after_closing=months)
    study.erase_on, study.erase_months_after_closing = erase_on, months
    said = [f"on {erase_on}"] if erase_on else []
    said += [f"{months} months after closing"] if months is not None else []
    audit.record(study, by, "retention set", detail=" or ".join(said) or "photographs stay")


def due_on(study: Study) -> date | None:
    """Return the day on which its photographs are erased, as far as that is known."""
    days = [study.erase_on] if study.erase_on else []
    if study.closed_at and study.erase_months_after_closing is not None:
        days.append(_months_later(timezone.localdate(study.closed_at), study.erase_months_after_closing))
    return min(days, default=None)


def is_near(study: Study) -> bool:
    """Whether its photographs are erased within the next weeks, and there are any."""
    due = due_on(study)
    return bool(due and due - WARNED <= timezone.localdate() and study.images.filter(is_erased=False).exists())


def _months_later(day: date, months: int) -> date:
    """Return the same day of a later month, or its last day."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
