"""From the bytes of an image file to RGB pixels, and from pixels to files that a browser may see.

Nothing else in the platform opens a picture: what is refused here is refused everywhere.
"""

import hashlib
import io
import re
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from scoring.photograph import colours, formats
from scoring.photograph.decoder import pool

# libheif's own security limits stay on; a thumbnail inside the file is not the photograph.
pillow_heif.register_heif_opener(thumbnails=False)

Pixels = NDArray[np.uint8]  # (height, width, 3), sRGB
Empty = Callable[[tuple[int, int, int]], Pixels]  # what makes an array of this shape

MAX_SELFIE_BYTES = 20 * 2**20  # a 50 MP phone JPEG is 12-18 MB
MAX_PIXELS = 65_000_000  # a 64 MP phone camera; decoded that is 195 MB of memory
MIN_SIDE = 64  # pixels: less than this holds no face with skin to grade
MAX_SCANS = 100  # of a progressive JPEG; cameras write ten, and each costs as much as the first in some 70 bytes
# What decoding may take. Pillow has 4 bytes for a pixel, and a picture is turned and converted by copying it.
FIXED_BYTES, BYTES_PER_PIXEL = 96 * 2**20, 24
RENDITION_QUALITY = 80  # with method 0: 73 ms and 168 kB for 1,200 x 1,600, the sweet spot

# What Pillow's decoders and libheif (RuntimeError) raise on damaged files, besides UnidentifiedImageError (an OSError).
DAMAGE = (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, OverflowError, RuntimeError, struct.error)
BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)
MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # of a JPEG; what else begins with ff is picture
START_OF_SCAN, END = 0xDA, 0xD9
JPEG_START, END_MARKER = b"\xff\xd8\xff", b"\xff\xd9"
TAIL = 64 * 2**10  # bytes at a JPEG's end in which its end marker is looked for: phones append a few
BLOCK = 8  # pixels: the side of a JPEG's block
NEARLY_ONE_COLOUR = 3  # of 255: the colours of the block above reach into one that is missing
OTHER_BYTES = b"\x5a\xa5\x3c" * 1000  # entropy-coded data of no picture
CUT = "This image is damaged or cut short. Send the original file again."
BAND = 256  # rows that are copied at a time
COSTLY = "Opening this file takes more memory or time than its picture should. Save it anew as a JPEG or PNG."

# Tags of TIFF.
NEW_SUBFILE_TYPE, SUBFILE_TYPE, PHOTOMETRIC, SAMPLES, TILE_WIDTH, TILE_LENGTH = 254, 255, 262, 277, 322, 323
REDUCED_OR_MASK, REDUCED_OLD = 0b101, 2
RAW_TAGS = {330, 33421, 50706}  # directories below this one, the pattern of a colour filter, DNG's version
RAW_COLOURS = {32803, 34892}  # a colour filter's, and linear raw
# A tile may reach beyond the picture's edge; programs write tiles of 1,024 x 1,024 at most.
MOST_PADDING, TILE = 4, 2**20
MOST_SAMPLES = 8  # of a pixel: CMYK with four more inks
RAW = "This is a camera's raw file, or holds other pictures than the one it shows. Export the photograph as a JPEG."
TOO_MANY_PIXELS = f"This image has more than {MAX_PIXELS // 10**6} million pixels. Send a smaller version."


class ImageError(ValueError):
    """Why a file is refused, as a sentence for the person who sent it."""


@dataclass(frozen=True)
class Selfie:
    """A photograph known by its content. Its pixels are decoded when first asked for: a stored embedding needs none."""

    content_hash: str
    read: Callable[[], bytes]
    # Quarter turns clockwise from its pixels to the right way up, where it is known; None is found by its face.
    turn: int | None = None

    @classmethod
    def of(cls, data: bytes) -> "Selfie":
        return cls(content_hash(data), lambda: data)

    @cached_property
    def pixels(self) -> Pixels:
        """(height, width, 3) uint8 sRGB, as the file says, not turned by a face. Raises ImageError."""
        return decode(self.read())


def content_hash(data: bytes) -> str:
    """SHA-256 of the file as it came, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def decode(data: bytes) -> Pixels:
    """Return the upright picture as (height, width, 3) uint8 sRGB.

    Takes the formats of scoring/photograph/formats.py, any bit depth and colour model; transparency is laid on white.
    The file is opened in a process of its own, whose memory is limited to `budget`. Raises ImageError.
    """
    try:
        return pool.decode(data)
    except pool.RefusedError as error:
        raise ImageError(str(error)) from error
    except pool.DecoderStopped as error:
        raise ImageError(COSTLY) from error


def budget(pixels: int) -> int:
    """Return the bytes of memory that decoding may take for a picture of so many pixels, its file not counted."""
    return FIXED_BYTES + BYTES_PER_PIXEL * pixels


def decode_here(
    data: bytes,
    *,
    before_pixels: Callable[[int], None] = lambda _: None,
    empty: Empty = lambda shape: np.empty(shape, np.uint8),
) -> Pixels:
    """`decode` in this process. Raises ImageError and MemoryError.

    `before_pixels` hears how many pixels there will be, and `empty` makes the array that they are written to.
    """
    if len(data) > MAX_SELFIE_BYTES:
        raise ImageError(f"This file is larger than {MAX_SELFIE_BYTES // 2**20} MB.")
    if not data:
        raise ImageError("This file is empty.")
    try:
        before_pixels(_webp_pixels(data))
        return _opened(_ended(data), data, before_pixels, empty)
    except colours.ColourError as error:
        raise ImageError(str(error)) from error
    except BOMB as error:
        raise ImageError(TOO_MANY_PIXELS) from error
    except UnidentifiedImageError as error:
        raise ImageError(f"This file is not a {formats.ANY_OF_THEM} image.") from error
    except ImageError:
        raise
    except DAMAGE as error:
        raise ImageError(CUT) from error


def turned(pixels: Pixels, turn: int) -> Pixels:
    """Return a picture after so many quarter turns clockwise, with its rows one behind the other in memory."""
    return np.ascontiguousarray(np.rot90(pixels, -turn))


def render(pixels: Pixels, *, long_side: int) -> bytes:
    """Return a WebP without metadata whose longer side is at most `long_side` pixels; it is never enlarged."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((long_side, long_side), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, "WEBP", method=0, quality=RENDITION_QUALITY)
    return file.getvalue()


def _opened(data: bytes, came: bytes, before_pixels: Callable[[int], None], empty: Empty) -> Pixels:
    """Return the pixels of a file, which `came` without its end if it is another than `data`."""
    with Image.open(io.BytesIO(data), formats=list(formats.BY_PILLOW)) as picture:
        _refuse_unfit(picture)
        _refuse_raw(picture, data)
        _refuse_costly(picture)
        _refuse_endless(picture, data)
        profile = colours.profile(picture, data)
        if picture.format != "WEBP":
            before_pixels(picture.width * picture.height)
        picture.load()
        _refuse_unfinished(picture, data, was_open=data is not came)
        upright = _to_srgb(_upright(picture), profile)
        pixels = empty((upright.height, upright.width, 3))
        for top, bottom, rows in _bands(upright):
            pixels[top:bottom] = rows
        return pixels


def _refuse_unfit(picture: Image.Image) -> None:
    """Look at the header only: a bomb is refused before it is unpacked."""
    if picture.width * picture.height > MAX_PIXELS:
        raise ImageError(TOO_MANY_PIXELS)
    if min(picture.size) < MIN_SIDE:
        raise ImageError(
            f"This image has {picture.width} x {picture.height} pixels; each side needs {MIN_SIDE} at least."
        )
    known = formats.BY_PILLOW.get(picture.format or "")  # not of a JPEG with several views, which opens as MPO
    if known and known.several_frames and getattr(picture, "is_animated", False):
        raise ImageError(known.several_frames)
    if picture.mode == "F":
        raise ImageError("This TIFF holds measurements, not colours. Send the photograph as it left the camera.")


def _webp_pixels(data: bytes) -> int:
    """Return how many pixels a WebP says it has, 0 of another file. Pillow takes memory for them as it opens it."""
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return 0
    match data[12:16]:
        case b"VP8X":
            width, height = (int.from_bytes(data[start : start + 3], "little") + 1 for start in (24, 27))
        case b"VP8L":
            bits = int.from_bytes(data[21:25], "little")
            width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case _:
            width, height = (int.from_bytes(data[start : start + 2], "little") & 0x3FFF for start in (26, 28))
    if width * height > MAX_PIXELS:
        raise ImageError(TOO_MANY_PIXELS)
    return width * height


def _refuse_raw(picture: Image.Image, data: bytes) -> None:
    """Refuse a TIFF whose first directory is not the photograph: a camera's raw file shows a thumbnail there."""
    if picture.format != "TIFF":
        return
    tags: dict[int, Any] = dict(picture.tag_v2)  # type: ignore[attr-defined]
    reduced = tags.get(NEW_SUBFILE_TYPE, 0) & REDUCED_OR_MASK or tags.get(SUBFILE_TYPE) == REDUCED_OLD
    raw = tags.keys() & RAW_TAGS or tags.get(PHOTOMETRIC) in RAW_COLOURS or data[8:10] == b"CR"
    if reduced or raw:
        raise ImageError(RAW)


def _refuse_costly(picture: Image.Image) -> None:
    """Refuse a picture whose tiles or strips, which are unpacked whole, are far larger than itself."""
    tiles = getattr(picture, "tag_v2", {})
    across, down = tiles.get(TILE_WIDTH), tiles.get(TILE_LENGTH)
    if across and down:
        columns, rows = -(-picture.width // across), -(-picture.height // down)
        if max(columns * across * rows * down, across * down) > MOST_PADDING * picture.width * picture.height + TILE:
            raise ImageError("This TIFF has tiles far larger than its picture. Save it anew as a JPEG or PNG.")
    samples = tiles.get(SAMPLES, 1)
    if samples > MOST_SAMPLES:
        raise ImageError(f"This TIFF has {samples} values for each pixel. Save it anew as a JPEG or PNG.")


def _ended(data: bytes) -> bytes:
    """Return a JPEG with its end marker, which some transfers lose; whether all pixels are there is seen later."""
    return data if not data.startswith(JPEG_START) or END_MARKER in data[-TAIL:] else data + END_MARKER


def _refuse_unfinished(picture: Image.Image, data: bytes, *, was_open: bool) -> None:
    """Refuse a JPEG that was cut and ended by hand: its decoder paints the missing rest in one colour.

    Such a rest depends on what stands before the end marker, a picture that is whole does not. So where the last block
    is of one colour, or the file `was_open`, it is decoded again with other bytes there.
    """
    if picture.format not in {"JPEG", "MPO"}:
        return
    left, top = ((side - 1) // BLOCK * BLOCK for side in picture.size)
    last = np.asarray(picture.crop((left, top, *picture.size)).convert("L"))
    if not was_open and np.ptp(last) > NEARLY_ONE_COLOUR:
        return
    end = _end_of_first(data)
    if end is None:
        raise ImageError(CUT)
    with Image.open(io.BytesIO(data[:end] + OTHER_BYTES + END_MARKER)) as other:
        both = zip(_bands(other), _bands(picture), strict=True)
        if not all(np.array_equal(rows, ours) for (*_, rows), (*_, ours) in both):
            raise ImageError(CUT)


def _end_of_first(data: bytes) -> int | None:
    """Return where the end marker of a JPEG's first picture stands: a phone's file has others behind it."""
    position = 2
    while marker := MARKER.search(data, position):
        kind, position = data[marker.end() - 1], marker.end()
        if kind == END:
            return marker.start()
        position += int.from_bytes(data[position : position + 2], "big")
    return None


def _refuse_endless(picture: Image.Image, data: bytes) -> None:
    if picture.format in {"JPEG", "MPO"} and _scans(data) > MAX_SCANS:
        raise ImageError("This JPEG is made to take long to open. Open it in an image program and save it anew.")


def _scans(data: bytes) -> int:
    """Count the scans of a JPEG's first picture, no further than matters."""
    scans, position = 0, 2
    while scans <= MAX_SCANS and (marker := MARKER.search(data, position)):
        kind, position = data[marker.end() - 1], marker.end()
        if kind == END:
            break
        scans += kind == START_OF_SCAN
        position += int.from_bytes(data[position : position + 2], "big")
    return scans


def _upright(picture: Image.Image) -> Image.Image:
    with suppress(*DAMAGE):  # unreadable EXIF says nothing about the picture
        ImageOps.exif_transpose(picture, in_place=True)  # a copy of 12 megapixels takes as long as decoding them
    return picture


def _to_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert any mode to RGB, through the colour profile where there is a usable one."""
    if picture.mode.startswith("I"):
        picture = _with_info_of(picture, _eight_bits(picture))
    if picture.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        picture = ImageCms.profileToProfile(picture, lab, srgb, outputMode="RGB") or picture
        profile = None
    if picture.has_transparency_data:
        picture = _on_white(picture)
    if picture.mode == "P":
        picture = _with_info_of(picture, picture.convert("RGB"))
    if profile and picture.mode in {"RGB", "CMYK", "L"}:
        picture = _through_profile(picture, profile)
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _bands(picture: Image.Image) -> Iterator[tuple[int, int, NDArray[Any]]]:
    """Yield the first row, the row after the last, and the pixels of one band after the other.

    Copies of all of a picture, of which Pillow makes several on the way to an array, would take much memory.
    """
    for top in range(0, picture.height, BAND):
        bottom = min(top + BAND, picture.height)
        yield top, bottom, np.asarray(picture.crop((0, top, picture.width, bottom)))


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Return a picture of 16-bit grey in 8 bits, a band of rows at a time: its copies would take eight times its size.

    Pillow leaves a TIFF whose zero is white as it is.
    """
    grey = Image.new("L", picture.size)
    for top, _, rows in _bands(picture):
        grey.paste(Image.fromarray((rows.astype(np.int32, copy=False) >> 8).clip(0, 255).astype(np.uint8)), (0, top))
    white_is_zero = getattr(picture, "tag_v2", {}).get(PHOTOMETRIC) == 0
    return ImageOps.invert(grey) if white_is_zero else grey


def _on_white(picture: Image.Image) -> Image.Image:
    layer = picture.convert("RGBA")
    page = Image.new("RGBA", layer.size, "white")
    page.alpha_composite(layer)
    return _with_info_of(picture, page.convert("L" if picture.mode == "LA" else "RGB"))


def _with_info_of(picture: Image.Image, changed: Image.Image) -> Image.Image:
    """Return the changed picture with what the file said of the first: its colour profile above all."""
    changed.info = picture.info
    return changed


def _through_profile(picture: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if ImageCms.getProfileDescription(source).startswith("sRGB"):
            return picture
        converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, *DAMAGE):  # a profile that is broken or meant for another mode
        return picture
    return converted or picture
