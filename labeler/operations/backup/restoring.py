"""Restoring a backup into an empty installation, completely or not at all."""

import io
import json
import re
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast

from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.db import DatabaseError, connection, transaction

from labeler.models import AuditEvent, Study, User
from labeler.operations.backup import places, rows, writing
from labeler.operations.backup.places import BackupError
from labeler.operations.backup.writing import FILES, FORMAT, HEADER, MANIFEST, TABLES, Hashed
from labeler.record import fact_triggers, ledger
from scoring.platform import blobs

ROWS_MEMBER = re.compile(rf"{TABLES}/(?P<table>[a-z0-9_]+)/\d+")
BYTES_IN_MEMORY = 32 * 2**20  # bytes of a file that are held in memory; photographs are smaller
CUT_SHORT = "This backup was cut short: its manifest is missing."


def restore(place: str, *, identity: Path | None = None) -> dict[str, Any]:
    """Read a backup back and return its manifest.

    Raises BackupError where the installation is not empty or not of the backup's version, and where the backup is
    damaged. Then the database is as it was, and the files that were written are gone.
    """
    _refuse_unless_empty()
    with places.reader(place, identity=identity) as source, _archive(source) as archive, _files() as written:
        try:
            with transaction.atomic(durable=True):
                with connection.cursor() as cursor:
                    cursor.execute(fact_triggers.OFF)  # rows that come back are no changes
                return _read(archive, written)
        except DatabaseError as error:
            raise BackupError(f"This backup is damaged: the database refused a row. {error}") from error


def _refuse_unless_empty() -> None:
    for model, what in ((User, "accounts"), (Study, "studies"), (AuditEvent, "an audit log")):
        if model.objects.exists():
            raise BackupError(f"This installation has {what}. Restore into an empty database: migrate one and use it.")
    if any(writing.names()):
        raise BackupError("This installation has files. Restore into an empty MEDIA_ROOT or bucket.")


@contextmanager
def _archive(source: BinaryIO) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(fileobj=source, mode="r|") as archive:
            yield archive
    except tarfile.TarError as error:
        raise BackupError("This is no backup, or it is damaged or encrypted: give the key with --identity.") from error


@contextmanager
def _files() -> Iterator[list[str]]:
    """Give a list for the names of files that were written; they are erased where the block fails."""
    written: list[str] = []
    try:
        yield written
    except BaseException:
        for name in written:
            blobs.erase(name)
        raise


def _read(archive: tarfile.TarFile, written: list[str]) -> dict[str, Any]:
    tables: dict[str, rows.StoredTable] = {}
    digests: dict[str, str] = {}
    for member in archive:
        stream = Hashed(archive.extractfile(member) or io.BytesIO())
        if member.name == MANIFEST:
            return _finish(json.loads(stream.read()), digests, tables)
        if member.name == HEADER:
            tables = _tables(json.loads(stream.read()))
        elif match := ROWS_MEMBER.fullmatch(member.name):
            rows.read(tables[match["table"]], cast("BinaryIO", stream))
        elif member.name.startswith(f"{FILES}/"):
            _store(member.name.removeprefix(f"{FILES}/"), stream, written)
        digests[member.name] = stream.digest()
    raise BackupError(CUT_SHORT)


def _tables(header: dict[str, Any]) -> dict[str, rows.StoredTable]:
    """Return the tables of a backup, which are those of this version, and empty what migrations filled."""
    if header["format"] != FORMAT or header["migrations"] != rows.migrations():
        raise BackupError(
            "This backup is of another version: its migrations are not this database's. Install the version of "
            f"{header['begun_at'][:10]} that made it, restore there, and upgrade then."
        )
    tables = {table.name: table for table in rows.stored_tables()}
    rows.empty(reversed(tables.values()))
    return tables


def _store(name: str, stream: Hashed, written: list[str]) -> None:
    with SpooledTemporaryFile(BYTES_IN_MEMORY) as spooled:
        shutil.copyfileobj(stream, spooled)
        try:
            stored = default_storage.save(name, File(spooled, name=name))
        except SuspiciousFileOperation as error:
            raise BackupError("This backup is damaged: it names a file outside of the storage.") from error
    written.append(stored)
    if stored != name:
        raise BackupError(f"The storage has a file {name} already. Restore into an empty one.")


def _finish(manifest: dict[str, Any], digests: dict[str, str], tables: dict[str, rows.StoredTable]) -> dict[str, Any]:
    """Hold what came against what was written, and let the database check what points where."""
    changed = sorted(name for name in manifest["members"] if digests.get(name) != manifest["members"][name])
    changed += sorted(set(digests) - set(manifest["members"]))
    if changed:
        raise BackupError(f"This backup is damaged: {len(changed)} members differ, {changed[0]} the first.")
    counted = {name: rows.count(table) for name, table in tables.items()}
    if counted != manifest["rows"]:
        raise BackupError("This backup is damaged: the rows of a table are not as many as were written.")
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    if ledger.heads() != manifest["ledger"]:
        raise BackupError("This backup is damaged: its ledger does not end where it ended.")
    rows.go_on_counting()
    return manifest
