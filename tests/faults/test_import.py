"""An import survives the worker that was doing it: every photograph comes once."""

import io
import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core.cache import cache
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from labeler import tasks
from labeler.celery import app
from labeler.intake import importing, orphaned_files, uploads
from labeler.models import Erasure, Image, Intake, IntakeFile, User
from labeler.operations import health
from labeler.privacy import erasing
from scoring.platform import jobs
from tests import builders, processes

PHOTOGRAPHS = 40
MANY = 90  # twice as many as are imported before an erasure has its turn
STALLED = 120  # seconds in which nothing changes until an import counts as stuck
pytestmark = pytest.mark.timeout(900)  # a busy machine may take its time


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for as long as the import goes on."""
    seen, deadline = None, 0.0
    while not is_so():
        now = (Image.objects.count(), dict(IntakeFile.objects.values_list("name", "state")))
        if now != seen:
            seen, deadline = now, time.monotonic() + STALLED
        assert time.monotonic() < deadline, seen
        time.sleep(0.02)


def sent(olga: User, *, photographs: int = PHOTOGRAPHS) -> Intake:
    """Send a zip of photographs that are large enough to take a while each."""
    files = {f"IMG_{number}.jpg": builders.make_jpeg(number, size=(300, 400)) for number in range(photographs)}
    stream = io.BytesIO(builders.make_zip(files))
    into = uploads.begin(study=builders.make_study(), by=olga)
    size, here = len(stream.getvalue()), 0
    while here < size:
        here = uploads.receive(into, name="all.zip", size=size, offset=here, body=stream)
    uploads.finish(into)
    return into


def test_an_import_whose_worker_is_killed_goes_on_and_brings_everything_once(
    transactional_db: None, olga: User, tmp_path: Path
) -> None:
    into = sent(olga)
    images = into.study.images
    with processes.worker(tmp_path / "first.log", queue="intake") as worker:
        jobs.send(tasks.import_files, into.pk)
        wait_until(lambda: images.count() >= 5)
        processes.kill(worker)
    assert images.count() < PHOTOGRAPHS
    assert uploads.waiting(into)

    # Five minutes later the lease has passed, and the sweep that beat starts every minute finds it.
    into.files.exclude(lease_until=None).update(lease_until=timezone.now() - timedelta(seconds=1))
    with processes.worker(tmp_path / "second.log", queue="intake"):
        jobs.sweep()
        wait_until(lambda: not uploads.waiting(into))
    assert images.count() == PHOTOGRAPHS
    assert sorted(images.values_list("source_name", flat=True)) == sorted(f"IMG_{n}.jpg" for n in range(PHOTOGRAPHS))
    assert not into.files.filter(state=IntakeFile.State.REFUSED).exists()


def test_an_erasure_and_the_tick_need_not_wait_for_the_end_of_a_large_import(
    transactional_db: None, olga: User, tmp_path: Path
) -> None:
    into = sent(olga, photographs=MANY)
    images = into.study.images
    with processes.worker(tmp_path / "worker.log", queue="intake", app="tests.faults.taking_turns"):
        jobs.send(tasks.import_files, into.pk)
        wait_until(lambda: images.count() >= 3)
        last = health.last_tick()
        erasure = erasing.request(
            study=into.study, images=images.filter(pk=images.earliest("pk").pk), reason=".", by=olga
        )
        jobs.send(tasks.erase, erasure.pk)
        jobs.send(tasks.tick)
        wait_until(lambda: Erasure.objects.get().state == Erasure.State.SUCCEEDED and health.last_tick() != last)
        assert uploads.waiting(into)
        wait_until(lambda: not uploads.waiting(into))
    assert images.count() == MANY
    assert not IntakeFile.objects.filter(state=IntakeFile.State.REFUSED).exists()


def test_an_import_whose_messages_are_lost_is_taken_up_by_the_next_sweep(
    transactional_db: None, olga: User, tmp_path: Path
) -> None:
    into = sent(olga)
    with processes.worker(tmp_path / "first.log", queue="intake", app="tests.faults.taking_turns") as worker:
        jobs.send(tasks.import_files, into.pk)
        wait_until(lambda: into.study.images.count() >= 3)
        processes.kill(worker)
    app.control.purge()
    assert uploads.waiting(into)
    into.files.exclude(lease_until=None).update(lease_until=timezone.now() - timedelta(seconds=1))
    with processes.worker(tmp_path / "second.log", queue="intake", app="tests.faults.taking_turns"):
        cache.clear()  # a minute later the slots of what was lost are free
        jobs.sweep()
        wait_until(lambda: not uploads.waiting(into))
    assert into.study.images.count() == PHOTOGRAPHS


def test_a_command_that_is_killed_leaves_no_process_and_goes_on(transactional_db: None, tmp_path: Path) -> None:
    study = builders.make_study()
    folder = tmp_path / "photographs"
    folder.mkdir()
    for number in range(2 * importing.WORTH_A_PROCESS):
        (folder / f"IMG_{number}.jpg").write_bytes(builders.make_jpeg(number, size=(300, 400)))
    arguments = ("manage", "import_images", "acne", str(folder))
    with processes.running(*arguments, log=tmp_path / "first.log") as command:
        wait_until(lambda: study.images.count() >= 5)
        command.kill()  # alone: what it had started must see that it is gone
        command.wait()
        wait_until(lambda: not alive(command.pid))
    left = study.images.count()
    assert left < 2 * importing.WORTH_A_PROCESS
    # Killed between the files and their row:
    orphan = default_storage.save("renditions/ab/abcd-full", ContentFile(b"a face"))
    long_ago = (timezone.now() - timedelta(hours=2)).timestamp()
    for path in Path(settings.MEDIA_ROOT).rglob("*"):
        os.utime(path, (long_ago, long_ago))
    said = builders.command_output("import_images", "acne", str(folder))
    assert said.startswith(f"{2 * importing.WORTH_A_PROCESS - left} imported, {left} known already, 0 refused.")
    kept = {name for image in study.images.all() for name in (image.original, f"{image.rendition}-full")}
    orphaned_files.collect()
    assert not default_storage.exists(orphan)
    stored = {str(path.relative_to(settings.MEDIA_ROOT)) for path in Path(settings.MEDIA_ROOT).rglob("*-full")}
    assert stored == {name for name in kept if name.endswith("-full")}
    assert all(default_storage.exists(name) for name in kept)


def alive(group: int) -> bool:
    """Whether any process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
