"""Writing a backup while the installation is in use."""

import hashlib
import io
import json
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.utils import timezone

from labeler.operations.backup import places, rows
from labeler.record import ledger
from scoring.platform import blobs
from scoring.regressor import feature_store

FORMAT = 1
HEADER, MANIFEST = "header.json", "manifest.json"
TABLES, FILES = "tables", "files"
COMPUTED_AGAIN = {feature_store.ROOT}  # left out: it is many times as large as the photographs
BYTES_PER_READ = 2**20  # bytes


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int = -1, /) -> bytes: ...


def write(place: str, *, recipient: str | None = None) -> dict[str, Any]:
    """Write a backup to a file or an s3:// address and return its manifest.

    Rows are as of one moment. A file that is erased meanwhile is left out and named in the manifest.
    Raises places.BackupError; then nothing is left at the place.
    """
    with places.writer(place, recipient=recipient) as sink, _one_moment():
        archive = Archive(sink)
        tables = rows.stored_tables()
        archive.add(HEADER, _as_json(_header(tables)))
        manifest: dict[str, Any] = {"rows": {table.name: _add_rows(archive, table) for table in tables}}
        manifest["erased_meanwhile"] = [name for name in names() if not _add_file(archive, name)]
        manifest |= {"ledger": ledger.heads(), "members": dict(archive.digests)}
        archive.add(MANIFEST, _as_json(manifest))
        archive.close()
    return manifest


def summary(manifest: dict[str, Any]) -> str:
    """Return how much is in a backup, as a sentence."""
    files = sum(name.startswith(f"{FILES}/") for name in manifest["members"])
    return f"{sum(manifest['rows'].values()):,} rows of {len(manifest['rows'])} tables and {files:,} files."


class Archive:
    """A tar archive that is written once from front to end, and the SHA-256 of each member."""

    def __init__(self, sink: BinaryIO) -> None:
        self._tar = tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT)  # noqa: SIM115
        self.digests: dict[str, str] = {}

    def add(self, name: str, data: bytes) -> None:
        self.add_stream(name, io.BytesIO(data), len(data))

    def add_stream(self, name: str, source: Readable, size: int) -> None:
        member = tarfile.TarInfo(name)
        member.size, member.mtime, member.mode = size, int(time.time()), 0o600
        hashed = Hashed(source)
        self._tar.addfile(member, hashed)
        self.digests[name] = hashed.digest()

    def close(self) -> None:
        self._tar.close()


class Hashed(io.RawIOBase):
    """A stream that knows the SHA-256 of what was read from it."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self._hash.update(data)
        return data

    def digest(self) -> str:
        """Read what is left, and return the SHA-256 of all, in hexadecimal."""
        while self.read(BYTES_PER_READ):
            pass
        return self._hash.hexdigest()


@contextmanager
def _one_moment() -> Iterator[None]:
    """Hold a transaction in which every statement sees the same rows."""
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _header(tables: list[rows.StoredTable]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "begun_at": timezone.now().isoformat(),
        "migrations": rows.migrations(),
        "tables": {table.name: table.columns for table in tables},
    }


def _add_rows(archive: Archive, table: rows.StoredTable) -> int:
    def take(part: bytes) -> None:
        archive.add(f"{TABLES}/{table.name}/{len(archive.digests):06}", part)

    return rows.write(table, take)


def names(folder: str = "") -> Iterator[str]:
    """Yield every file of the storage that can't be computed again; a hidden one is being written."""
    prefix = f"{folder}/" if folder else ""
    yield from (prefix + name for name in blobs.files(folder) if not Path(name).name.startswith("."))
    for name in blobs.folders(folder):
        if prefix + name not in COMPUTED_AGAIN:
            yield from names(prefix + name)


def _add_file(archive: Archive, name: str) -> bool:
    try:
        with default_storage.open(name) as file:
            archive.add_stream(f"{FILES}/{name}", file, file.size)
    except FileNotFoundError:
        return False
    return True


def _as_json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, indent=1).encode()
