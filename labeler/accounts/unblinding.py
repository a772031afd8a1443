"""Unblinding: a session sees which images are golden after a reason was given, which the audit log keeps.

And the other way round: a person who oversees a study reads it only after they accepted to see no more of it than any
reader. What they saw before is in the audit log.
"""

from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.utils import timezone

from labeler.models import AuditEvent, Reader, Study, User
from labeler.record import audit

ACTION = "unblinded"
LOOKED, ACCEPTED = "saw readers' grades", "accepted to read"
REMEMBERED, LOOKED_AT = "unblinded", "looked at"  # keys of the session


class ReasonNeededError(Exception):
    """No reason for unblinding the study was given in this session."""

    def __init__(self, study: Study) -> None:
        super().__init__(study.slug)
        self.study = study


class AcceptanceNeededError(Exception):
    """A person who knows more of a study than a reader may, or could, is to read it and did not accept yet."""

    name = "not_accepted"

    def __init__(self, reader: Reader) -> None:
        super().__init__(
            "Before you read this study you are asked whether you accept what it hides from you. "
            "Open it again from your lists."
        )
        self.reader = reader


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


def note_look(*, study: Study, user: User, session: SessionBase) -> None:
    """Log, once in a session, that a person saw what readers said."""
    looked_at = session.get(LOOKED_AT, [])
    if study.pk not in looked_at:
        session[LOOKED_AT] = [*looked_at, study.pk]
        audit.record(study, user, LOOKED)


def has_looked(study: Study, user: User) -> bool:
    """Whether this person ever saw what readers of the study said."""
    return AuditEvent.objects.filter(study=study, user=user, action=LOOKED).exists()


def knows(study: Study, user: User) -> bool:
    """Whether this person ever saw of the study what a reader must not know."""
    return AuditEvent.objects.filter(study=study, user=user, action__in=[ACTION, LOOKED]).exists()


def readers_who_looked(study: Study) -> dict[int, str]:
    """Return reader id -> the reason for which a person reads the study who had seen readers' grades."""
    accepted = AuditEvent.objects.filter(study=study, action=ACCEPTED).exclude(reason="").order_by("pk")
    reasons = dict(accepted.values_list("user", "reason"))
    return {pk: reasons[user] for pk, user in study.readers.values_list("pk", "user") if user in reasons}


@transaction.atomic
def accept(reader: Reader) -> None:
    """Let a person read from now on."""
    if Reader.objects.filter(pk=reader.pk, accepted_at=None).update(accepted_at=timezone.now()):
        audit.record(reader.study, reader.user, "began to read", detail=f"as {reader.code}")
    reader.refresh_from_db(fields=["accepted_at"])


@transaction.atomic
def accept_knowingly(reader: Reader, *, reason: str) -> AuditEvent:
    """Let a person who oversees the study read it, and log that they accepted to see no more of it meanwhile."""
    accept(reader)
    return audit.record(reader.study, reader.user, ACCEPTED, detail=f"as {reader.code}", reason=reason)
