"""Unblinding: a session sees which images are golden after a reason was given, which the audit log keeps."""

from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction

from labeler.models import AuditEvent, Study, User
from labeler.record import audit

ACTION = "unblinded"
REMEMBERED = "unblinded"  # key of the session


class ReasonNeededError(Exception):
    """No reason for unblinding the study was given in this session."""

    def __init__(self, study: Study) -> None:
        super().__init__(study.slug)
        self.study = study


def is_unblinded(study: Study, session: SessionBase) -> bool:
    return study.pk in session.get(REMEMBERED, [])


@transaction.atomic
def unblind(*, study: Study, user: User, session: SessionBase, reason: str) -> AuditEvent:
    """Let this session see which images are golden, and log the person and the reason."""
    session[REMEMBERED] = [*session.get(REMEMBERED, []), study.pk]
    return audit.record(study, user, ACTION, reason=reason)


def has_unblinded(study: Study, user: User) -> bool:
    """Whether this person ever learnt what is golden, and so can't become a reader of the study."""
    return AuditEvent.objects.filter(study=study, user=user, action=ACTION).exists()
