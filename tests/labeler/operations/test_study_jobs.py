"""Work over a whole study is a job: asked for twice it is one, and nothing that was asked for is lost."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest
from django.db import connection, transaction

from labeler import tasks
from labeler.golden_set import golden_draw
from labeler.models import AuditEvent, ProvisionalScore, Study, StudyJob, User
from labeler.operations import study_job_work
from labeler.screening import prescreen
from labeler.studies import study_jobs
from labeler.studies.study_jobs import Kind
from scoring.platform import jobs
from tests import builders, processes
from tests.labeler.screening.screening import measured_study
from tests.scoring.builders import publish_one


@pytest.fixture
def measured(db: None) -> Study:
    """Return a study of ten images, each a tenth sharper than the one before: -4.0, -3.9..."""
    return measured_study(10)


def apart(call: Callable[[], object], start: threading.Barrier) -> None:
    """Call on a connection of its own, once all have come."""
    start.wait()
    try:
        call()
    finally:
        connection.close()


def side_by_side(*calls: Callable[[], object]) -> None:
    """Call all of them at once, each on a connection of its own."""
    start = threading.Barrier(len(calls))
    threads = [threading.Thread(target=apart, args=(call, start)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_of_many_requests_at_once_one_study_job_comes(transactional_db: None, measured: Study, olga: User) -> None:
    answers: list[StudyJob] = []
    ask = [
        lambda: answers.append(study_jobs.request(study=measured, kind=Kind.MEASURE, by=olga)),
        lambda: answers.append(study_jobs.request(study=measured, kind=Kind.LIMITS, by=olga)),
    ]
    side_by_side(*ask * 4)
    assert len(answers) == 8
    assert set(answers) == set(measured.study_jobs.all())
    assert sorted(study_job.kind for study_job in set(answers)) == [Kind.LIMITS, Kind.MEASURE]


def test_a_second_message_finds_it_done(measured: Study) -> None:
    study_job = study_jobs.request(study=measured, kind=Kind.MEASURE, by=None)
    for _ in range(2):
        tasks.do_study_job(study_job.pk)
    study_job.refresh_from_db()
    assert (study_job.state, study_job.attempts, study_job.stage) == ("succeeded", 1, "")
    assert study_jobs.request(study=measured, kind=Kind.MEASURE, by=None) != study_job


def waits_for_a_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + processes.PATIENCE
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_limits_that_are_set_while_others_are_applied_are_applied_too(transactional_db: None, measured: Study) -> None:
    def set_limit(smallest: float) -> StudyJob:
        prescreen.set_limits(study=measured, limits={"sharpness": (smallest, None)}, by=None, at_once=False)
        return study_jobs.request(study=measured, kind=Kind.LIMITS, by=None)

    study_job = set_limit(-3.85)  # drops two
    worker = threading.Thread(target=apart, args=(lambda: tasks.do_study_job(study_job.pk), threading.Barrier(1)))
    with transaction.atomic():
        list(measured.images.select_for_update())
        worker.start()
        wait_until(waits_for_a_lock)  # it knows the limits, and can't go on
        assert set_limit(-3.55) == study_job  # drops five
    worker.join()
    study_job.refresh_from_db()
    assert (study_job.state, study_job.attempts, measured.study_jobs.count()) == ("succeeded", 1, 1)
    assert measured.images.filter(is_kept=False).count() == 5


def test_images_that_are_settled_while_others_are_measured_stay_as_they_are(measured: Study) -> None:
    study_job = jobs.claim(StudyJob, study_jobs.request(study=measured, kind=Kind.MEASURE, by=None).pk)
    assert study_job is not None
    assert study_job.study.golden_drawn_at is None  # as the worker has read it
    golden_draw.draw(study=measured, size=4)
    prescreen.set_limits(study=measured, limits={"sharpness": (-3.85, None)}, by=None, at_once=False)
    study_job_work.do(study_job)
    assert not measured.images.filter(is_kept=False).exists()


def test_of_two_sources_the_one_asked_for_last_scores(measured: Study, olga: User, ana: User) -> None:
    first, last = (builders.make_study(slug) for slug in ("first", "last"))
    study_jobs.request(study=measured, kind=Kind.SCORE, by=ana, source=first)
    study_job = study_jobs.request(study=measured, kind=Kind.SCORE, by=olga, source=last)
    publish_one("last")
    tasks.do_study_job(study_job.pk)
    study_job.refresh_from_db()
    assert (study_job.state, measured.study_jobs.count()) == ("succeeded", 1)
    scored = AuditEvent.objects.get(action="scored provisionally")
    assert (scored.user, scored.detail.endswith("of last")) == (olga, True)


def test_what_can_be_mended_is_a_sentence_on_the_study_job(measured: Study, olga: User) -> None:
    source = builders.make_study("other")
    study_job = study_jobs.request(study=measured, kind=Kind.SCORE, by=olga, source=source)
    tasks.do_study_job(study_job.pk)
    study_job.refresh_from_db()
    assert study_job.state == "failed"
    assert "no published regressor" in study_job.error
    assert not ProvisionalScore.objects.exists()
    assert study_job.is_set_aside


def test_a_study_job_that_failed_is_not_tried_again_beside_a_later_one(measured: Study, olga: User) -> None:
    failed = study_jobs.request(study=measured, kind=Kind.MEASURE, by=None)
    StudyJob.objects.update(state="failed", error=jobs.GIVEN_UP)
    later = study_jobs.request(study=measured, kind=Kind.MEASURE, by=None)
    failed.refresh_from_db()
    assert study_jobs.of_pages(measured, Kind.MEASURE) == [later]
    assert not study_jobs.retry(failed, by=olga)
    assert not failed.is_set_aside
    assert not AuditEvent.objects.filter(action="tried a study job again").exists()


def test_somebody_asks_while_another_tries_it_again(transactional_db: None, measured: Study, olga: User) -> None:
    failed = study_jobs.request(study=measured, kind=Kind.MEASURE, by=None)
    StudyJob.objects.update(state="failed", error=jobs.GIVEN_UP)
    failed.refresh_from_db()
    side_by_side(
        lambda: study_jobs.retry(failed, by=olga),
        lambda: study_jobs.request(study=measured, kind=Kind.MEASURE, by=None),
    )
    assert measured.study_jobs.filter(state="queued").count() == 1


BUTTON = """
import django
django.setup()
from django.test import Client
from labeler.models import User
client = Client(HTTP_HOST="localhost")
client.force_login(User.objects.get(username="olga"))
print(client.post("/studies/acne/duplicates/search/", follow=True).content.decode())
"""


def test_what_a_button_asked_for_is_kept_while_the_queue_is_away(
    transactional_db: None, measured: Study, olga: User
) -> None:
    measured.admins.add(olga)
    environment = processes.environment() | {"REDIS_URL": "redis://127.0.0.1:1/0"}
    environment["DJANGO_SETTINGS_MODULE"] = "labeler.settings"
    page = subprocess.run([sys.executable, "-c", BUTTON], env=environment, capture_output=True, text=True, check=False)
    assert "What you asked for is kept" in page.stdout, page.stderr
    assert measured.study_jobs.get().state == "queued"
