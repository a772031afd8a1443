"""The audit log: who did what to a study or to the site, and from which address. Append-only."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from labeler.models import AuditEvent, Study, User
from labeler.record import request_origin

SAW = "saw an image"  # more often than all else together
# What training does to facts that the ledger seals (`labeler.record.facts`).
TURNED = "image turned"
RUN_KEPT, RUN_PRUNED = "kept a run", "deleted a run's details"
PUBLISHED, PUBLISHED_BY_HAND = "published a regressor", "published a regressor by hand"
ROLLED_BACK = "rolled back to a regressor"
# An act takes its time a moment before its id, so by ids alone a few at the edges of a span would be missed.
APART = timedelta(minutes=1)

# One look into an index for each value, where DISTINCT would read a million rows.
DISTINCT = """
WITH RECURSIVE found AS (
    (SELECT {column} AS value FROM labeler_auditevent WHERE {study} ORDER BY {column} LIMIT 1)
    UNION ALL
    SELECT (SELECT {column} FROM labeler_auditevent WHERE {study} AND {column} > found.value ORDER BY {column} LIMIT 1)
    FROM found WHERE found.value IS NOT NULL
)
SELECT value FROM found WHERE value IS NOT NULL
"""


@dataclass(frozen=True)
class Wanted:
    """Which acts to find; what is None or empty does not matter. Without an action none that is only looking."""

    person: User | None = None
    action: str = ""
    since: datetime | None = None
    until: datetime | None = None


def record(study: Study | None, by: User | None, action: str, *, detail: str = "", reason: str = "") -> AuditEvent:
    """Write down an act in the transaction that does it. `by` is None where a command did it."""
    return AuditEvent.objects.create(
        study=study,
        user=by,
        action=action,
        detail=detail[:500],
        reason=reason[:300],
        origin=request_origin.current.get()(),
    )


def find(study: Study | None, wanted: Wanted) -> QuerySet[AuditEvent]:
    """Return the acts on a study, or on the site, that are as wanted, the latest first."""
    events = AuditEvent.objects.filter(study=study).select_related("user").order_by("-pk")
    if wanted.person:
        events = events.filter(user=wanted.person)
    events = events.filter(action=wanted.action) if wanted.action else events.exclude(action=SAW)
    if wanted.since:
        events = events.filter(at__gte=wanted.since, pk__gte=_first_id(wanted.since - APART))
    if wanted.until:
        events = events.filter(at__lt=wanted.until, pk__lte=_first_id(wanted.until + APART))
    return events


def actions(study: Study | None) -> list[str]:
    return [str(action) for action in _distinct("action", study)]


def people(study: Study | None) -> QuerySet[User]:
    return User.objects.filter(pk__in=_distinct("user_id", study)).order_by("username")


def _first_id(moment: datetime) -> int:
    """Return the id of the first act from a moment on: a span of time becomes one of ids, which are in order."""
    later = AuditEvent.objects.filter(at__gte=moment).order_by("at", "pk").values_list("pk", flat=True)
    return later.first() or 2**63 - 1


def _distinct(column: str, study: Study | None) -> list[Any]:
    condition = "study_id = %s" if study else "study_id IS NULL"
    with connection.cursor() as cursor:
        cursor.execute(DISTINCT.format(column=column, study=condition), [study.pk] * 2 if study else [])
        return [value for (value,) in cursor.fetchall()]
