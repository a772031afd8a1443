"""Uploads from a browser, in resumable pieces, imported by workers."""

import errno
import math
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, Protocol

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from labeler.images import buckets, zip_files
from labeler.intake import importing
from labeler.intake.importing import ImportReport, Refusal
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
LONGEST_NAME = 500  # characters; no honest path is longer
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


def received(into: Intake, *, name: str, size: int) -> int:
    """Return how many bytes of a file are here. What a system put beside the photographs needs no sending."""
    if zip_files.is_hidden(name):
        return size
    file = into.files.filter(name=name[-LONGEST_NAME:], size=size).first()
    if file is None:
        return 0
    return _held(file) if file.state == State.UPLOADING else size


@transaction.atomic
def receive(into: Intake, *, name: str, size: int, offset: int, body: Body) -> int:
    """Append a piece of a file; return how many bytes are here now. A piece from elsewhere than the end is ignored.

    The last piece makes the file wait for a worker. Raises UploadError.
    """
    _check(name, size)
    Intake.objects.select_for_update().get(pk=into.pk)  # one piece after the other
    file = _file(into, name[-LONGEST_NAME:], size)
    if file.state != State.UPLOADING:
        return size
    with _path(file.upload).open("ab") as stored:
        here = stored.tell()
        if offset == here:
            here += _append(stored, body, min(PIECE, size - here))
    if here == size:
        IntakeFile.objects.filter(pk=file.pk).update(state=State.WAITING)
    return here


def refuse(into: Intake, *, name: str, size: int, reason: str) -> None:
    """Count a file that can't be taken among those of the import, with the reason."""
    refused = {"size": size, "state": State.REFUSED, "reason": reason}
    IntakeFile.objects.get_or_create(intake=into, name=name[-LONGEST_NAME:] or "(no name)", defaults=refused)


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
    ended = into.files.filter(state=State.REFUSED).order_by("name")
    return ImportReport(
        imported=into.files.filter(state=State.IMPORTED).count(),
        known=into.files.filter(state=State.KNOWN).count(),
        refused=[Refusal(file.name, file.reason) for file in ended],
    )


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
    limit = MAX_ZIP_BYTES if name.lower().endswith(".zip") else decoding.MAX_SELFIE_BYTES
    if size > limit:
        raise UploadError(f"{name} is larger than {limit // 2**20:,} MB.")
    if not name or not size:
        raise UploadError(f"{name} is empty." if name else "This file has no name.")


def _held(file: IntakeFile) -> int:
    path = _path(file.upload)
    return path.stat().st_size if path.exists() else 0


def _progress(into: Intake) -> tuple[int, int]:
    files = into.files.exclude(state=State.UNPACKED)
    return files.exclude(state=State.WAITING).count(), files.count()


def _file(into: Intake, name: str, size: int) -> IntakeFile:
    """Return the file's row; another file of the same name gets a name of its own."""
    same = into.files.filter(name=name).first()
    if same and same.size != size:
        stem, dot, suffix = name.rpartition(".")
        name = f"{stem}-{size}{dot}{suffix}"
    file, is_new = IntakeFile.objects.get_or_create(
        intake=into, name=name, defaults={"size": size, "state": State.UPLOADING, "upload": secrets.token_hex(16)}
    )
    if is_new:
        _path(file.upload).touch(mode=0o600)
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
        is_new = importing.import_photograph(study=file.intake.study, data=_read(file), name=_own_name(file))
    except (decoding.ImageError, zip_files.ArchiveError, buckets.BucketError) as error:
        _end(file, State.REFUSED, str(error))
    except OSError as error:
        if error.errno in NO_ROOM:
            IntakeFile.objects.filter(pk=file.pk).update(attempts=F("attempts") - 1)
        raise
    else:
        _end(file, State.IMPORTED if is_new else State.KNOWN)


def _is_bucket(file: IntakeFile) -> bool:
    return file.intake.source == Intake.Source.BUCKET


def _unpack(file: IntakeFile) -> None:
    """List what it holds as files that wait; they stay inside it until their turn."""
    try:
        names = _names_inside(file)
    except (zip_files.ArchiveError, buckets.BucketError) as error:
        _end(file, State.REFUSED, str(error))
        return
    rows = (_inside(file, f"{file.name}/{name}") for name in names)
    with transaction.atomic():
        IntakeFile.objects.bulk_create(rows, batch_size=1000, ignore_conflicts=True)
        IntakeFile.objects.filter(pk=file.pk).update(state=State.UNPACKED, lease_until=None)


def _inside(file: IntakeFile, name: str) -> IntakeFile:
    if len(name) > LONGEST_NAME:
        return IntakeFile(
            intake=file.intake, archive=file, name=name[-LONGEST_NAME:], state=State.REFUSED, reason=TOO_LONG
        )
    return IntakeFile(intake=file.intake, archive=file, name=name)


def _names_inside(file: IntakeFile) -> list[str]:
    if not _is_bucket(file):
        return zip_files.members(_path(file.upload))
    names = list(buckets.names(buckets.Place.parse(file.name)))
    if not names:
        raise buckets.BucketError(f"There is no file at {file.name}. Check the folder's name.")
    return names


def _own_name(file: IntakeFile) -> str:
    """Return a file's name, of what a zip or a place holds the one inside it."""
    return file.name.removeprefix(f"{file.archive.name}/") if file.archive else file.name


def _read(file: IntakeFile) -> bytes:
    if file.archive and _is_bucket(file):
        return buckets.read(buckets.Place.parse(file.archive.name), _own_name(file))
    if file.archive:
        return zip_files.read(_path(file.archive.upload), _own_name(file))
    with _path(file.upload).open("rb") as stored:
        return stored.read(decoding.MAX_SELFIE_BYTES + 1)


def _give_up(file: IntakeFile) -> None:
    """Set a file aside, with its bytes: it may have been the worker's fault, or the disk's."""
    IntakeFile.objects.filter(pk=file.pk).update(state=State.REFUSED, reason=GIVEN_UP, lease_until=None)


def _given_up(prefix: str = "") -> Q:
    lately = {f"{prefix}intake__requested_at__gt": timezone.now() - SET_ASIDE}
    return Q(**{f"{prefix}state": State.REFUSED, f"{prefix}attempts__gt": MAX_ATTEMPTS}, **lately)


def _end(file: IntakeFile, state: str, reason: str = "") -> None:
    IntakeFile.objects.filter(pk=file.pk).update(state=state, reason=reason, lease_until=None)
    if file.upload:
        _path(file.upload).unlink(missing_ok=True)


def _discard_archives(into: Intake) -> None:
    for file in into.files.filter(state=State.UNPACKED).exclude(_given_up("members__")).exclude(upload=""):
        _path(file.upload).unlink(missing_ok=True)


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
    for path in _path("").iterdir():
        with suppress(FileNotFoundError):  # a worker is done with it just now
            if path.stat().st_mtime < before:
                yield path


def _path(upload: str) -> Path:
    folder: Path = settings.VAR_DIR / "uploads"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder / upload
