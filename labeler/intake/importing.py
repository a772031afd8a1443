"""Import: each photograph becomes one Image of a study, with its measures."""

import os
import secrets
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction

from labeler.images import consents, measurements, preprocessing, renditions, zip_files
from labeler.images.preprocessing import Prepared, Submit
from labeler.intake import known_names, orphaned_files
from labeler.intake.file_names import clean, fitting
from labeler.models import Image, Intake, IntakeFile, Study
from labeler.record import subject_codes
from labeler.screening import prescreen
from scoring.photograph import decoding

LONGEST_NAME = 500  # characters of a name in an import's list
WORTH_A_PROCESS = 25  # photographs: as long as it takes to start one

State = IntakeFile.State
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
    copies: list[Refusal] = field(default_factory=list)  # of those that are known, the ones that came by another name

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
    """Import every photograph in `folder` and below, also in zips, or in a zip; again adds only what is new.

    `subjects` maps files' names, with their folders, to the person in them, where known. `on_file(done, total)` hears
    of progress. As many as `processes` others prepare the photographs, where there are enough, and this one stores
    them.
    Raises IntakeError when there is nothing to import or the study is closed.
    """
    check_open(study)
    is_zip = folder.suffix.lower() == ".zip"
    files = _zipped(folder) if is_zip else _photographs(folder)
    source = Intake.Source.ZIP if is_zip else Intake.Source.FOLDER
    into = Intake.objects.create(study=study, source=source, place=os.fsencode(folder).decode(errors="replace")[-500:])
    going_on = _Import(study, into, subjects or {}, len(files), on_file)
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
    into: Intake
    subjects: Mapping[str, str]
    total: int
    on_file: Callable[[int, int], None] | None
    waiting: deque[tuple[str, bytes, "Future[Prepared]"]] = field(default_factory=deque)
    report: ImportReport = field(default_factory=ImportReport)
    names: Counter[str] = field(default_factory=Counter)

    def begin(self, name: str, read: Callable[[], bytes], submit: Submit) -> None:
        """Have a file prepared, if the study has no such bytes."""
        try:
            data = read()
        except (zip_files.ArchiveError, OSError) as error:
            self._end(name, State.REFUSED, str(error))
            return
        if _is_known(self.study, decoding.content_hash(data)):
            self._end(name, State.KNOWN, same_file(self.study, data, name))
        else:
            self.waiting.append((name, data, submit(data)))

    def end_one(self) -> None:
        """Store the first of those that are being prepared."""
        name, data, future = self.waiting.popleft()
        subject = self.subjects.get(name, "")
        try:
            is_new = _store(self.study, data, future.result(), name=name, subject=subject)
        except decoding.ImageError as error:
            self._end(name, State.REFUSED, str(error))
        except BrokenProcessPool as error:
            raise IntakeError(f"The process that read {name}, or one near it, was stopped. Import again.") from error
        else:
            state, reason = (State.IMPORTED, "") if is_new else (State.KNOWN, same_file(self.study, data, name))
            self._end(name, state, reason)

    def _end(self, name: str, state: State, reason: str) -> None:
        """Write down what became of a file, so that tables of metadata find its name, also if it was refused."""
        self.names[name] += 1
        numbered = numbered_name(name, self.names[name])
        own = "" if numbered == name else name
        IntakeFile.objects.create(intake=self.into, name=numbered, came_as=own, state=state, reason=reason)
        match state:
            case State.IMPORTED:
                self.report.imported += 1
            case State.KNOWN:
                self.report.known += 1
                self.report.copies += [Refusal(name, reason)] if reason else []
            case _:
                self.report.refused.append(Refusal(name, reason))
        if self.on_file:
            self.on_file(self.report.files, self.total)


def numbered_name(name: str, number: int) -> str:
    """Return what the number-th file of one name is called in an import's list."""
    return name if number == 1 else f"{name[-LONGEST_NAME + 20 :]} [{number}]"


def check_open(study: Study) -> None:
    """Raises IntakeError where the study takes no images any more."""
    if study.closed_at:
        raise IntakeError(f"Study {study.slug} was closed on {study.closed_at:%Y-%m-%d}. Start another study.")


def _photographs(folder: Path) -> Sequence[Source]:
    try:
        found = [path for path in folder.rglob("*") if path.is_file() and not _is_hidden(path, folder)]
        next(folder.iterdir(), None)  # rglob is silent about a folder that is missing or closed to us
    except OSError as error:
        raise IntakeError(f"The folder {folder} can't be read: {error.strerror}. Check its name and rights.") from error
    if not found:
        raise IntakeError(f"There is no file in {folder}. Give the folder that the photographs are in.")
    files = sorted(found, key=lambda path: path.relative_to(folder).parts)  # as the browser's page sends them
    return [source for path in files for source in _sources(path, folder)]


def _sources(path: Path, folder: Path) -> Sequence[Source]:
    """Return a file, or what a zip holds; of one that can't be opened, itself, to be refused."""
    if path.suffix.lower() != ".zip":
        return [(_name(path, folder), _reading(path))]
    try:
        return _zipped(path)
    except IntakeError as error:
        why = str(error)

    def refuse() -> bytes:
        raise zip_files.ArchiveError(why)

    return [(_name(path, folder), refuse)]


def _name(path: Path, folder: Path) -> str:
    """Return a file's name as text: a name in bytes that are no UTF-8 gets signs for them."""
    return fitting(clean(os.fsencode(path.relative_to(folder)).decode(errors="replace")), LONGEST_NAME)


def _is_hidden(path: Path, folder: Path) -> bool:
    return zip_files.is_hidden(path.relative_to(folder).as_posix())


def _reading(path: Path) -> Callable[[], bytes]:
    def read() -> bytes:
        with path.open("rb") as file:
            return file.read(settings.INTAKE_MAX_BYTES + 1)  # one more than allowed: that is refused

    return read


def _zipped(path: Path) -> Sequence[Source]:
    def reading(place: int) -> Callable[[], bytes]:
        return lambda: zip_files.read(path, place)

    try:
        return [(fitting(clean(name), LONGEST_NAME), reading(place)) for place, name in zip_files.members(path)]
    except zip_files.ArchiveError as error:
        raise IntakeError(str(error)) from error


def import_photograph(*, study: Study, data: bytes, name: str) -> bool:
    """Store one photograph with its renditions and measures; False if the study has these bytes already.

    Raises images.ImageError; then nothing is stored.
    """
    if _is_known(study, decoding.content_hash(data)):
        return False
    return _store(study, data, preprocessing.prepare(data, preprocessing.limits()), name=name)


def same_file(study: Study, data: bytes, name: str) -> str:
    """Keep the name of a file whose image the study has; return a sentence for people where it is another name."""
    image = study.images.get(content_hash=decoding.content_hash(data))
    if image.is_erased:
        known_names.keep_erased(study, {name})
        return ""
    if not known_names.keep_alias(image, name):
        return ""
    return f"It is the same file as {image.source_name}."


def _is_known(study: Study, content_hash: str) -> bool:
    return study.images.filter(content_hash=content_hash).exists()


def _store(study: Study, data: bytes, made: Prepared, *, name: str, subject: str = "") -> bool:
    """Store a photograph and what was made of it; False if another worker was first."""
    content_hash = decoding.content_hash(data)
    original, rendition = random_name(orphaned_files.ORIGINALS), random_name(orphaned_files.RENDITIONS)
    files = {original: data}
    files |= {renditions.storage_name(rendition, size): webp for size, webp in made.renditions.items()}
    try:
        with stored(files), transaction.atomic():
            image = Image.objects.create(
                study=study,
                content_hash=content_hash,
                source_name=fitting(clean(name)),
                original=original,
                rendition=rendition,
                rendition_sha256=renditions.digests(made.renditions),
                turn=made.turn,
                width=made.width,
                height=made.height,
                subject=subject_codes.clean(subject),
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
def stored(files: Mapping[str, bytes]) -> Iterator[None]:
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


def random_name(kind: str) -> str:
    """Return a name of 128 random bits, so that it tells nothing and can't be guessed."""
    key = secrets.token_hex(16)
    return f"{kind}/{key[:2]}/{key}"
