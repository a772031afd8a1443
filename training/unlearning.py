"""What regressors learned from images that were erased since: they are marked, and the study is retrained."""

from django.db import transaction
from django.db.models import Count

from labeler.models import Erasure
from scoring.models import Job, Regressor
from training import retrain
from training.models import TrainingImage, TrainingRun


def mark() -> list[TrainingRun]:
    """Mark the regressors that learned from what is erased; return the runs that were asked for because of it.

    A regressor that answers for its study is to be replaced by one that never saw these images. Called again it finds
    nothing new, and goes on where a worker was lost.
    """
    # Asked every minute: from the few that are erased to what learned from them.
    learned = TrainingImage.objects.filter(image__erased__isnull=False).exclude(run__regressor=None).order_by()
    counted = learned.values_list("run__regressor", "run__regressor__learned_from_erased").annotate(Count("pk"))
    asked = [_mark(pk, images) for pk, known, images in counted if images != known]
    for erasure in Erasure.objects.filter(state=Job.State.SUCCEEDED, regressors__isnull=True):
        of_it = learned.filter(image__erased__erasure=erasure).values_list("run__regressor", flat=True)
        Erasure.objects.filter(pk=erasure.pk).update(regressors=sorted(set(of_it)))
    return [run for run in asked if run is not None]


@transaction.atomic
def _mark(pk: int, images: int) -> TrainingRun | None:
    Regressor.objects.filter(pk=pk).update(learned_from_erased=images)
    run = TrainingRun.objects.select_related("study", "regressor").get(regressor=pk)
    answers = run.regressor is not None and run.regressor.is_active
    return retrain.request(study=run.study) if answers else None
