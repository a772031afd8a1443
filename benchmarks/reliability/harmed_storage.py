"""The folder of all files on a small disk of its own, which can be filled up and made read-only."""

import io
import subprocess
import time
from contextlib import suppress
from datetime import timedelta
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image as PillowImage

if TYPE_CHECKING:
    from django.core.files.storage import Storage

SIZE = 64  # MB
PATIENCE = 10.0  # seconds that a disk may stay busy with somebody's writing


class SmallDisk:
    """A tmpfs at the folder in which the installation keeps its files. Mounting needs root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700)
        self.why_not = _mount("-t", "tmpfs", "-o", f"size={SIZE}m,mode=0700", "faults", str(folder))

    @property
    def is_there(self) -> bool:
        return not self.why_not

    def fill(self) -> None:
        """Write until nothing more fits."""
        with suppress(OSError), self._ballast.open("wb", buffering=0) as file:
            while file.write(bytes(2**16)):
                pass

    def empty(self) -> None:
        self._ballast.unlink(missing_ok=True)

    def forbid_writing(self) -> None:
        """Make it read-only, between two files that somebody writes."""
        deadline = time.monotonic() + PATIENCE
        while why_not := _mount("-o", "remount,ro", str(self.folder)):
            if time.monotonic() > deadline:
                raise RuntimeError(f"The small disk could not be made read-only: {why_not}")
            time.sleep(0.01)

    def allow_writing(self) -> None:
        _mount("-o", "remount,rw", str(self.folder))

    def stop(self) -> None:
        if self.is_there:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=False)

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"


def _mount(*arguments: str) -> str:
    """Return why it could not be done, or nothing."""
    try:
        done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "there is no program mount"
    return "" if done.returncode == 0 else done.stderr.strip() or "mount failed"


class Imports:
    """Imports that are under way while their disk is harmed."""

    PHOTOGRAPHS = 6  # of each

    def __init__(self) -> None:
        from labeler.models import User
        from labeler.studies import studies

        self.study = studies.create(slug="imports", title="Imports", is_simulated=True, seed=2019)
        self.admin = User.objects.create_user(username="olga")
        self._numbers = count(1_000_000)

    def begin(self) -> None:
        """Send new photographs, as a browser would, and ask the workers for them."""
        from django.db import connections

        from labeler import tasks
        from labeler.intake import uploads
        from scoring.platform.jobs import send
        from tests import builders

        connections.close_all()  # the one from before may have died with PostgreSQL
        into = uploads.begin(study=self.study, by=self.admin)
        for number in islice(self._numbers, self.PHOTOGRAPHS):
            data = builders.make_jpeg(number, size=(900, 1200))
            uploads.receive(into, name=f"{number}.jpg", size=len(data), offset=0, body=io.BytesIO(data))
        uploads.finish(into)
        send(tasks.import_files, into.pk)

    def unfinished(self, *, patience: float) -> dict[str, int]:
        """Wait until the workers are done, five minutes later; count what is missing, broken or refused."""
        from django.core.files.storage import default_storage
        from django.utils import timezone

        from labeler.images import renditions
        from labeler.models import IntakeFile
        from scoring.platform import jobs

        files = IntakeFile.objects.filter(intake__study=self.study)
        waiting = files.filter(state=IntakeFile.State.WAITING)
        deadline = time.monotonic() + patience
        while waiting.exists() and time.monotonic() < deadline:
            waiting.update(lease_until=timezone.now() - timedelta(seconds=1))  # leases end before a worker comes back
            jobs.sweep()
            time.sleep(5)
        images = list(self.study.images.all())
        names = [renditions.storage_name(image.rendition, renditions.FULL) for image in images]
        return {
            "photographs that no import ended": waiting.count(),
            "photographs refused": files.filter(state=IntakeFile.State.REFUSED).count(),
            "photographs imported and not whole": sum(not _is_picture(default_storage, name) for name in names),
            "photographs imported twice or not at all": abs(files.count() - len(images)),
        }


def _is_picture(storage: "Storage", name: str) -> bool:
    try:
        with storage.open(name) as file, PillowImage.open(file) as picture:
            picture.load()
    except OSError:
        return False
    return True
