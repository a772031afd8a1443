"""From the bytes of an image file to RGB pixels, and from pixels to files that a browser may see.

Nothing else in the platform opens a picture: what is refused here is refused everywhere.
"""

import hashlib
import io
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from scoring.photograph import colours, formats
from scoring.photograph.decoder import jpegs, pool

# libheif's own security limits stay on; a thumbnail inside the file is not the photograph. Each thread for tiles takes
# addresses, which are limited, and others decode meanwhile.
pillow_heif.register_heif_opener(thumbnails=False, decode_threads=1)
# Pillow's own limit, of 89 million pixels, is below what studies take. `_refuse_unfit` has ours.
Image.MAX_IMAGE_PIXELS = None

Pixels = NDArray[np.uint8]  # (height, width, 3), sRGB
Empty = Callable[[tuple[int, int, int]], Pixels]  # what makes an array of this shape

MAX_SELFIE_BYTES = 20 * 2**20  # a 50 MP phone JPEG is 12-18 MB
MAX_PIXELS = 65_000_000  # a 64 MP phone camera; decoded that is 195 MB of memory. What has more is made smaller
MIN_SIDE = 64  # pixels: less than this holds no face with skin to grade
MAX_SCANS = 100  # of a progressive JPEG; cameras write ten, and each costs as much as the first in some 70 bytes
# What decoding may take. Pillow has 4 bytes for a pixel, and a picture is turned and converted by copying it. Of a
# picture that is made smaller as it is read only one copy has all pixels, and what that came of, with 16 bits or fewer.
FIXED_BYTES, BYTES_PER_PIXEL, BYTES_PER_LARGE_PIXEL = 96 * 2**20, 24, 12
MAX_WEBP_SIDE = 16_383  # pixels
# Some colours by which sRGB's profile is known, whatever it is called, and how far they may be off.
PROBE = Image.fromarray(np.stack(np.meshgrid(*3 * [np.arange(0, 256, 15).astype(np.uint8)]), -1).reshape(1, -1, 3))
SAME = 1
RENDITION_QUALITY = 80  # with method 0: 73 ms and 168 kB for 1,200 x 1,600, the sweet spot

# What Pillow's decoders and libheif (RuntimeError) raise on damaged files, besides UnidentifiedImageError (an OSError).
DAMAGE = (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, OverflowError, RuntimeError, struct.error)
CUT = "This image is damaged or cut short. Send the original file again."
BAND = 256  # rows that are copied at a time: as many as every fraction of a picture needs whole
ENDLESS = "This JPEG is made to take long to open. Open it in an image program and save it anew."
COSTLY = "Opening this file takes more memory or time than its picture should. Save it anew as a JPEG or PNG."

# Tags of TIFF.
NEW_SUBFILE_TYPE, SUBFILE_TYPE, PHOTOMETRIC, SAMPLES, TILE_WIDTH, TILE_LENGTH = 254, 255, 262, 277, 322, 323
ORIENTATION = 274  # of EXIF too
WHITE_IS_ZERO = "white_is_zero"  # in a picture's info: Pillow leaves 16 bits of grey as they are
REDUCED_OR_MASK, REDUCED_OLD = 0b101, 2
RAW_TAGS = {330, 33421, 50706}  # directories below this one, the pattern of a colour filter, DNG's version
BITS, SAMPLE_FORMAT, INK_SET, UNSIGNED = 258, 339, 332, 1
USUAL_BITS = {1, 2, 4, 8, 16}  # Pillow does not stretch 12 bits to 16
TIFF_STARTS = {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}
OTHER_TIFF = "This kind of TIFF can't be read as colours. Export the photograph as a JPEG or PNG."
RAW_COLOURS = {32803, 34892}  # a colour filter's, and linear raw
# A tile may reach beyond the picture's edge; programs write tiles of 1,024 x 1,024 at most.
MOST_PADDING, TILE = 4, 2**20
MOST_SAMPLES = 8  # of a pixel: CMYK with four more inks
RAW_STARTS = (b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FUJIFILMCCD-RAW", b"FOVb")  # Olympus, Panasonic, Fuji, Sigma
RAW = "This is a camera's raw file, or holds other pictures than the one it shows. Export the photograph as a JPEG."


@dataclass(frozen=True)
class Limits:
    """The largest file that is opened."""

    bytes: int
    pixels: int


SELFIE = Limits(MAX_SELFIE_BYTES, MAX_PIXELS)  # what apps send, and examples of an atlas
# What a study has stored; its own limits, which were looked at as it came, can't be set to more.
STORED = Limits(2**30, 300_000_000)


class ImageError(ValueError):
    """Why a file is refused, as a sentence for the person who sent it."""


@dataclass(frozen=True)
class Selfie:
    """A photograph known by its content. Its pixels are decoded when first asked for: a stored embedding needs none."""

    content_hash: str
    read: Callable[[], bytes]
    # Quarter turns clockwise from its pixels to the right way up, where it is known; None is found by its face.
    turn: int | None = None
    limits: Limits = SELFIE

    @classmethod
    def of(cls, data: bytes, limits: Limits = SELFIE) -> "Selfie":
        return cls(content_hash(data), lambda: data, limits=limits)

    @cached_property
    def pixels(self) -> Pixels:
        """(height, width, 3) uint8 sRGB, as the file says, not turned by a face. Raises ImageError."""
        return decode(self.read(), self.limits)


def content_hash(data: bytes) -> str:
    """SHA-256 of the file as it came, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def decode(data: bytes, limits: Limits = SELFIE) -> Pixels:
    """Return the upright picture as (height, width, 3) uint8 sRGB.

    What has more than MAX_PIXELS comes at a half or a quarter of its sides. Takes the formats of
    scoring/photograph/formats.py, any bit depth and colour model; transparency is laid on white.
    The file is opened in a process of its own, whose memory is limited to `budget`. Raises ImageError.
    """
    try:
        return pool.decode(data, limits.bytes, limits.pixels)
    except pool.RefusedError as error:
        raise ImageError(str(error)) from error
    except pool.DecoderStopped as error:
        raise ImageError(COSTLY) from error


def budget(pixels: int) -> int:
    """Return the bytes of memory that decoding may take for a picture of so many pixels, its file not counted."""
    whole = BYTES_PER_PIXEL * min(pixels, MAX_PIXELS)
    return FIXED_BYTES + max(whole, BYTES_PER_LARGE_PIXEL * pixels if pixels > MAX_PIXELS else 0)


def decode_here(
    data: bytes,
    limits: Limits = SELFIE,
    *,
    before_pixels: Callable[[int], None] = lambda _: None,
    empty: Empty = lambda shape: np.empty(shape, np.uint8),
) -> Pixels:
    """`decode` in this process. Raises ImageError and MemoryError.

    `before_pixels` hears how many pixels there will be, and `empty` makes the array that they are written to.
    """
    if len(data) > limits.bytes:
        raise ImageError(f"This file is larger than {limits.bytes // 2**20:,} MB. Send a smaller version.")
    if not data:
        raise ImageError("This file is empty.")
    try:
        before_pixels(_webp_pixels(data))
        return _opened(data, limits, before_pixels, empty)
    except colours.ColourError as error:
        raise ImageError(str(error)) from error
    except UnidentifiedImageError as error:
        raise ImageError(_other(data)) from error
    except ImageError:
        raise
    except jpegs.EndlessError as error:
        raise ImageError(ENDLESS) from error
    except DAMAGE as error:
        raise ImageError(CUT) from error


def turned(pixels: Pixels, turn: int) -> Pixels:
    """Return a picture after so many quarter turns clockwise, with its rows one behind the other in memory."""
    return np.ascontiguousarray(np.rot90(pixels, -turn))


def _other(data: bytes) -> str:
    """Return why a file that Pillow does not know is refused."""
    if data.startswith(RAW_STARTS) or data[4:12] == b"ftypcrx ":
        return RAW
    return OTHER_TIFF if data[:4] in TIFF_STARTS else f"This file is not a {formats.ANY_OF_THEM} image."


def render(pixels: Pixels, *, long_side: int) -> bytes:
    """Return a WebP without metadata whose longer side is at most `long_side` pixels; it is never enlarged.

    Nor is it longer than WebP can be, which panoramas are.
    """
    picture = Image.fromarray(pixels)
    longest = min(long_side, MAX_WEBP_SIDE)
    picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, "WEBP", method=0, quality=RENDITION_QUALITY)
    return file.getvalue()


def _opened(data: bytes, limits: Limits, before_pixels: Callable[[int], None], empty: Empty) -> Pixels:
    with Image.open(io.BytesIO(data), formats=list(formats.BY_PILLOW)) as picture:
        _refuse_unfit(picture, limits)
        _refuse_raw(picture, data)
        _refuse_odd_tiff(picture)
        if picture.format != "WEBP":
            before_pixels(picture.width * picture.height)
        profile = colours.profile(picture, data)  # of a PNG this loads the pixels
        if getattr(picture, "tag_v2", {}).get(PHOTOMETRIC) == 0:
            picture.info[WHITE_IS_ZERO] = True
        upright = _to_srgb(_upright(_loaded(picture, data)), profile)
        pixels = empty((upright.height, upright.width, 3))
        for top, bottom, rows in _bands(upright):
            pixels[top:bottom] = rows
        return pixels


def _loaded(picture: Image.Image, data: bytes) -> Image.Image:
    """Return the picture with its pixels, at a fraction of its size where it has more than MAX_PIXELS."""
    fraction = 1
    while -(-picture.width // fraction) * -(-picture.height // fraction) > MAX_PIXELS:
        fraction *= 2
    if picture.format in {"JPEG", "MPO"}:
        return _with_info_of(picture, _of_jpeg(jpegs.Jpeg(data, MAX_SCANS).pixels(fraction=fraction)))
    if fraction > 1 and picture.format == "HEIF":
        return _with_info_of(picture, _smaller(_bands_of_heic(data), picture.size, fraction))
    picture.load()
    if fraction == 1:
        return picture
    bands = (picture.crop((0, top, picture.width, bottom)) for top, bottom in _rows(picture.height))
    small = _with_info_of(picture, _smaller(bands, picture.size, fraction))
    with suppress(*DAMAGE):  # a TIFF says elsewhere which way is up
        small.getexif()[ORIENTATION] = picture.getexif().get(ORIENTATION, 1)
    return small


def _smaller(bands: Iterable[Image.Image], size: tuple[int, int], fraction: int) -> Image.Image:
    """Return a picture at a fraction of its sides, from its bands, whose mode may only then be known."""
    top, small = 0, Image.new("1", (0, 0))
    for band in bands:
        plain = _plain(band)
        rows = (plain.convert("L") if plain.mode == "1" else plain).reduce(fraction)
        if not top:
            small = Image.new(rows.mode, (rows.width, -(-size[1] // fraction)))
        small.paste(rows, (0, top))
        top += rows.height
    return small


def _bands_of_heic(data: bytes) -> Iterator[Image.Image]:
    """Yield the main picture of a HEIC file from where libheif has it; Pillow would copy all of it first."""
    file = pillow_heif.open_heif(data, convert_hdr_to_8bit=True)
    picture = file[file.primary_index]
    pixels = np.asarray(picture)
    for top, bottom in _rows(picture.size[1]):
        yield Image.fromarray(np.ascontiguousarray(pixels[top:bottom, : picture.size[0]]))


def _of_jpeg(pixels: NDArray[np.uint8]) -> Image.Image:
    """Adobe, whose CMYK everybody writes, has 255 for no ink."""
    if pixels.shape[2] == 1:
        return Image.fromarray(pixels[..., 0])
    if pixels.shape[2] == 4:
        return Image.fromarray(np.invert(pixels, out=pixels), "CMYK")
    return Image.fromarray(pixels)


def _refuse_unfit(picture: Image.Image, limits: Limits) -> None:
    """Look at the header only: a bomb is refused before it is unpacked."""
    if picture.width * picture.height > limits.pixels:
        raise ImageError(f"This image has more than {limits.pixels // 10**6} million pixels. Send a smaller version.")
    if min(picture.size) < MIN_SIDE:
        raise ImageError(
            f"This image has {picture.width} x {picture.height} pixels; each side needs {MIN_SIDE} at least."
        )
    known = formats.BY_PILLOW.get(picture.format or "")  # not of a JPEG with several views, which opens as MPO
    if known and known.several_frames and getattr(picture, "is_animated", False):
        raise ImageError(known.several_frames)


def _all_of(value: Any) -> tuple[Any, ...]:
    """Return a tag's values: Pillow unpacks a single one."""
    return () if value is None else value if isinstance(value, tuple) else (value,)


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
        raise ImageError(
            f"This WebP has more than {MAX_PIXELS // 10**6} million pixels. Send the photograph as a JPEG."
        )
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


def _refuse_odd_tiff(picture: Image.Image) -> None:
    """Refuse what has tiles far larger than itself, which are unpacked whole, or numbers that are no colours."""
    tiles = getattr(picture, "tag_v2", {})
    across, down = tiles.get(TILE_WIDTH), tiles.get(TILE_LENGTH)
    if across and down:
        columns, rows = -(-picture.width // across), -(-picture.height // down)
        if max(columns * across * rows * down, across * down) > MOST_PADDING * picture.width * picture.height + TILE:
            raise ImageError("This TIFF has tiles far larger than its picture. Save it anew as a JPEG or PNG.")
    if picture.mode == "F" or {*_all_of(tiles.get(SAMPLE_FORMAT))} - {UNSIGNED}:
        raise ImageError("This TIFF holds measurements, not colours. Send the photograph as it left the camera.")
    if picture.mode == "YCbCr" or {*_all_of(tiles.get(BITS))} - USUAL_BITS or tiles.get(INK_SET, 1) != 1:
        raise ImageError(OTHER_TIFF)
    samples = tiles.get(SAMPLES, 1)
    if samples > MOST_SAMPLES:
        raise ImageError(f"This TIFF has {samples} values for each pixel. Save it anew as a JPEG or PNG.")


def _upright(picture: Image.Image) -> Image.Image:
    with suppress(*DAMAGE):  # unreadable EXIF says nothing about the picture
        ImageOps.exif_transpose(picture, in_place=True)  # a copy of 12 megapixels takes as long as decoding them
    return picture


def _to_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert any mode to RGB, through the colour profile where there is a usable one."""
    picture = _plain(picture)
    if picture.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(picture, lab, srgb, outputMode="RGB") or picture.convert("RGB")
    if profile and picture.mode in {"RGB", "CMYK", "L"}:
        picture = _through_profile(picture, profile)
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _plain(picture: Image.Image) -> Image.Image:
    """Return a picture in 8 bits, without transparency and palette."""
    if picture.mode.startswith("I"):
        picture = _with_info_of(picture, _eight_bits(picture))
    if picture.has_transparency_data:
        picture = _on_white(picture)
    return _with_info_of(picture, picture.convert("RGB")) if picture.mode == "P" else picture


def _bands(picture: Image.Image) -> Iterator[tuple[int, int, NDArray[Any]]]:
    """Yield the first row, the row after the last, and the pixels of one band after the other.

    Copies of all of a picture, of which Pillow makes several on the way to an array, would take much memory.
    """
    for top, bottom in _rows(picture.height):
        yield top, bottom, np.asarray(picture.crop((0, top, picture.width, bottom)))


def _rows(height: int) -> Iterator[tuple[int, int]]:
    """Yield the first row of each band, and the row after its last."""
    for top in range(0, height, BAND):
        yield top, min(top + BAND, height)


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Return a picture of 16-bit grey in 8 bits, a band of rows at a time: copies of it would take much memory."""
    grey = Image.new("L", picture.size)
    for top, _, rows in _bands(picture):
        grey.paste(Image.fromarray((rows.astype(np.int32, copy=False) >> 8).clip(0, 255).astype(np.uint8)), (0, top))
    return ImageOps.invert(grey) if WHITE_IS_ZERO in picture.info else grey


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
        if source.profile.xcolor_space.strip() == "RGB" and picture.mode == "L":
            picture = picture.convert("RGB")  # what is stated otherwise than by a profile is made into one of RGB
        to_srgb = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), picture.mode, "RGB")
        if picture.mode == "RGB" and np.abs(np.asarray(to_srgb.apply(PROBE)).astype(int) - PROBE).max() <= SAME:
            return picture
        return to_srgb.apply(picture)
    except (ImageCms.PyCMSError, *DAMAGE):  # a profile that is broken or meant for another mode: no program heeds it
        return picture
