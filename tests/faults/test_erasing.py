"""An erasure survives the worker that was doing it."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone

from labeler import tasks
from labeler.models import ErasedImage, Erasure, User
from labeler.privacy import erasing
from scoring.models import Job
from scoring.platform import jobs
from tests import processes
from tests.training.builders import photographed_study

PATIENCE = 120  # seconds on a busy machine
IMAGES = 60


@pytest.mark.timeout(600)
def test_an_erasure_whose_worker_is_killed_is_finished_by_the_next(
    transactional_db: None, ana: User, tmp_path: Path
) -> None:
    study = photographed_study((ana,), tmp_path / "photographs", images=IMAGES, golden_size=2)
    asked = erasing.request(study=study, images=study.images.all(), reason="They asked for it.", by=None)
    with processes.worker(tmp_path / "first.log", queue="intake") as worker:
        jobs.send(tasks.erase, asked.pk)
        wait_for(lambda: ErasedImage.objects.exclude(done_at=None).exists(), asked)
        processes.kill(worker)
    done = ErasedImage.objects.exclude(done_at=None).count()
    assert 0 < done < IMAGES

    Erasure.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    with processes.worker(tmp_path / "second.log", queue="intake"):
        jobs.sweep()
        wait_for(lambda: Erasure.objects.get().state == Job.State.SUCCEEDED, asked)
    certificate = Erasure.objects.get().certificate
    assert certificate is not None
    assert certificate["totals"]["by_kind"] == {"original": IMAGES, "rendition": IMAGES}
    for kind in ("originals", "renditions"):
        assert not [
            name for part in default_storage.listdir(kind)[0] for name in default_storage.listdir(f"{kind}/{part}")[1]
        ]


def wait_for(is_so: Callable[[], bool], erasure: Erasure) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        erasure.refresh_from_db()
        assert time.monotonic() < deadline, f"{erasure.state}: {erasure.stage} {erasure.error}"
        time.sleep(0.02)
