"""Who did what to a study, or to the whole site, and from where. Rows are only ever added."""

from labeler import origins
from labeler.models import AuditEvent, Study, User


def record(study: Study | None, by: User | None, action: str, *, detail: str = "", reason: str = "") -> AuditEvent:
    """Write down an act in the transaction that does it. `by` is None where a command did it."""
    return AuditEvent.objects.create(
        study=study, user=by, action=action, detail=detail[:500], reason=reason[:300], origin=origins.current.get()()
    )
