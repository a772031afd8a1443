"""Jobs over a whole study that pages ask for, one of a kind at a time.

`labeler.operations.study_job_work` does them.
"""

from django.db import IntegrityError, transaction

from labeler.models import Study, StudyJob, User
from labeler.record import audit
from scoring.platform import jobs

Kind = StudyJob.Kind
UNFINISHED = [StudyJob.State.QUEUED, StudyJob.State.RUNNING]


@transaction.atomic
def request(*, study: Study, kind: Kind, by: User | None, source: Study | None = None) -> StudyJob:
    """Queue a study job. One that waits or works is done once more afterwards, because it may be past what is new.

    The last request says by which source is scored, as if one had been done after the other.
    """
    wanted = {"source": source, "requested_by": by}
    unfinished = StudyJob.objects.select_for_update(no_key=True).filter(state__in=UNFINISHED)
    study_job, is_new = unfinished.get_or_create(study=study, kind=kind, defaults=wanted)
    if not is_new:
        StudyJob.objects.filter(pk=study_job.pk).update(is_asked_again=True, **wanted)
    return study_job


def retry(study_job: StudyJob, *, by: User) -> bool:
    """Queue a failed study job again. Returns False if it did not fail, or the same was requested since."""
    try:
        with transaction.atomic():
            is_queued = study_job.is_set_aside and jobs.retry(study_job)
            if is_queued:
                audit.record(study_job.study, by, "tried a study job again", detail=str(study_job))
    except IntegrityError:  # another request queues the same right now
        return False
    return is_queued


def of_pages(study: Study, *kinds: Kind) -> list[StudyJob]:
    """Return what pages tell of these kinds: the latest study job of each, unless it is done."""
    latest = study.study_jobs.filter(kind__in=kinds).order_by("kind", "-pk").distinct("kind")
    return [study_job for study_job in latest if study_job.state != StudyJob.State.SUCCEEDED]
