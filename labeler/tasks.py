"""Celery tasks of the site. Each may run twice."""

from functools import partial

from celery import shared_task

from labeler.intake import message_slots, uploads
from labeler.models import Erasure, Intake, Study, StudyJob
from labeler.operations import health, study_job_work
from labeler.oversight import tallies
from labeler.privacy import erasing, retention_erasures
from labeler.record import anchors, ledger
from scoring.platform import jobs
from scoring.platform.jobs import send

TURN = 2.0  # seconds that a message works at an import: all slots taken, one process is with others in half a minute


@shared_task
def tick() -> None:
    """Show that beat, the queue and a worker work together."""
    health.tick()


@shared_task
def count_labels() -> None:
    """Count what came into every study since the last time."""
    for study in Study.objects.all():
        tallies.count(study)


@shared_task
def seal_ledger() -> None:
    """Seal what is settled, and write the newest blocks down outside of the database."""
    if ledger.seal():
        anchors.write()


@jobs.work_of(Erasure, queue="intake")
def erase(erasure: Erasure) -> None:
    """Do an erasure, from where its last worker left it."""
    erasing.erase(erasure)


@shared_task
def erase_what_is_due() -> None:
    """Erase the photographs whose time is over, and what came late of those erased before."""
    erasing.watch()
    for erasure in Erasure.objects.filter(state=Erasure.State.FAILED):
        erasing.retry(erasure)
    for erasure in retention_erasures.request_due():
        send(erase, erasure.pk)


@jobs.work_of(StudyJob, queue="celery")
def do_study_job(study_job: StudyJob) -> None:
    """Do a job over a whole study."""
    study_job_work.do(study_job)


@jobs.swept(uploads.stalled)
@shared_task(queue="intake")
def import_files(intake_id: int, ticket: str = "") -> None:
    """Import what waits in an import, for a turn; the message is sent on while files wait.

    Erasures and the ledger get their turn in between. A message that is lost is sent anew by the sweep.
    """
    into = Intake.objects.select_related("study").get(pk=intake_id)
    what = f"import-{into.pk}"
    ticket = message_slots.take(what, ticket)
    if not ticket:
        return
    goes_on = False
    try:
        done = uploads.import_waiting(into, on_unpacked=partial(call_workers, into), seconds=TURN)
        if done and uploads.waiting(into):
            message_slots.keep(what, ticket)
            goes_on = send(import_files, into.pk, ticket)
    finally:
        if not goes_on:
            message_slots.leave(what, ticket)


def call_workers(into: Intake) -> None:
    """Ask all workers to help with an import. A late one finds no free slot, or no waiting file."""
    for _ in range(message_slots.SLOTS):
        send(import_files, into.pk)


@shared_task
def clean_uploads() -> None:
    """Give up uploads that were never sent to their end, and delete bytes that no import needs."""
    uploads.clean_up()
