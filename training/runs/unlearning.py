"""Regressors that were fitted on images erased since: they are marked, and the study is retrained."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

from django.db import transaction
from django.db.models import Count

from labeler.models import ErasedImage, Erasure, Study
from scoring.models import Job, Regressor
from training.models import LearnedFrom, TrainingImage, TrainingRun
from training.runs import retrain


def mark() -> list[TrainingRun]:
    """Mark the regressors that learned from what is erased; return the runs that were asked for because of it.

    A regressor that answers for its study is to be replaced by one that never saw these images. Called again it finds
    nothing new, and goes on where a worker was lost. All regressors are looked at, also those that never answered:
    each can be put in service by hand, and an erasure's certificate names every one.
    """
    # Asked every minute: from the few that are erased to what learned from them.
    learned = TrainingImage.objects.filter(image__erased__isnull=False).exclude(run__regressor=None).order_by()
    # What a run has packed is no longer all here.
    whole = learned.filter(run__details_deleted_at=None)
    counted = whole.values_list("run__regressor", "run__regressor__learned_from_erased").annotate(Count("pk"))
    asked = [_mark(pk, images) for pk, known, images in counted if images != known]
    for erasure in Erasure.objects.filter(state=Job.State.SUCCEEDED, regressors__isnull=True):
        # In this order: what is packed meanwhile is seen twice rather than not at all.
        of_it = set(whole.filter(image__erased__erasure=erasure).values_list("run__regressor", flat=True))
        packed = _packed(erasure)
        asked += [_mark(pk, images) for pk, images in packed.items()]
        Erasure.objects.filter(pk=erasure.pk).update(regressors=sorted({*of_it, *packed}))
    return [run for run in asked if run is not None]


def _packed(erasure: Erasure) -> dict[int, int]:
    """Return the regressors of pruned runs that learned from an erasure's images: how many erased ones each knows.

    Read once for each erasure: it goes through all that the study's old runs learned from.
    """
    gone = set(ErasedImage.objects.filter(image__study=erasure.study).values_list("image", flat=True))
    asked = set(erasure.images.values_list("image", flat=True))
    found: dict[int, set[int]] = defaultdict(set)
    for regressor, images in _of_pruned_runs(erasure.study, gone):
        found[regressor] |= gone.intersection(images)
    return {regressor: len(images) for regressor, images in found.items() if images & asked}


def _of_pruned_runs(study: Study, images: Collection[int]) -> Iterator[tuple[int, Sequence[int]]]:
    """Yield regressors and images of theirs, among them some of these."""
    runs = TrainingRun.objects.filter(study=study, details_deleted_at__isnull=False, regressor__isnull=False)
    left = TrainingImage.objects.filter(run__in=runs, image__in=images)  # not packed yet: that comes next
    yield from ((regressor, (image,)) for regressor, image in left.values_list("run__regressor", "image"))
    packed = LearnedFrom.objects.filter(run__in=runs, images__overlap=sorted(images))
    yield from packed.values_list("run__regressor", "images").iterator(100)


@transaction.atomic
def _mark(pk: int, images: int) -> TrainingRun | None:
    Regressor.objects.filter(pk=pk).update(learned_from_erased=images)
    run = TrainingRun.objects.select_related("study", "regressor").get(regressor=pk)
    answers = run.regressor is not None and run.regressor.is_active
    return retrain.request(study=run.study) if answers else None
