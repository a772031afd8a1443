"""Zips that mean harm: names that climb, lists without end, members that overlap, links, another's password."""

import stat
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest

from labeler.images import zip_files
from labeler.intake import importing
from labeler.models import Study
from scoring.photograph import decoding, formats
from tests import builders

CLIMBING = [
    "../../../../var/climbed.jpg",
    "/var/climbed.jpg",
    "a\\..\\..\\climbed.jpg",
    "C:\\climbed.jpg",
    "a/../../climbed.jpg",
    "a" * 400 + ".jpg",
    "<script>alert(1)</script>.jpg",
    "=HYPERLINK(1).jpg",
]


def many_names(number: int) -> bytes:
    """Return a zip that is a list of names, one after the other, and nothing else."""
    entry = struct.pack("<4s4B4H3L5H2L", b"PK\x01\x02", 20, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 1, *[0] * 4, 0, 0) + b"x"
    size = number * len(entry)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, number & 0xFFFF, number & 0xFFFF, size, 0, 0)
    return entry * number + end


def test_a_name_is_only_a_name(study: Study, tmp_path: Path) -> None:
    path, outside = tmp_path / "climbing.zip", set(tmp_path.parent.iterdir())
    with zipfile.ZipFile(path, "w") as packed:
        for number, name in enumerate(CLIMBING):
            packed.writestr(name, builders.make_jpeg(number))
    report = importing.import_folder(study=study, folder=path)
    assert report.imported == len(CLIMBING)
    assert set(tmp_path.parent.iterdir()) == outside
    assert not Path("/var/climbed.jpg").exists()
    assert all(image.original.startswith("originals/") for image in study.images.exclude(original=""))


def test_a_link_is_not_followed(study: Study, tmp_path: Path) -> None:
    path = tmp_path / "link.zip"
    link = zipfile.ZipInfo("selfie.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(link, "/etc/passwd")
    report = importing.import_folder(study=study, folder=path)
    assert [refusal.reason for refusal in report.refused] == [f"This file is not a {formats.ANY_OF_THEM} image."]


def test_a_list_of_names_is_looked_at_before_memory_is_taken_for_it(tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    path.write_bytes(many_names(zip_files.LARGEST_LIST // 47 + 1))
    with pytest.raises(zip_files.ArchiveError, match="list of files is too long"):
        zip_files.members(path)
    path.write_bytes(many_names(zip_files.MAX_MEMBERS + 1))
    with pytest.raises(zip_files.ArchiveError, match=r"200,000 are allowed"):
        zip_files.members(path)


def test_a_member_that_grows_is_read_no_further_than_a_photograph_may_go(tmp_path: Path, settings: Any) -> None:
    settings.INTAKE_MAX_BYTES = decoding.MAX_SELFIE_BYTES
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("bomb.jpg", bytes(10 * decoding.MAX_SELFIE_BYTES))
    assert path.stat().st_size < decoding.MAX_SELFIE_BYTES / 50
    assert len(zip_files.read(path, "bomb.jpg")) == decoding.MAX_SELFIE_BYTES + 1


def test_members_that_are_all_the_same_bytes_are_read_one_by_one(tmp_path: Path) -> None:
    """Fifield's bomb: a thousand entries that point at one compressed block."""
    path = tmp_path / "overlap.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("0.jpg", bytes(decoding.MAX_SELFIE_BYTES))
        first = packed.infolist()[0]
        for number in range(1, 1000):
            again = zipfile.ZipInfo(f"{number}.jpg")
            for name in ("compress_type", "CRC", "compress_size", "file_size", "header_offset", "flag_bits"):
                setattr(again, name, getattr(first, name))
            packed.filelist.append(again)
    assert len(zip_files.members(path)) == 1000
    with pytest.raises(zip_files.ArchiveError, match="damaged"):
        zip_files.read(path, "999.jpg")  # its own header says another name
