"""A file that holds more than one picture: the photograph is taken, or the file is refused with a sentence."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from scoring.photograph import decoding
from tests.scoring.photograph.test_decoding import PHOTO, saved

OTHER = PHOTO.rotate(180)
SMALL = PHOTO.resize((64, 80))
RAW = "raw file"


def tiff(
    *, start: bytes = b"II*\0", after_start: bytes = b"", pixels: bytes | None = None, **tags: int | bytes
) -> bytes:
    """Return a TIFF of 64 x 64 grey pixels, with other or more tags. They hold numbers, or bytes of at most four."""
    strip = bytes(64 * 64) if pixels is None else pixels
    place = 8 + len(after_start)
    usual = {256: 64, 257: 64, 258: 8, 259: 1, 262: 1, 273: place, 277: 1, 278: 64, 279: len(strip)}
    all_tags = usual | {int(name.removeprefix("tag")): value for name, value in tags.items()}
    entries = b"".join(
        struct.pack("<HHI", tag, 1 if isinstance(value, bytes) else 4, len(value) if isinstance(value, bytes) else 1)
        + (value.ljust(4, b"\0") if isinstance(value, bytes) else struct.pack("<I", value))
        for tag, value in sorted(all_tags.items())
    )
    directory = struct.pack("<H", len(all_tags)) + entries + bytes(4)
    return start + struct.pack("<I", place + len(strip)) + after_start + strip + directory


def layers() -> bytes:
    """Return a TIFF as Photoshop writes it: the flat picture, and its layers in a tag."""
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    directory.tagtype[37724] = 7
    directory[37724] = b"Adobe Photoshop Document Data Block\0" + bytes(2000)
    return saved(PHOTO, "TIFF", tiffinfo=directory)


def apng() -> bytes:
    return saved(PHOTO, "PNG", save_all=True, append_images=[OTHER], duration=100)


REFUSED = {
    "DNG": (tiff(tag50706=b"\1\4\0\0"), RAW),
    "DNG, its directory of thumbnails": (tiff(tag254=1, tag50706=b"\1\4\0\0", tag330=8), RAW),
    "NEF": (tiff(tag254=1, tag330=8, tag271=b"NIK\0"), RAW),
    "CR2": (tiff(after_start=b"CR\2\0\0\0\0\0"), RAW),
    "TIFF of a colour filter": (tiff(tag262=32803, tag33421=8), "raw file|can't be read as colours"),
    "TIFF of linear raw": (tiff(tag262=34892), "raw file|can't be read as colours"),
    "TIFF with the pattern of a colour filter": (tiff(tag33421=8), RAW),
    "TIFF, a mask": (tiff(tag254=4), RAW),
    "ORF": (tiff(start=b"IIRO"), RAW),
    "RW2": (tiff(start=b"IIU\0"), RAW),
    "RAF": (b"FUJIFILMCCD-RAW 0201" + bytes(100) + saved(SMALL, "JPEG"), RAW),
    "CR3": (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + saved(SMALL, "JPEG"), RAW),
    "X3F": (b"FOVb" + bytes(500), RAW),
    "TIFF of several pages": (saved(PHOTO, "TIFF", save_all=True, append_images=[OTHER]), "several pages"),
    "TIFF of smaller copies": (saved(PHOTO, "TIFF", save_all=True, append_images=[SMALL.copy()]), "several pages"),
    "TIFF whose first page is a thumbnail": (
        saved(SMALL.copy(), "TIFF", save_all=True, append_images=[PHOTO.copy()]),
        "several pages",
    ),
    "TIFF of 12 bits": (tiff(tag258=12, pixels=bytes(64 * 96)), "can't be read as colours"),
    "TIFF of signed numbers": (tiff(tag258=16, tag339=2, pixels=bytes(2 * 64 * 64)), "measurements"),
    "TIFF of inks of no printer": (
        tiff(tag262=5, tag277=4, tag332=2, tag258=8, pixels=bytes(4 * 64 * 64)),
        "can't be read as colours",
    ),
    "animated PNG": (apng(), "animated"),
    "animated WebP": (saved(PHOTO, "WEBP", save_all=True, append_images=[OTHER]), "animated"),
    "GIF": (saved(PHOTO, "GIF", save_all=True, append_images=[OTHER]), "not a JPEG"),
    "AVIF": (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + bytes(500), "not a JPEG"),
    "HEIC of moving pictures": (b"\0\0\0\x18ftypmsf1\0\0\0\0msf1hevc" + bytes(500), "not a JPEG|damaged"),
    "PSD": (b"8BPS\0\1" + bytes(500), "not a JPEG"),
    "film": (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(500), "not a JPEG"),
    "thumbnail alone": (saved(PHOTO.resize((40, 50)), "JPEG"), "40 x 50 pixels"),
}


@pytest.mark.parametrize(("data", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_one_photograph_is_refused(data: bytes, sentence: str) -> None:
    with pytest.raises(decoding.ImageError, match=sentence):
        decoding.decode(data)


def with_preview(file_format: str) -> bytes:
    """Return a photograph with a thumbnail in its EXIF, as cameras write it."""
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    head = exif.tobytes()
    return saved(PHOTO, file_format, exif=head + saved(SMALL, "JPEG"), quality=95)


TAKEN = {
    "JPEG with a preview": with_preview("JPEG"),
    "JPEG with a second view (MPO)": saved(PHOTO, "MPO", save_all=True, append_images=[OTHER]),
    "JPEG with a gain map behind": saved(PHOTO, "JPEG") + saved(SMALL.convert("L"), "JPEG"),
    "JPEG with a film behind": saved(PHOTO, "JPEG") + b"\0\0\0\x18ftypmp42" + zlib.compress(bytes(9999)),
    "HEIC with a burst": saved(PHOTO, "HEIF", save_all=True, append_images=[OTHER, OTHER], primary_index=0),
    "HEIC with a thumbnail": saved(PHOTO, "HEIF", thumbnails=[64]),
    "HEIC of tiles": saved(PHOTO, "HEIF", tile_size=64),
    "PNG with another behind": saved(PHOTO, "PNG") + saved(OTHER, "PNG"),
    "WebP with data behind": saved(PHOTO, "WEBP") + bytes(100),
    "TIFF with Photoshop's layers": layers(),
    "TIFF of tiles": saved(PHOTO, "TIFF", compression="jpeg"),
}


@pytest.mark.parametrize("data", TAKEN.values(), ids=TAKEN)
def test_the_photograph_is_taken(data: bytes) -> None:
    pixels = decoding.decode(data)
    assert pixels.shape == (200, 160, 3)
    assert np.abs(pixels.astype(int) - np.asarray(PHOTO)).mean() < 12
