"""Places of a backup: a file or s3://bucket/name, with or without age encryption."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import boto3
import pyrage
import smart_open
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from pyrage.x25519 import Identity, Recipient

IN_OBJECT_STORAGE = "s3://"
OBJECT_PART_BYTES = 32 * 2**20  # held while they are sent to object storage, whose objects have 10,000 parts at most
NOT_SEALED = "The backup could not be encrypted, or its place stopped taking it."
NOT_OPENED = "This backup can't be decrypted with this key, or it was changed."


class BackupError(ValueError):
    """Why a backup can't be made or read, as a sentence for people."""


@contextmanager
def writer(place: str, *, recipient: str | None) -> Iterator[BinaryIO]:
    """Give a stream to write to. The place has all of it afterwards, or, if the block fails, nothing.

    `recipient` is an age public key (age1...). Raises BackupError.
    """
    key = _recipient(recipient) if recipient else None
    with _plain_writer(place) as plain:
        if key is None:
            yield plain
        else:
            with _beside(
                lambda source: pyrage.encrypt_io(source, plain, [key]), writes=False, failed=NOT_SEALED
            ) as sealed:
                yield sealed


@contextmanager
def reader(place: str, *, identity: Path | None) -> Iterator[BinaryIO]:
    """Give the stream that was written. `identity` is the file of an age secret key. Raises BackupError."""
    keys = _identities(identity) if identity else None
    with _plain_reader(place) as plain:
        if keys is None:
            yield plain
        else:
            unseal = partial(pyrage.decrypt_io, plain, identities=keys)
            with _beside(unseal, writes=True, failed=NOT_OPENED) as opened:
                yield opened


@contextmanager
def _plain_writer(place: str) -> Iterator[BinaryIO]:
    if place.startswith(IN_OBJECT_STORAGE):
        with _told(place), _object(place, "wb") as sink:
            yield sink  # what was sent is given up where the block fails
        return
    path = Path(place)
    if path.exists():
        raise BackupError(f"{path} exists. Give the backup a name of its own.")
    unfinished = path.with_name(f"{path.name}.partial")
    try:
        with _told(place), open(unfinished, "wb", opener=_private) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def _plain_reader(place: str) -> Iterator[BinaryIO]:
    if place.startswith(IN_OBJECT_STORAGE):
        with _told(place), _object(place, "rb") as source:
            yield source
    else:
        with _told(place), Path(place).open("rb") as file:
            yield file


@contextmanager
def _told(place: str) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise BackupError(f"{place}: the object storage refused. {error}") from error
    except OSError as error:
        raise BackupError(f"{place}: {error.strerror or error}.") from error


def _object(place: str, mode: str) -> Any:
    client = boto3.client("s3", endpoint_url=settings.S3_ENDPOINT or None)
    return smart_open.open(
        place, mode, transport_params={"client": client, "min_part_size": OBJECT_PART_BYTES}, compression="disable"
    )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)


def _recipient(text: str) -> Recipient:
    try:
        return Recipient.from_str(text)
    except pyrage.RecipientError as error:
        raise BackupError(f"{text} is no age public key. `age-keygen` makes one; it begins with age1.") from error


def _identities(file: Path) -> list[Identity]:
    """Read what `age-keygen` writes: a line each, comments between them."""
    try:
        lines = [line.strip() for line in file.read_text().splitlines()]
        return [Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except (OSError, ValueError, pyrage.IdentityError) as error:
        raise BackupError(f"{file} is no file of age secret keys. `age-keygen` makes one.") from error


@contextmanager
def _beside(work: Callable[[BinaryIO], None], *, writes: bool, failed: str) -> Iterator[BinaryIO]:
    """Give one end of a pipe, at whose other end `work` writes or reads in a thread. Raises BackupError."""
    receiving, sending = os.pipe()
    ours, theirs = (receiving, sending) if writes else (sending, receiving)
    failures: list[BaseException] = []
    thread = threading.Thread(target=_keep_failure, args=(work, _stream(theirs, writes=writes), failures))
    thread.start()
    try:
        with _stream(ours, writes=not writes) as stream:
            yield stream
    finally:
        thread.join()
        if failures:
            raise BackupError(failed) from failures[0]


def _stream(descriptor: int, *, writes: bool) -> BinaryIO:
    return os.fdopen(descriptor, "wb" if writes else "rb")


def _keep_failure(work: Callable[[BinaryIO], None], stream: BinaryIO, failures: list[BaseException]) -> None:
    try:
        with stream:
            work(stream)
    except BaseException as error:  # noqa: BLE001  the thread that waits for this one raises it
        failures.append(error)
