"""A change of the lists while a study runs: one row of `Dealing`, one line of the audit log.

Kinds of changes: `new_images`, `joining_and_leaving`. The latest one can be undone (`undo`).
"""

from typing import Any

from django.db.models import QuerySet

from labeler.dealing.folds import DealError, Design
from labeler.models import Dealing, Reader, Study, User
from labeler.record import audit, keyed_draws
from labeler.record.keyed_draws import Draws


def latest(study: Study) -> Dealing | None:
    """Return the act that can be taken back."""
    return study.dealings.filter(reversed_at=None).last()


def first_design(study: Study) -> Design:
    """Return how the study was dealt first; plainly where its lists were imported."""
    first = study.dealings.filter(kind=Dealing.Kind.FIRST, reversed_at=None).first()
    return Design(**first.plan) if first else Design()


def lock_running(study: Study) -> Study:
    study = Study.objects.select_for_update(no_key=True).get(pk=study.pk)
    if not study.dealt_at:
        raise DealError(f"Study {study.slug} isn't dealt yet. Until then, add images and readers and deal it once.")
    if study.closed_at:
        raise DealError(f"Study {study.slug} was closed on {study.closed_at:%Y-%m-%d}; its lists stay as they are.")
    return study


def number(dealing: Dealing) -> int:
    """Return the number of an act in its study, from 0: taken back or not, it keeps it."""
    return dealing.study.dealings.filter(pk__lt=dealing.pk).count()


def draws(dealing: Dealing, what: str, *more: object) -> Draws:
    """Return the draws that belong to one matter of one act, and to no other."""
    return keyed_draws.of(dealing.study, what, number(dealing), *more)


def active_readers(study: Study) -> QuerySet[Reader]:
    return study.readers.filter(left_at=None).order_by("code")


def begin(study: Study, kind: str, *, reader: Reader | None = None, by: User | None, reason: str) -> Dealing:
    return Dealing.objects.create(study=study, kind=kind, reader=reader, dealt_by=by, reason=reason)


def finish(dealing: Dealing, detail: str, plan: dict[str, Any]) -> Dealing:
    dealing.plan |= plan
    dealing.save(update_fields=["plan"])
    audit.record(dealing.study, dealing.dealt_by, f"dealt: {dealing.kind}", detail=detail, reason=dealing.reason)
    return dealing
