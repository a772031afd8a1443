"""The time of a study's nightly run."""

from datetime import datetime, time, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from labeler.models import Study, User
from labeler.record import audit

USUAL = time(settings.RETRAIN_HOUR, settings.RETRAIN_MINUTE)
LATEST_START = timedelta(hours=2)  # beat may have been away; later than that the next night will do


def due(now: datetime) -> list[Study]:
    """Return the studies whose time has come and that had no nightly run since.

    Only those that have begun: before its first label there is nothing a run could do.
    """
    # Asked every minute: the clock first, and the long list of assignments only where it says yes.
    return [study for study in Study.objects.order_by("pk") if _is_due(study, now) and _has_begun(study)]


def time_of(study: Study) -> time:
    return study.retrain_at or USUAL


@transaction.atomic
def set_time(*, study: Study, at: time | None, by: User | None) -> None:
    """Set a study's own time; None: the site's."""
    study.retrain_at = at
    study.save(update_fields=["retrain_at"])
    audit.record(study, by, "time of retraining set", detail=f"{time_of(study):%H:%M}")


def _has_begun(study: Study) -> bool:
    return study.readers.filter(assignments__version__gt=0).exists()


def _is_due(study: Study, now: datetime) -> bool:
    local = timezone.localtime(now)
    came = local.replace(hour=time_of(study).hour, minute=time_of(study).minute, second=0, microsecond=0)
    if came > local:
        came -= timedelta(days=1)
    is_late = local - came > LATEST_START
    return not is_late and not study.training_runs.filter(is_nightly=True, requested_at__gte=came).exists()
