"""Celery tasks of training. A message names a row; the database says whether there is work."""

import logging
from contextlib import suppress
from functools import partial

from celery import shared_task
from django.utils import timezone
from kombu.exceptions import OperationalError

from labeler.models import Study
from scoring.platform import jobs
from training.models import TrainingRun
from training.reports import reader_numbers
from training.runs import pruning, schedule, unlearning, unused_features
from training.runs import retrain as retraining

WORKERS = 16  # messages, which take milliseconds where there is nothing left to do

logger = logging.getLogger(__name__)


@jobs.work_of(TrainingRun, queue="celery")
def retrain(run: TrainingRun) -> None:
    """Do a run of retraining."""
    retraining.retrain(run, call=partial(call_workers, run))


@shared_task
def help_embed(run_id: int) -> None:
    """Take part in a run's embedding, if it is still at that."""
    with suppress(jobs.JobError):  # whoever does the run meets it too, and says it
        retraining.help_embed(run_id)


def call_workers(run: TrainingRun) -> None:
    """Ask all workers to help with a run's embedding. A worker that comes too late finds it done."""
    with suppress(OperationalError):  # the run gets on alone
        for _ in range(WORKERS):
            help_embed.delay(run.pk)


@shared_task
def retrain_nightly() -> None:
    """Ask for a run of every study whose time it is. Beat asks every minute."""
    for study in schedule.due(timezone.now()):
        jobs.send(retrain, retraining.request(study=study, is_nightly=True).pk)


@shared_task
def refresh_standings() -> None:
    """Compute the readers' numbers of studies where they take too long for a page."""
    for study in Study.objects.order_by("pk"):
        reader_numbers.refresh(study)


@shared_task
def collect_features() -> None:
    """Delete stored embeddings and regressors that nothing needs."""
    logger.info("Stored files deleted: %s", unused_features.collect_features())


@shared_task
def prune_runs() -> None:
    """Delete what old runs left and nothing reads any more."""
    if runs := pruning.prune():
        logger.info("Runs whose scores and training images were deleted: %s", runs)


@shared_task
def forget_erased() -> None:
    """Mark what learned from images that were erased, and have it replaced."""
    for run in unlearning.mark():
        jobs.send(retrain, run.pk)
