"""Zip files from strangers, read without unpacking them to disk."""

import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from scoring.photograph import decoding

MAX_MEMBERS = 200_000  # more than any study; a list of millions of empty names is an attack
LARGEST_LIST = 30 * 2**20  # bytes; zipfile reads the list of members whole, and takes 500 bytes of memory for each
TOO_MANY = "This zip's list of files is too long. Send several zips."
# Windows, macOS and Synology; what begins with a dot (._IMG_1.jpg, .DS_Store) is hidden too. Case does not matter.
OF_SYSTEMS = {
    "__macosx",
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "$recycle.bin",
    "system volume information",
    "@eadir",
}
# What zipfile raises on damaged, encrypted or unknown members.
DAMAGE = (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, NotImplementedError, ValueError)


class ArchiveError(ValueError):
    """Why a zip or one of its members can't be read, as a sentence for people."""


class _File(io.FileIO):
    """A file that refuses to read more at once than an honest archive needs, before memory is taken for it."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > LARGEST_LIST:
            raise ArchiveError(TOO_MANY)
        return super().read(LARGEST_LIST if size is None or size < 0 else size) or b""


def members(path: Path) -> list[str]:
    """Return the names of the files in a zip, without folders and what systems hide in one. Raises ArchiveError."""
    with _opened(path) as archive:
        infos = archive.infolist()
    if len(infos) > MAX_MEMBERS:
        raise ArchiveError(f"This zip has {len(infos):,} files; {MAX_MEMBERS:,} are allowed. Send several zips.")
    names = [info.filename for info in infos if not info.is_dir() and not is_hidden(info.filename)]
    if not names:
        raise ArchiveError("There is no file in this zip.")
    return names


def read(path: Path, name: str) -> bytes:
    """Return a member, of which at most one byte more than a photograph may have. Raises ArchiveError.

    Its name is only a name: nothing is ever written to where it points.
    """
    with _opened(path) as archive:
        try:
            info = archive.getinfo(name)
            if info.flag_bits & 1:
                raise ArchiveError("This file is encrypted. Pack the zip without a password.")
            with archive.open(info) as member:
                return member.read(decoding.MAX_SELFIE_BYTES + 1)
        except (*DAMAGE, KeyError) as error:
            if isinstance(error, ArchiveError):
                raise
            raise ArchiveError("This file is damaged inside the zip. Pack it again.") from error


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    with ExitStack() as stack:
        yield _open(path, stack)


def _open(path: Path, stack: ExitStack) -> zipfile.ZipFile:
    try:
        return stack.enter_context(zipfile.ZipFile(stack.enter_context(_File(path))))
    except FileNotFoundError as error:
        raise ArchiveError(f"There is no file {path}.") from error
    except DAMAGE as error:
        if isinstance(error, ArchiveError):
            raise
        raise ArchiveError("This zip can't be opened: it is damaged or no zip. Pack it again.") from error


def is_hidden(name: str) -> bool:
    """Whether a system put it there and not a person. The one rule for folders, zips, buckets and browsers."""
    parts = [part.casefold() for part in name.replace("\\", "/").split("/")]
    return any(part in OF_SYSTEMS or (part.startswith(".") and part != "..") for part in parts)
