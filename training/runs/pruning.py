"""Pruning of old runs: their per-image scores and their lists of training images.

A run keeps its report, its record and its regressor. What it learned from is kept too, packed: somebody who is erased
later must still be found in a regressor that might be put in service by hand (training/runs/unlearning.py).
"""

import time

from django.db import transaction
from django.db.models.functions import Now

from labeler.models import Study
from labeler.record import audit
from training.models import LearnedFrom, Score, TrainingImage, TrainingRun

RUNS_KEPT = 30  # of a study's latest runs with a report: a month of nights
ROWS_PER_DELETE = 10_000  # rows that a statement deletes: a fifth of a second
PRUNING_SECONDS = 600.0  # of one message: a training worker has other things to do


def prune(*, seconds: float = PRUNING_SECONDS) -> int:
    """Delete what old runs left and nothing reads any more; return how many runs have nothing left now.

    It may be killed at any time: each batch stands for itself, and the next call goes on.
    """
    end = time.monotonic() + seconds
    done = 0
    for study in Study.objects.order_by("pk"):
        for run in _overdue(study):
            if not _prune(run, end):
                return done
            done += 1
    return done


def _overdue(study: Study) -> list[TrainingRun]:
    """Return the runs whose details go: none that ever answered for the study, and none of the latest."""
    reported = study.training_runs.filter(report__isnull=False).order_by("-pk")
    oldest_kept = reported.values_list("pk", flat=True)[RUNS_KEPT - 1 : RUNS_KEPT].first()
    if oldest_kept is None:
        return []
    never_answered = reported.filter(
        pk__lt=oldest_kept, state=TrainingRun.State.SUCCEEDED, is_published=False, regressor__published_at__isnull=True
    ).exclude(regressor__is_active=True)
    left = never_answered.filter(are_details_gone=False)
    return list(left.only("pk", "study_id").order_by("pk"))


def _prune(run: TrainingRun, end: float) -> bool:
    """Delete a run's details batch by batch; False where the time was over first."""
    with transaction.atomic():  # first that they go, so that nobody takes the rest of them for all
        if TrainingRun.objects.filter(pk=run.pk, details_deleted_at=None).update(details_deleted_at=Now()):
            audit.record(run.study, None, audit.RUN_PRUNED, detail=str(run))
    while _delete_scores(run) or _pack_images(run):
        if time.monotonic() > end:
            return False
    TrainingRun.objects.filter(pk=run.pk).update(are_details_gone=True)
    return True


def _delete_scores(run: TrainingRun) -> int:
    some = Score.objects.filter(run=run).values("pk")[:ROWS_PER_DELETE]
    return Score.objects.filter(pk__in=some).delete()[0]


@transaction.atomic
def _pack_images(run: TrainingRun) -> int:
    """Put the images of some rows into one, in the place of these."""
    some = TrainingImage.objects.filter(run=run).order_by("image")[:ROWS_PER_DELETE]
    rows = list(some.select_for_update().values_list("pk", "image_id"))
    if rows:
        LearnedFrom.objects.create(run=run, images=[image for _, image in rows])
        TrainingImage.objects.filter(pk__in=[pk for pk, _ in rows]).delete()
    return len(rows)
