"""A job that takes longer than the broker waits, and longer than a lease, is done once."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from subprocess import Popen

import pytest
from django.db.models.functions import Now

from labeler import tasks
from labeler.models import AuditEvent, Erasure
from labeler.privacy import erasing
from scoring.platform import jobs
from tests import builders, processes

RECEIVED = b"Task labeler.tasks.erase"
LOOKING = "Looking whether anything is left"


@pytest.fixture
def erasure(transactional_db: None) -> Erasure:
    study = builders.make_study(images=2)
    return erasing.request(study=study, images=study.images.all(), reason="They asked for it.", by=None)


def worker(folder: Path, name: str) -> AbstractContextManager[Popen[bytes]]:
    """Run a worker whose erasures wait for the file `go-on`."""
    return processes.worker(
        folder / f"{name}.log", queue="intake", app="tests.faults.impatient", GO_ON=str(folder / "go-on")
    )


def wait_until(is_so: Callable[[], bool], folder: Path) -> None:
    deadline = time.monotonic() + 2 * processes.PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, "\n".join(log.read_text() for log in sorted(folder.glob("*.log")))
        time.sleep(0.05)


def stored(erasure: Erasure) -> Erasure:
    return Erasure.objects.get(pk=erasure.pk)


def times_done(erasure: Erasure) -> int:
    return AuditEvent.objects.filter(action=erasing.ACTION, detail__startswith=f"{erasure}:").count()


def test_a_message_that_comes_again_does_not_do_it_again(erasure: Erasure, tmp_path: Path) -> None:
    with worker(tmp_path, "first"):
        tasks.erase.delay(erasure.pk)
        wait_until(lambda: stored(erasure).stage == LOOKING, tmp_path)
        with worker(tmp_path, "second"):
            # The broker gives the message to somebody else, and in the meantime several leases would have passed.
            wait_until(lambda: RECEIVED in (tmp_path / "second.log").read_bytes(), tmp_path)
            began = stored(erasure).started_at
            wait_until(lambda: Erasure.objects.filter(started_at__lt=Now() - timedelta(seconds=10)).exists(), tmp_path)
            assert (stored(erasure).attempts, stored(erasure).started_at) == (1, began)
            assert not jobs.overdue(Erasure).exists()
            (tmp_path / "go-on").touch()
            wait_until(lambda: stored(erasure).state == "succeeded", tmp_path)
    assert (stored(erasure).attempts, times_done(erasure)) == (1, 1)


def test_a_worker_that_was_paused_for_too_long_stores_nothing(erasure: Erasure, tmp_path: Path) -> None:
    with worker(tmp_path, "paused") as paused:
        tasks.erase.delay(erasure.pk)
        wait_until(lambda: stored(erasure).stage == LOOKING, tmp_path)
        os.killpg(paused.pid, signal.SIGSTOP)
        wait_until(jobs.overdue(Erasure).exists, tmp_path)
        (tmp_path / "go-on").touch()
        with worker(tmp_path, "next"):
            jobs.sweep()
            wait_until(lambda: stored(erasure).state == "succeeded", tmp_path)
        os.killpg(paused.pid, signal.SIGCONT)
        wait_until(lambda: b"LostLeaseError" in (tmp_path / "paused.log").read_bytes(), tmp_path)
    assert (stored(erasure).attempts, times_done(erasure)) == (2, 1)
