"""Intake: photographs become Images of a study, each once, with what is measured of it."""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction

from labeler import archives, measurements, prescreen, renditions
from labeler.models import Image, Study
from scoring import images

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


def import_folder(
    *,
    study: Study,
    folder: Path,
    subjects: Mapping[str, str] | None = None,
    on_file: Callable[[int, int], None] | None = None,
) -> ImportReport:
    """Import every photograph in `folder` and below, or in a zip; importing again adds only what is new.

    `subjects` maps file names to the person in them, where known. `on_file(done, total)` hears of progress.
    Raises IntakeError when there is nothing to import or the study is closed.
    """
    check_open(study)
    files = _zipped(folder) if folder.suffix.lower() == ".zip" else _photographs(folder)
    report = ImportReport()
    for done, (name, read) in enumerate(files, start=1):
        subject = (subjects or {}).get(Path(name).name, "")
        try:
            is_new = import_photograph(study=study, data=read(), name=name, subject=subject)
        except (images.ImageError, archives.ArchiveError, OSError) as error:
            report.refused.append(Refusal(name, str(error)))
        else:
            report.imported += is_new
            report.known += not is_new
        if on_file:
            on_file(done, len(files))
    prescreen.apply(study)
    return report


def check_open(study: Study) -> None:
    """Raises IntakeError where the study takes no images any more."""
    if study.closed_at:
        raise IntakeError(f"Study {study.slug} was closed on {study.closed_at:%Y-%m-%d}. Start another study.")


def _photographs(folder: Path) -> Sequence[Source]:
    try:
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in images.SUFFIXES)
        next(folder.iterdir(), None)  # rglob is silent about a folder that is missing or closed to us
    except OSError as error:
        raise IntakeError(f"The folder {folder} can't be read: {error.strerror}. Check its name and rights.") from error
    if not files:
        raise IntakeError(f"There is no photograph ({', '.join(sorted(images.SUFFIXES))}) in {folder}.")
    return [(str(path.relative_to(folder)), _reading(path)) for path in files]


def _reading(path: Path) -> Callable[[], bytes]:
    def read() -> bytes:
        with path.open("rb") as file:
            return file.read(images.MAX_SELFIE_BYTES + 1)  # one more than allowed: that is refused

    return read


def _zipped(path: Path) -> Sequence[Source]:
    def reading(name: str) -> Callable[[], bytes]:
        return lambda: archives.read(path, name)

    try:
        return [(name, reading(name)) for name in archives.members(path)]
    except archives.ArchiveError as error:
        raise IntakeError(str(error)) from error


def import_photograph(*, study: Study, data: bytes, name: str, subject: str = "") -> bool:
    """Store one photograph with its renditions and measures; False if the study has these bytes already.

    Raises images.ImageError; then nothing is stored.
    """
    content_hash = images.content_hash(data)
    if study.images.filter(content_hash=content_hash).exists():
        return False
    pixels = images.decode(data)
    height, width = pixels.shape[:2]
    original, rendition = _random_name("originals"), _random_name("renditions")
    files = {original: data}
    files |= {renditions.storage_name(rendition, size): webp for size, webp in renditions.render(pixels).items()}
    try:
        with _stored(files), transaction.atomic():
            image = Image.objects.create(
                study=study,
                content_hash=content_hash,
                source_name=name[-255:],
                original=original,
                rendition=rendition,
                width=width,
                height=height,
                subject=subject,
            )
            measurements.save(image, pixels)
    except IntegrityError:
        if study.images.filter(content_hash=content_hash).exists():  # another worker was first
            return False
        raise
    return True


@contextmanager
def _stored(files: Mapping[str, bytes]) -> Iterator[None]:
    """Store files for as long as the block succeeds: after any failure, also Ctrl-C, none stays without its row."""
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
