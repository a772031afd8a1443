"""Zip files from strangers, read without unpacking them to disk."""

import io
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from zipfile import ZipInfo

from django.conf import settings

MAX_MEMBERS = 200_000  # more than any study; a list of millions of empty names is an attack
LARGEST_LIST = 30 * 2**20  # bytes; zipfile reads the list of members whole, and takes 500 bytes of memory for each
TOO_MANY = "This zip's list of files is too long. Send several zips."
# What systems and programs put beside photographs, in lower case.
HIDDEN = {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information", "@eadir"}
SAYS_UTF_8 = 0x800  # flag: the name is UTF-8
UNICODE_PATH = 0x7075  # extra field: the name as UTF-8, and a checksum of the other one
# Of a name that does not say: the encodings that packers use for it, the standard's after UTF-8.
ENCODINGS = ("utf-8", "cp437", "cp850", "cp1252", "cp932")
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


def members(path: Path) -> list[tuple[int, str]]:
    """Return the files in a zip, each by its place in the zip's list and its name. Raises ArchiveError.

    Folders are left out, and what systems hide in a zip. Two files may have one name.
    """
    with _opened(path) as archive:
        infos = archive.infolist()
    if len(infos) > MAX_MEMBERS:
        raise ArchiveError(f"This zip has {len(infos):,} files; {MAX_MEMBERS:,} are allowed. Send several zips.")
    named = [(place, name) for place, (name, info) in enumerate(zip(_names(infos), infos, strict=True)) if name]
    files = [(place, name) for place, name in named if name[-1] not in "/\\" and not is_hidden(name)]
    if not files:
        raise ArchiveError("There is no file in this zip.")
    return files


def read(path: Path, member: int | str) -> bytes:
    """Return the file at a place in the zip's list, or of a name: at most one byte more than a photograph may have.

    Raises ArchiveError. Its name is only a name: nothing is ever written to where it points.
    """
    with _opened(path) as archive:
        try:
            info = archive.getinfo(member) if isinstance(member, str) else archive.infolist()[member]
            if info.flag_bits & 1:
                raise ArchiveError("This file is encrypted. Pack the zip without a password.")
            with archive.open(info) as file:
                return file.read(settings.INTAKE_MAX_BYTES + 1)
        except (*DAMAGE, LookupError) as error:
            if isinstance(error, ArchiveError):
                raise
            raise ArchiveError("This file is damaged inside the zip. Pack it again.") from error


def _names(infos: Sequence[ZipInfo]) -> list[str]:
    """Return the names as their packer meant them: zipfile takes the standard's code page, which few keep to."""
    said = {place: name for place, info in enumerate(infos) if (name := _said_name(info)) is not None}
    silent = {place: info.orig_filename.encode("cp437") for place, info in enumerate(infos) if place not in said}
    encoding = next((one for one in ENCODINGS if all(_reads(name, one) for name in silent.values())), "cp437")
    said |= {place: name.decode(encoding) for place, name in silent.items()}
    return [said[place] for place in range(len(infos))]


def _said_name(info: ZipInfo) -> str | None:
    """Return a name that the zip says in Unicode."""
    if info.flag_bits & SAYS_UTF_8:
        return info.orig_filename
    rest = info.extra
    while len(rest) >= 4:
        kind, length = struct.unpack_from("<HH", rest)
        field, rest = rest[4 : 4 + length], rest[4 + length :]
        if kind == UNICODE_PATH and len(field) > 5:
            checksum = zlib.crc32(info.orig_filename.encode("cp437"))
            with suppress(UnicodeDecodeError):
                return field[5:].decode() if struct.unpack_from("<I", field, 1)[0] == checksum else None
    return None


def _reads(name: bytes, encoding: str) -> bool:
    """Whether a name is made of letters in this encoding: in a wrong one it has signs that nobody types."""
    try:
        signs = [sign for sign in name.decode(encoding) if not sign.isascii()]
    except UnicodeDecodeError:
        return False
    if encoding in {"utf-8", "cp932"}:
        return encoding == "utf-8" or all(sign.isalnum() for sign in signs)
    return all(sign.isalpha() and unicodedata.name(sign, "").startswith("LATIN") for sign in signs)


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
    """Whether a system or a program put it there and not a person."""
    parts = [part.lower().strip("\r") for part in name.replace("\\", "/").split("/")]
    return any(
        part in HIDDEN or part.startswith("~$") or (part.startswith(".") and part != "..") for part in parts
    ) or (parts[-1] == "icon" and name.endswith("\r"))
