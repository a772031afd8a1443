"""Uploads from a browser, in resumable pieces, imported by workers."""

import errno
import hashlib
import io
import math
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from labeler.images import buckets, zip_files
from labeler.intake import importing
from labeler.intake.file_names import clean, fitting
from labeler.intake.importing import LONGEST_NAME, ImportReport, Refusal
from labeler.intake.known_names import own_name
from labeler.models import Intake, IntakeFile, Study, User
from labeler.platform import database_clock
from labeler.record import audit
from labeler.screening import prescreen
from scoring.photograph import decoding

State = IntakeFile.State

PIECE = 8 * 2**20  # bytes that one request brings at most
MAX_ZIP_BYTES = 50 * 2**30  # 4,700 photographs of 10 MB
FILE_LEASE = timedelta(minutes=5)  # a photograph takes seconds; a lost worker's is taken again after this
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
MAX_ATTEMPTS = 3  # a file that took three workers with it would take the fourth
WHOLE_MARK = 64  # characters of a mark that is the hash of all bytes; a browser hashes only the ends of a large zip
SET_ASIDE = timedelta(days=7)  # what was given up is kept this long, to be tried again
LEFT = timedelta(days=2)  # an abandoned upload

COUNTED_EVERY = 20  # files: others import too, so what is done is counted in the database
ORPHANED_AFTER = timedelta(hours=1)  # bytes without a row that needs them, for as long: their worker is gone

TOO_LONG = f"Its name and folders have more than {LONGEST_NAME} characters. Shorten them."
GIVEN_UP = (
    f"Importing it stopped the worker {MAX_ATTEMPTS} times, or failed as often; the worker's log says why. "
    "Try it again, or open it in an image program and save it anew."
)


class UploadError(ValueError):
    """Why a file can't be taken, as a sentence for people."""


class Body(Protocol):
    """A request's body."""

    def read(self, size: int, /) -> bytes: ...


@transaction.atomic
def begin(*, study: Study, by: User) -> Intake:
    """Return the import that this person's browser adds files to: the one that was interrupted, or a new one.

    Raises intake.IntakeError where the study takes no images.
    """
    importing.check_open(study)
    going_on = study.intakes.filter(requested_by=by, is_uploading=True).first()
    if going_on:
        return going_on
    started = Intake.objects.create(study=study, source=Intake.Source.UPLOAD, requested_by=by, is_uploading=True)
    audit.record(study, by, "import begun", detail=str(started))
    return started


@transaction.atomic
def begin_bucket(*, study: Study, place: str, by: User | None) -> Intake:
    """Begin an import of everything at a place in object storage; workers list it, and take its files one by one.

    Raises intake.IntakeError where the study takes no images, and buckets.BucketError where the place is not allowed.
    """
    importing.check_open(study)
    found = buckets.find(place)
    into = Intake.objects.create(study=study, source=Intake.Source.BUCKET, place=str(found), requested_by=by)
    into.files.create(name=str(found))
    audit.record(study, by, "import begun", detail=f"{into} from {found}")
    return into


def mark_of(file: "UploadedFile[Any]") -> str:
    """Return the hash of a whole file's bytes."""
    hashed = hashlib.sha256()
    for chunk in file.chunks():
        hashed.update(chunk)
    file.seek(0)
    return hashed.hexdigest()


def received(into: Intake, *, name: str, size: int, mark: str = "") -> int:
    """Return how many bytes of a file are here. Of what systems put beside photographs nothing is wanted."""
    if zip_files.is_hidden(name):
        return size
    file = _same(into, fitting(clean(name), LONGEST_NAME), size, mark)
    if file is None:
        return 0
    return _held(file) if file.state == State.UPLOADING else size


@transaction.atomic
def receive(into: Intake, *, name: str, size: int, offset: int, body: Body, mark: str = "") -> int:
    """Append a piece of a file; return how many bytes are here now. A piece from elsewhere than the end is ignored.

    Another file of the same name and size has another `mark`, a hash of its bytes; a whole file without one is given
    its own. The last piece makes the file wait for a worker. Raises UploadError.
    """
    if zip_files.is_hidden(name):
        return size
    name = fitting(clean(name), LONGEST_NAME)
    _check(name, size)
    Intake.objects.select_for_update().get(pk=into.pk)  # one piece after the other
    file = _same(into, name, size, mark)
    if not mark and size <= PIECE and not offset and (file is None or file.state != State.UPLOADING):
        data = body.read(size)
        mark, body = (decoding.content_hash(data) if len(data) == size else ""), io.BytesIO(data)
        file = _same(into, name, size, mark)
    file = file or _add(into, name, size, mark)
    if file.state != State.UPLOADING:
        return size
    with stored_at(file.upload).open("ab") as stored:
        here = stored.tell()
        if offset == here:
            here += _append(stored, body, min(PIECE, size - here))
    if here == size:
        IntakeFile.objects.filter(pk=file.pk).update(state=State.WAITING)
    return here


@transaction.atomic
def refuse(into: Intake, *, name: str, size: int, reason: str) -> None:
    """Count a file that can't be taken, and list it with the reason."""
    Intake.objects.select_for_update().get(pk=into.pk)
    name = fitting(clean(name), LONGEST_NAME)
    if _same(into, name, size, "") is None:
        file = _add(into, name, size, "")
        _end(file, State.REFUSED, reason)


def finish(into: Intake) -> None:
    """The browser has sent everything, be it that a server stopped before it could write down a file's last piece."""
    whole = [file.pk for file in into.files.filter(state=State.UPLOADING) if _held(file) == file.size]
    into.files.filter(pk__in=whole).update(state=State.WAITING)
    Intake.objects.filter(pk=into.pk).update(is_uploading=False)


def import_waiting(
    into: Intake,
    *,
    on_file: Callable[[int, int], None] | None = None,
    on_unpacked: Callable[[], None] | None = None,
    seconds: float = math.inf,
) -> int:
    """Import waiting files until others hold the rest; return how many. Any number of workers may do it at once.

    It ends with the file at which `seconds` are over. `on_file(done, total)` hears of progress, `on_unpacked` of new
    files that others could take too.
    """
    done, end = 0, time.monotonic() + seconds
    while (not done or time.monotonic() < end) and (file := _take(into)):
        if file.attempts > MAX_ATTEMPTS:
            _give_up(file)
        elif file.archive_id is None and (_is_bucket(file) or file.name.lower().endswith(".zip")):
            _unpack(file)
            if on_unpacked:
                on_unpacked()
        else:
            _import(file)
        done += 1
        if on_file and done % COUNTED_EVERY == 0:
            on_file(*_progress(into))
    if on_file:
        on_file(*_progress(into))
    if done and not waiting(into):
        prescreen.apply(into.study)
        _discard_archives(into)
    return done


def report(into: Intake) -> ImportReport:
    """Return what became of the files so far."""
    files = into.files.order_by("name")
    return ImportReport(
        imported=files.filter(state=State.IMPORTED).count(),
        known=files.filter(state=State.KNOWN).count(),
        refused=[Refusal(file.name, file.reason) for file in files.filter(state=State.REFUSED)],
        copies=[Refusal(file.name, file.reason) for file in copies(into)],
    )


def copies(into: Intake) -> QuerySet[IntakeFile]:
    """Return the files that the study had already under another name."""
    return into.files.filter(state=State.KNOWN).exclude(reason="").order_by("name")


def waiting(into: Intake) -> bool:
    return into.files.filter(state=State.WAITING).exists()


def set_aside() -> QuerySet[IntakeFile]:
    """Return the files that were given up lately, and so may be tried again."""
    return IntakeFile.objects.filter(_given_up())


@transaction.atomic
def retry(into: Intake, *, by: User | None) -> int:
    """Let what was given up wait for workers again; return how many files."""
    files = set_aside().filter(intake=into).update(state=State.WAITING, attempts=0, reason="", lease_until=None)
    if files:
        audit.record(into.study, by, "tried an import again", detail=f"{into}, files: {files}")
    return files


def stalled() -> list[int]:
    """Return the ids of imports with waiting files and no live lease: their message or their worker was lost."""
    free = IntakeFile.objects.filter(Q(lease_until=None) | Q(lease_until__lt=Now()), state=State.WAITING)
    return list(free.order_by("intake_id").values_list("intake_id", flat=True).distinct())


def clean_up() -> None:
    """Delete abandoned uploads, and bytes that are not needed any more."""
    unfinished = Q(is_uploading=True) | Q(files__state=State.UPLOADING)
    for into in Intake.objects.filter(unfinished, requested_at__lt=Now() - LEFT).distinct():
        finish(into)
        for file in into.files.filter(state=State.UPLOADING):
            _end(file, State.REFUSED, "It was never sent to its end. Send it again.")
    _discard_leftovers()


def _check(name: str, size: int) -> None:
    if not name or not size:
        raise UploadError(f"{name or 'A file without a name'} is empty.")
    limit = MAX_ZIP_BYTES if name.lower().endswith(".zip") else settings.INTAKE_MAX_BYTES
    if size > limit:
        raise UploadError(f"{name} is larger than {limit // 2**20:,} MB. Send a smaller version.")


def _held(file: IntakeFile) -> int:
    path = stored_at(file.upload)
    return path.stat().st_size if path.exists() else 0


def _progress(into: Intake) -> tuple[int, int]:
    files = into.files.exclude(state=State.UNPACKED)
    return files.exclude(state=State.WAITING).count(), files.count()


def _same(into: Intake, name: str, size: int, mark: str) -> IntakeFile | None:
    """Return the row of a file that was begun: of this name, this size and, as far as it is known, this mark."""
    files = into.files.filter(Q(name=name, came_as="") | Q(came_as=name), size=size)
    return (files.filter(Q(mark=mark) | Q(mark="")) if mark else files).first()


def _add(into: Intake, name: str, size: int, mark: str) -> IntakeFile:
    """Return a new row for a file; another file of the same name gets a number in the list."""
    known = into.files.filter(Q(name=name) | Q(came_as=name)).count()
    file = into.files.create(
        name=importing.numbered_name(name, known + 1),
        came_as=name if known else "",
        size=size,
        mark=mark,
        state=State.UPLOADING,
        upload=secrets.token_hex(16),
    )
    stored_at(file.upload).touch(mode=0o600)
    return file


def _append(stored: BinaryIO, body: Body, most: int) -> int:
    written = 0
    while written < most and (part := body.read(min(2**16, most - written))):
        written += stored.write(part)
    return written


def _take(into: Intake) -> IntakeFile | None:
    """Take a waiting file under a lease, passing by what others hold."""
    free = into.files.filter(Q(lease_until=None) | Q(lease_until__lt=Now()), state=State.WAITING)
    with transaction.atomic():
        file = free.select_for_update(skip_locked=True).select_related(None).order_by("pk").first()
        if file is None:
            return None
        held = IntakeFile.objects.filter(pk=file.pk)
        held.update(lease_until=Now() + FILE_LEASE, attempts=F("attempts") + 1)
        file.attempts += 1
    return file


def _import(file: IntakeFile) -> None:
    """Make an image of a file. What is not the file's fault, such as a full disk, is raised: its lease runs out.

    Nor is an attempt counted that found no room: however long that lasts, the file is no poison.
    """
    try:
        study, name, data = file.intake.study, own_name(file), _read(file)
        is_new = importing.import_photograph(study=study, data=data, name=name)
        reason = "" if is_new else importing.same_file(study, data, name)
    except (decoding.ImageError, zip_files.ArchiveError, buckets.BucketError) as error:
        _end(file, State.REFUSED, str(error))
    except OSError as error:
        if error.errno in NO_ROOM:
            IntakeFile.objects.filter(pk=file.pk).update(attempts=F("attempts") - 1)
        raise
    else:
        _end(file, State.IMPORTED if is_new else State.KNOWN, reason)


def _is_bucket(file: IntakeFile) -> bool:
    return file.intake.source == Intake.Source.BUCKET


def _unpack(file: IntakeFile) -> None:
    """List what it holds as files that wait; they stay inside it until their turn."""
    try:
        names = _names_inside(file)
    except (zip_files.ArchiveError, buckets.BucketError) as error:
        _end(file, State.REFUSED, str(error))
        return
    with transaction.atomic():
        IntakeFile.objects.bulk_create(_inside(file, names), batch_size=1000, ignore_conflicts=True)
        IntakeFile.objects.filter(pk=file.pk).update(state=State.UNPACKED, lease_until=None)


def _inside(file: IntakeFile, names: Iterable[tuple[str, str]]) -> Iterator[IntakeFile]:
    """Yield rows for what a zip or a place holds; names that are one after all get numbers, the same ones each time."""
    seen = Counter[str]()
    for mark, own in names:
        name = f"{file.name}/{clean(own)}"
        is_long = len(name) > LONGEST_NAME
        name = fitting(name, LONGEST_NAME)
        seen[name] += 1
        row = IntakeFile(intake=file.intake, archive=file, name=importing.numbered_name(name, seen[name]), mark=mark)
        row.came_as = fitting(own, LONGEST_NAME) if row.name != f"{file.name}/{own}" else ""
        if is_long:
            row.state, row.reason = State.REFUSED, TOO_LONG
        yield row


def _names_inside(file: IntakeFile) -> list[tuple[str, str]]:
    """Return the marks and names of what a zip or a place holds."""
    if not _is_bucket(file):
        members = zip_files.members(stored_at(file.upload))
        return [(str(place), clean(name)) for place, name in members]
    names = list(buckets.names(buckets.Place.parse(file.name)))
    if not names:
        raise buckets.BucketError(f"There is no file at {file.name}. Check the folder's name.")
    return [("", name) for name in names]


def _read(file: IntakeFile) -> bytes:
    if file.archive and _is_bucket(file):
        return buckets.read(buckets.Place.parse(file.archive.name), own_name(file))
    if file.archive:
        member = int(file.mark) if file.mark else own_name(file)  # the release before knew it by its name
        return zip_files.read(stored_at(file.archive.upload), member)
    with stored_at(file.upload).open("rb") as stored:
        data = stored.read(settings.INTAKE_MAX_BYTES + 1)
    if len(file.mark) == WHOLE_MARK and len(data) == file.size and decoding.content_hash(data) != file.mark:
        raise decoding.ImageError("It changed while it was sent. Send it again.")
    return data


def _give_up(file: IntakeFile) -> None:
    """Set a file aside, with its bytes: it may have been the worker's fault, or the disk's."""
    IntakeFile.objects.filter(pk=file.pk).update(state=State.REFUSED, reason=GIVEN_UP, lease_until=None)


def _given_up(prefix: str = "") -> Q:
    lately = {f"{prefix}intake__requested_at__gt": timezone.now() - SET_ASIDE}
    return Q(**{f"{prefix}state": State.REFUSED, f"{prefix}attempts__gt": MAX_ATTEMPTS}, **lately)


def _end(file: IntakeFile, state: str, reason: str = "") -> None:
    IntakeFile.objects.filter(pk=file.pk).update(state=state, reason=reason, lease_until=None)
    if file.upload:
        stored_at(file.upload).unlink(missing_ok=True)


def _discard_archives(into: Intake) -> None:
    for file in into.files.filter(state=State.UNPACKED).exclude(_given_up("members__")).exclude(upload=""):
        stored_at(file.upload).unlink(missing_ok=True)


def _discard_leftovers() -> None:
    """Delete what a worker that was killed could not: uploads that are imported or refused, and zips that are read."""
    old = list(_old_uploads())
    needed = Q(state__in=[State.UPLOADING, State.WAITING]) | Q(members__state=State.WAITING)
    needed |= _given_up() | _given_up("members__")
    files = IntakeFile.objects.filter(needed, upload__in=[path.name for path in old])
    kept = set(files.values_list("upload", flat=True))
    for path in old:
        if path.name not in kept:
            path.unlink(missing_ok=True)


def _old_uploads() -> Iterator[Path]:
    now = min(timezone.now(), database_clock.now())  # a worker whose clock is early must not take what is being sent
    before = (now - ORPHANED_AFTER).timestamp()
    for path in stored_at("").iterdir():
        with suppress(FileNotFoundError):  # a worker is done with it just now
            if path.stat().st_mtime < before:
                yield path


def stored_at(upload: str) -> Path:
    folder: Path = settings.VAR_DIR / "uploads"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / upload
