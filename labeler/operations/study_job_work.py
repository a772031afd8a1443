"""What a worker does for a job over a whole study. Each step may be done twice.

A worker holds the job under a lease. Another worker that takes over finds what is measured and scored already, and goes
on with the rest.
"""

from collections.abc import Callable

from django.db import transaction

from labeler.golden_set import provisional_scores
from labeler.images import measurements
from labeler.models import Chore, Study
from labeler.screening import near_duplicates, prescreen
from labeler.studies.study_jobs import Kind
from scoring.platform import jobs
from scoring.regressor.regressors import ArtefactError, NoActiveRegressor
from scoring.weights.weight_files import WeightsError


def do(chore: Chore) -> None:
    """Do a claimed chore, and again for as long as somebody asks for it meanwhile. Raises jobs.JobError."""
    with jobs.held(chore):
        is_over = False
        while not is_over:
            jobs.tell(chore, "Beginning", done=0, total=0, is_asked_again=False)
            chore.refresh_from_db(fields=["source", "requested_by"])
            _WORK[Kind(chore.kind)](chore)
            is_over = _finish(chore)


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
    near_duplicates.find(study=chore.study, by=chore.requested_by, on_sample=on_sample)


def _score(chore: Chore) -> None:
    assert chore.source  # noqa: S101  a constraint sees to it
    on_image = _telling(chore, "Scoring images")
    try:
        provisional_scores.score_missing(
            study=chore.study, source=chore.source, by=chore.requested_by, on_image=on_image
        )
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
