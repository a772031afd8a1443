"""Names in zips are what their packer meant, and two files of one name are two files."""

import io
import struct
import warnings
import zipfile
import zlib
from pathlib import Path

import pytest

from labeler.images import zip_files


def packed(path: Path, *names: bytes, extra: bytes = b"", flag: int = 0) -> Path:
    """Write a zip whose names are these bytes, as packers other than Python do."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of two files of one name
        for number, name in enumerate(names):
            info = zipfile.ZipInfo("x" * len(name))
            info.extra = extra
            archive.writestr(info, f"file {number}")
    data = stream.getvalue()
    for name in dict.fromkeys(names):
        data = data.replace(b"x" * len(name), name)
    if flag:
        data = data.replace(b"PK\x03\x04\x14\x00\x00\x00", b"PK\x03\x04\x14\x00" + struct.pack("<H", flag))
        data = data.replace(
            b"PK\x01\x02\x14\x03\x14\x00\x00\x00", b"PK\x01\x02\x14\x03\x14\x00" + struct.pack("<H", flag)
        )
    path.write_bytes(data)
    return path


def unicode_path(name: bytes, meant: str) -> bytes:
    field = b"\x01" + struct.pack("<I", zlib.crc32(name)) + meant.encode()
    return struct.pack("<HH", zip_files.UNICODE_PATH, len(field)) + field


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("Müller/Größe.jpg", "cp437"),  # Windows, German
        ("Müller/Größe.jpg", "utf-8"),  # macOS, which does not say so
        ("Álvarez/ñ.jpg", "cp850"),  # Windows, western Europe
        ("田中/写真.jpg", "cp932"),  # Windows, Japanese
        ("plain/1.jpg", "ascii"),
    ],
)
def test_a_name_is_read_in_the_encoding_of_its_packer(tmp_path: Path, name: str, encoding: str) -> None:
    assert zip_files.members(packed(tmp_path / "a.zip", name.encode(encoding))) == [(0, name)]


def test_a_name_that_the_zip_says_in_unicode_is_that(tmp_path: Path) -> None:
    name = b"M_ller.jpg"
    assert zip_files.members(packed(tmp_path / "a.zip", name, extra=unicode_path(name, "Müller.jpg"))) == [
        (0, "Müller.jpg")
    ]
    stale = unicode_path(b"another.jpg", "Müller.jpg")  # the file was renamed by a program that left it there
    assert zip_files.members(packed(tmp_path / "b.zip", name, extra=stale)) == [(0, "M_ller.jpg")]
    assert zip_files.members(packed(tmp_path / "c.zip", "Ωmega.jpg".encode(), flag=zip_files.SAYS_UTF_8)) == [
        (0, "Ωmega.jpg")
    ]


def test_two_files_of_one_name_are_both_read(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", b"A/1.jpg", b"A/1.jpg")
    assert [zip_files.read(path, place) for place, _ in zip_files.members(path)] == [b"file 0", b"file 1"]


@pytest.mark.parametrize(
    "name",
    [
        *("._1.jpg", "A/._1.jpg", ".DS_Store", "A/.DS_Store", "Thumbs.db", "A/thumbs.db", "A\\Thumbs.db"),
        *("__MACOSX/A/1.jpg", "A/__MACOSX/1.jpg", "desktop.ini", "$RECYCLE.BIN/1.jpg", "A/@eaDir/1.jpg"),
        *("~$known.xlsx", "A/Icon\r", "System Volume Information/x"),
    ],
)
def test_what_systems_put_there_is_hidden(name: str) -> None:
    assert zip_files.is_hidden(name)


@pytest.mark.parametrize("name", ["1.jpg", "../1.jpg", "A/Thumbs.db.jpg", "Icon.jpg", "A.B/1.jpg", "$1.jpg", "Icon"])
def test_what_people_put_there_is_not(name: str) -> None:
    assert not zip_files.is_hidden(name)
