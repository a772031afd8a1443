"""Import: each photograph becomes one Image of a study, with its measures."""

import os
import secrets
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction

from labeler.images import consents, measurements, preprocessing, renditions, zip_files
from labeler.images.preprocessing import Prepared, Submit
from labeler.intake import orphaned_files
from labeler.models import Image, Study
from labeler.screening import prescreen
from scoring.photograph import decoding

WORTH_A_PROCESS = 25  # photographs: as long as it takes to start one

Source = tuple[str, Callable[[], bytes]]  # a name, and what reads the file


class IntakeError(ValueError):
    """Why nothing can be imported, as a sentence for people."""


@dataclass(frozen=True)
class Refusal:
    """A file that did not become an image, and why."""

    name: str
    reason: str


@dataclass
class ImportReport:
    """What became of each file: new, here already (the same bytes), or refused."""

    imported: int = 0
    known: int = 0
    refused: list[Refusal] = field(default_factory=list)

    @property
    def files(self) -> int:
        return self.imported + self.known + len(self.refused)


def import_folder(
    *,
    study: Study,
    folder: Path,
    subjects: Mapping[str, str] | None = None,
    on_file: Callable[[int, int], None] | None = None,
    processes: int = 1,
) -> ImportReport:
    """Import every photograph in `folder` and below, or in a zip; importing again adds only what is new.

    `subjects` maps file names to the person in them, where known. `on_file(done, total)` hears of progress. As many
    as `processes` others prepare the photographs, where there are enough, and this one stores them.
    Raises IntakeError when there is nothing to import or the study is closed.
    """
    check_open(study)
    files = _zipped(folder) if folder.suffix.lower() == ".zip" else _photographs(folder)
    going_on = _Import(study, subjects or {}, len(files), on_file)
    processes = min(processes, len(files) // WORTH_A_PROCESS) or 1
    with preprocessing.preparing(processes) as submit:
        for name, read in files:
            going_on.begin(name, read, submit)
            if len(going_on.waiting) == 2 * processes:  # so that no process waits for work, and memory stays small
                going_on.end_one()
        while going_on.waiting:
            going_on.end_one()
    prescreen.apply(study)
    return going_on.report


@dataclass
class _Import:
    """A folder's import while it goes on: what is being prepared, in order, and what became of the rest."""

    study: Study
    subjects: Mapping[str, str]
    total: int
    on_file: Callable[[int, int], None] | None
    waiting: deque[tuple[str, bytes, "Future[Prepared]"]] = field(default_factory=deque)
    report: ImportReport = field(default_factory=ImportReport)

    def begin(self, name: str, read: Callable[[], bytes], submit: Submit) -> None:
        """Have a file prepared, if the study has no such bytes."""
        try:
            data = read()
        except (zip_files.ArchiveError, OSError) as error:
            self._refuse(name, error)
            return
        if _is_known(self.study, decoding.content_hash(data)):
            self.report.known += 1
            self._tell()
        else:
            self.waiting.append((name, data, submit(data)))

    def end_one(self) -> None:
        """Store the first of those that are being prepared."""
        name, data, future = self.waiting.popleft()
        subject = self.subjects.get(Path(name).name, "")
        try:
            is_new = _store(self.study, data, future.result(), name=name, subject=subject)
        except decoding.ImageError as error:
            self._refuse(name, error)
            return
        except BrokenProcessPool as error:
            raise IntakeError(f"The process that read {name}, or one near it, was stopped. Import again.") from error
        self.report.imported += is_new
        self.report.known += not is_new
        self._tell()

    def _refuse(self, name: str, error: Exception) -> None:
        self.report.refused.append(Refusal(name, str(error)))
        self._tell()

    def _tell(self) -> None:
        if self.on_file:
            self.on_file(self.report.files, self.total)


def check_open(study: Study) -> None:
    """Raises IntakeError where the study takes no images any more."""
    if study.closed_at:
        raise IntakeError(f"Study {study.slug} was closed on {study.closed_at:%Y-%m-%d}. Start another study.")


def _photographs(folder: Path) -> Sequence[Source]:
    try:
        files = sorted(path for path in folder.rglob("*") if path.is_file() and not _is_hidden(path, folder))
        next(folder.iterdir(), None)  # rglob is silent about a folder that is missing or closed to us
    except OSError as error:
        raise IntakeError(f"The folder {folder} can't be read: {error.strerror}. Check its name and rights.") from error
    if not files:
        raise IntakeError(f"There is no file in {folder}. Give the folder that the photographs are in.")
    return [(_name(path, folder), _reading(path)) for path in files]


def _name(path: Path, folder: Path) -> str:
    """Return a file's name as text: a name in bytes that are no UTF-8 gets signs for them."""
    return os.fsencode(path.relative_to(folder)).decode(errors="replace")


def _is_hidden(path: Path, folder: Path) -> bool:
    return zip_files.is_hidden(path.relative_to(folder).as_posix())


def _reading(path: Path) -> Callable[[], bytes]:
    def read() -> bytes:
        with path.open("rb") as file:
            return file.read(decoding.MAX_SELFIE_BYTES + 1)  # one more than allowed: that is refused

    return read


def _zipped(path: Path) -> Sequence[Source]:
    def reading(name: str) -> Callable[[], bytes]:
        return lambda: zip_files.read(path, name)

    try:
        return [(name, reading(name)) for name in zip_files.members(path)]
    except zip_files.ArchiveError as error:
        raise IntakeError(str(error)) from error


def import_photograph(*, study: Study, data: bytes, name: str) -> bool:
    """Store one photograph with its renditions and measures; False if the study has these bytes already.

    Raises images.ImageError; then nothing is stored.
    """
    if _is_known(study, decoding.content_hash(data)):
        return False
    return _store(study, data, preprocessing.prepare(data), name=name)


def _is_known(study: Study, content_hash: str) -> bool:
    return study.images.filter(content_hash=content_hash).exists()


def _store(study: Study, data: bytes, made: Prepared, *, name: str, subject: str = "") -> bool:
    """Store a photograph and what was made of it; False if another worker was first."""
    content_hash = decoding.content_hash(data)
    original, rendition = _random_name(orphaned_files.ORIGINALS), _random_name(orphaned_files.RENDITIONS)
    files = {original: data}
    files |= {renditions.storage_name(rendition, size): webp for size, webp in made.renditions.items()}
    try:
        with _stored(files), transaction.atomic():
            image = Image.objects.create(
                study=study,
                content_hash=content_hash,
                source_name=name[-255:],
                original=original,
                rendition=rendition,
                rendition_sha256=renditions.digests(made.renditions),
                width=made.width,
                height=made.height,
                subject=subject,
            )
            measurements.save(image, made.measures)
            prescreen.judge(image)
            consents.judge(image)
    except IntegrityError:
        if _is_known(study, content_hash):
            return False
        raise
    return True


@contextmanager
def _stored(files: Mapping[str, bytes]) -> Iterator[None]:
    """Store files for as long as the block succeeds: after any failure, also Ctrl-C, none stays without its row.

    Of a process that is killed some do stay; `labeler.intake.orphaned_files` finds them.
    """
    try:
        for name, content in files.items():
            default_storage.save(name, ContentFile(content))
        yield
    except BaseException:
        for name in files:
            default_storage.delete(name)
        raise


def _random_name(kind: str) -> str:
    """Return a name of 128 random bits, so that it tells nothing and can't be guessed."""
    key = secrets.token_hex(16)
    return f"{kind}/{key[:2]}/{key}"
