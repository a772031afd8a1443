"""Jobs over a whole study that pages ask for, one of a kind at a time.

`labeler.operations.study_job_work` does them.
"""

from django.db import IntegrityError, transaction

from labeler.models import Chore, Study, User
from labeler.record import audit
from scoring.platform import jobs

Kind = Chore.Kind
UNFINISHED = [Chore.State.QUEUED, Chore.State.RUNNING]


@transaction.atomic
def request(*, study: Study, kind: Kind, by: User | None, source: Study | None = None) -> Chore:
    """Queue a chore, or have the one that waits or works done once more when it is through: it may be past what is new.

    Whoever asks last says by which source is scored, as if one had been done after the other.
    """
    wanted = {"source": source, "requested_by": by}
    unfinished = Chore.objects.select_for_update(no_key=True).filter(state__in=UNFINISHED)
    chore, is_new = unfinished.get_or_create(study=study, kind=kind, defaults=wanted)
    if not is_new:
        Chore.objects.filter(pk=chore.pk).update(is_asked_again=True, **wanted)
    return chore


def retry(chore: Chore, *, by: User) -> bool:
    """Have a chore that failed done again. False if it did not fail, or somebody asked for the same since."""
    try:
        with transaction.atomic():
            is_queued = chore.is_set_aside and jobs.retry(chore)
            if is_queued:
                audit.record(chore.study, by, "tried a chore again", detail=str(chore))
    except IntegrityError:  # somebody asks for it right now
        return False
    return is_queued


def of_pages(study: Study, *kinds: Kind) -> list[Chore]:
    """Return what pages tell of these kinds: the latest chore of each, unless it is done."""
    latest = study.chores.filter(kind__in=kinds).order_by("kind", "-pk").distinct("kind")
    return [chore for chore in latest if chore.state != Chore.State.SUCCEEDED]
