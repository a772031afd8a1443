"""A person decides whether a reader who stands out sets a bar."""

from collections.abc import Sequence

from django.db import transaction

from labeler.models import Reader, Study, User
from labeler.record import audit
from training.models import ReaderDecision
from training.verdicts.careless_readers import Decided, Flag


def standing(study: Study) -> tuple[Decided, ...]:
    """Return the latest decision on each reader, by their codes."""
    rows = ReaderDecision.objects.filter(reader__study=study).order_by("reader__code", "-pk").distinct("reader__code")
    return tuple(
        Decided(row.reader.code, row.counts, tuple(row.kinds), row.reason, f"{row.decided_at:%Y-%m-%d}")
        for row in rows.select_related("reader")
    )


@transaction.atomic
def decide(*, reader: Reader, counts: bool, flags: Sequence[Flag], reason: str, by: User | None) -> ReaderDecision:
    """Decide of a reader, whose `flags` of now are decided with it."""
    kinds = sorted({flag.kind for flag in flags if flag.reader == reader.code})
    decision = ReaderDecision.objects.create(reader=reader, counts=counts, kinds=kinds, reason=reason, decided_by=by)
    action = "let a reader set the bar" if counts else "let a reader set no bar"
    audit.record(
        reader.study, by, action, detail=f"{reader.code}: {', '.join(kinds) or 'nothing stood out'}", reason=reason
    )
    return decision
