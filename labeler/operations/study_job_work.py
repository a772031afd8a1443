"""What a worker does for a job over a whole study. Each step may be done twice.

A worker holds the job under a lease. Another worker that takes over finds what is measured and scored already, and goes
on with the rest.
"""

from collections.abc import Callable

from django.db import transaction

from labeler.golden_set import provisional_scores
from labeler.images import measurements
from labeler.models import Study, StudyJob
from labeler.screening import near_duplicates, prescreen
from labeler.studies.study_jobs import Kind
from scoring.platform import jobs
from scoring.regressor.regressors import ArtefactError, NoActiveRegressor
from scoring.weights.weight_files import WeightsError


def do(study_job: StudyJob) -> None:
    """Do a claimed study job, and repeat it while it is requested again meanwhile. Raises jobs.JobError."""
    with jobs.held(study_job):
        is_over = False
        while not is_over:
            jobs.tell(study_job, "Beginning", done=0, total=0, is_asked_again=False)
            study_job.refresh_from_db(fields=["source", "requested_by"])
            _WORK[Kind(study_job.kind)](study_job)
            is_over = _finish(study_job)


@transaction.atomic
def _finish(study_job: StudyJob) -> bool:
    """End the study job, unless it is asked for again: who asks waits for its row, and then finds it over."""
    is_asked_again = StudyJob.objects.select_for_update(no_key=True).get(pk=study_job.pk).is_asked_again
    if not is_asked_again:
        jobs.finish(study_job)
    return not is_asked_again


def _measure(study_job: StudyJob) -> None:
    measurements.save_missing(study_job.study, on_image=_telling(study_job, "Measuring images"))
    _apply_limits(study_job)


def _apply_limits(study_job: StudyJob) -> None:
    jobs.tell(study_job, "Holding images against the limits", done=0, total=0)
    # Read anew: while hours of photographs were measured, the golden set may have been drawn, which settles them.
    prescreen.apply(Study.objects.get(pk=study_job.study_id))


def _find_duplicates(study_job: StudyJob) -> None:
    _measure(study_job)
    jobs.tell(study_job, "Reading fingerprints")
    on_sample = _telling(study_job, "Comparing fingerprints")
    near_duplicates.find(study=study_job.study, by=study_job.requested_by, on_sample=on_sample)


def _score(study_job: StudyJob) -> None:
    assert study_job.source  # noqa: S101  a constraint sees to it
    on_image = _telling(study_job, "Scoring images")
    try:
        provisional_scores.score_missing(
            study=study_job.study, source=study_job.source, by=study_job.requested_by, on_image=on_image
        )
    except (NoActiveRegressor, ArtefactError, WeightsError) as error:
        raise jobs.JobError(str(error)) from error


def _telling(study_job: StudyJob, stage: str) -> Callable[[int, int], None]:
    def tell(done: int, total: int) -> None:
        jobs.tell(study_job, stage, done=done, total=total)

    return tell


_WORK = {
    Kind.MEASURE: _measure,
    Kind.LIMITS: _apply_limits,
    Kind.DUPLICATES: _find_duplicates,
    Kind.SCORE: _score,
}
