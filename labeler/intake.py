"""Intake: photographs in a folder become Images of a study."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction

from labeler import renditions
from labeler.models import Image, Study
from scoring import images

PHOTOGRAPH_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})


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
    """Import every photograph in `folder` and below; importing again adds only what is new.

    `subjects` maps file names to the person in them, where known. `on_file(done, total)` hears of progress.
    Raises IntakeError when there is nothing to import or the study is closed to new images.
    """
    files = _photographs(study, folder)
    report = ImportReport()
    for done, path in enumerate(files, start=1):
        name = str(path.relative_to(folder))
        try:
            _import_file(study, path, name, (subjects or {}).get(path.name, ""), report)
        except (images.ImageError, OSError) as error:
            report.refused.append(Refusal(name, str(error)))
        if on_file:
            on_file(done, len(files))
    return report


def _photographs(study: Study, folder: Path) -> list[Path]:
    if study.golden_drawn_at:
        raise IntakeError(
            f"Study {study.slug} has its golden set drawn, so new images would be in no reader's list. "
            "Import before drawing, or start another study."
        )
    try:
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PHOTOGRAPH_SUFFIXES)
        next(folder.iterdir(), None)  # rglob is silent about a folder that is missing or closed to us
    except OSError as error:
        raise IntakeError(f"The folder {folder} can't be read: {error.strerror}. Check its name and rights.") from error
    if not files:
        raise IntakeError(f"There is no photograph (.jpg, .jpeg, .png, .webp) in {folder}.")
    return files


def _import_file(study: Study, path: Path, name: str, subject: str, report: ImportReport) -> None:
    if path.stat().st_size > images.MAX_SELFIE_BYTES:
        raise images.ImageError(f"This file is larger than {images.MAX_SELFIE_BYTES // 2**20} MB.")
    data = path.read_bytes()
    content_hash = images.content_hash(data)
    if study.images.filter(content_hash=content_hash).exists():
        report.known += 1
        return
    pixels = images.decode(data)
    height, width = pixels.shape[:2]
    original, rendition = _random_name("originals"), _random_name("renditions")
    files = {original: data}
    files |= {renditions.storage_name(rendition, size): webp for size, webp in renditions.render(pixels).items()}
    try:
        for storage_name, content in files.items():
            default_storage.save(storage_name, ContentFile(content))
        with transaction.atomic():
            Image.objects.create(
                study=study,
                content_hash=content_hash,
                source_name=name[-255:],
                original=original,
                rendition=rendition,
                width=width,
                height=height,
                subject=subject,
            )
    except BaseException:  # also Ctrl-C: no file stays without its row
        for storage_name in files:
            default_storage.delete(storage_name)
        raise
    report.imported += 1


def _random_name(kind: str) -> str:
    """Return a name of 128 random bits, so that it tells nothing and can't be guessed."""
    key = secrets.token_hex(16)
    return f"{kind}/{key[:2]}/{key}"
