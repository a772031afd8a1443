"""Chores: work over a whole study that buttons ask for. One of a kind at a time, each step of it done twice harmless.

A worker does it under a lease. Killed at any point it is begun anew by the next one, who finds what is measured and
scored already and goes on with the rest.
"""

from collections.abc import Callable

from django.db import IntegrityError, transaction

from labeler import audit, duplicates, measurements, prescreen, provisional
from labeler.models import Chore, Study, User
from scoring import jobs
from scoring.regressors import ArtefactError, NoActiveRegressor
from scoring.weights import WeightsError

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


def do(chore: Chore) -> None:
    """Do a claimed chore, and again for as long as somebody asks for it meanwhile. Raises jobs.JobError."""
    with jobs.held(chore):
        is_over = False
        while not is_over:
            jobs.tell(chore, "Beginning", done=0, total=0, is_asked_again=False)
            chore.refresh_from_db(fields=["source", "requested_by"])
            _WORK[Kind(chore.kind)](chore)
            is_over = _finish(chore)


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


@transaction.atomic
def _finish(chore: Chore) -> bool:
    """End the chore, unless it is asked for again: who asks waits for its row, and then finds it over."""
    is_asked_again = Chore.objects.select_for_update(no_key=True).get(pk=chore.pk).is_asked_again
    if not is_asked_again:
        jobs.finish(chore)
    return not is_asked_again


def _measure(chore: Chore) -> None:
    measurements.save_missing(chore.study, on_image=_telling(chore, "Measuring images"))
    _apply_limits(chore)


def _apply_limits(chore: Chore) -> None:
    jobs.tell(chore, "Holding images against the limits", done=0, total=0)
    # Read anew: while hours of photographs were measured, the golden set may have been drawn, which settles them.
    prescreen.apply(Study.objects.get(pk=chore.study_id))


def _find_duplicates(chore: Chore) -> None:
    _measure(chore)
    jobs.tell(chore, "Reading fingerprints")
    on_sample = _telling(chore, "Comparing fingerprints")
    duplicates.find(study=chore.study, by=chore.requested_by, on_sample=on_sample)


def _score(chore: Chore) -> None:
    assert chore.source  # noqa: S101  a constraint sees to it
    on_image = _telling(chore, "Scoring images")
    try:
        provisional.score_missing(study=chore.study, source=chore.source, by=chore.requested_by, on_image=on_image)
    except (NoActiveRegressor, ArtefactError, WeightsError) as error:
        raise jobs.JobError(str(error)) from error


def _telling(chore: Chore, stage: str) -> Callable[[int, int], None]:
    def tell(done: int, total: int) -> None:
        jobs.tell(chore, stage, done=done, total=total)

    return tell


_WORK = {
    Kind.MEASURE: _measure,
    Kind.LIMITS: _apply_limits,
    Kind.DUPLICATES: _find_duplicates,
    Kind.SCORE: _score,
}
