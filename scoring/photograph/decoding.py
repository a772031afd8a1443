"""From the bytes of an image file to RGB pixels, and from pixels to files that a browser may see.

Nothing else in the platform opens a picture: what is refused here is refused everywhere.
"""

import hashlib
import io
import re
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from scoring.photograph import formats

# libheif's own security limits stay on; a thumbnail inside the file is not the photograph.
pillow_heif.register_heif_opener(thumbnails=False)

Pixels = NDArray[np.uint8]  # (height, width, 3), sRGB

MAX_SELFIE_BYTES = 20 * 2**20  # a 50 MP phone JPEG is 12-18 MB
MAX_PIXELS = 65_000_000  # a 64 MP phone camera; decoded that is 195 MB of memory
MIN_SIDE = 64  # pixels: less than this holds no face with skin to grade
MAX_SCANS = 100  # of a progressive JPEG; cameras write ten, and each costs as much as the first in some 70 bytes
RENDITION_QUALITY = 80  # with method 0: 73 ms and 168 kB for 1,200 x 1,600, the sweet spot

# What Pillow's decoders and libheif (RuntimeError) raise on damaged files, besides UnidentifiedImageError (an OSError).
DAMAGE = (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, OverflowError, RuntimeError, struct.error)
BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)
MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # of a JPEG; what else begins with ff is picture
START_OF_SCAN, END = 0xDA, 0xD9
TOO_MANY_PIXELS = f"This image has more than {MAX_PIXELS // 10**6} million pixels. Send a smaller version."


class ImageError(ValueError):
    """Why a file is refused, as a sentence for the person who sent it."""


@dataclass(frozen=True)
class Selfie:
    """A photograph known by its content. Its pixels are decoded when first asked for: a stored embedding needs none."""

    content_hash: str
    read: Callable[[], bytes]

    @classmethod
    def of(cls, data: bytes) -> "Selfie":
        return cls(content_hash(data), lambda: data)

    @cached_property
    def pixels(self) -> Pixels:
        """(height, width, 3) uint8 sRGB. Raises ImageError."""
        return decode(self.read())


def content_hash(data: bytes) -> str:
    """SHA-256 of the file as it came, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def decode(data: bytes) -> Pixels:
    """Return the upright picture as (height, width, 3) uint8 sRGB.

    Takes the formats of scoring/photograph/formats.py, any bit depth and colour model; transparency is laid on white.
    Raises ImageError.
    """
    if len(data) > MAX_SELFIE_BYTES:
        raise ImageError(f"This file is larger than {MAX_SELFIE_BYTES // 2**20} MB.")
    if not data:
        raise ImageError("This file is empty.")
    try:
        with Image.open(io.BytesIO(data), formats=list(formats.BY_PILLOW)) as picture:
            _refuse_unfit(picture)
            _refuse_endless(picture, data)
            picture.load()
            return np.array(_to_srgb(_upright(picture)))
    except BOMB as error:
        raise ImageError(TOO_MANY_PIXELS) from error
    except UnidentifiedImageError as error:
        raise ImageError(f"This file is not a {formats.ANY_OF_THEM} image.") from error
    except ImageError:
        raise
    except DAMAGE as error:
        raise ImageError("This image is damaged or cut short. Send the original file again.") from error


def render(pixels: Pixels, *, long_side: int) -> bytes:
    """Return a WebP without metadata whose longer side is at most `long_side` pixels; it is never enlarged."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((long_side, long_side), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    picture.save(file, "WEBP", method=0, quality=RENDITION_QUALITY)
    return file.getvalue()


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


def _to_srgb(picture: Image.Image) -> Image.Image:
    """Convert any mode to RGB, through the embedded colour profile where there is a usable one."""
    if picture.mode.startswith("I"):  # 16-bit grey
        grey = Image.fromarray((np.asarray(picture, dtype=np.int64) >> 8).clip(0, 255).astype(np.uint8))
        picture = _with_info_of(picture, grey)
    if picture.has_transparency_data:
        picture = _on_white(picture)
    if picture.mode == "P":
        picture = _with_info_of(picture, picture.convert("RGB"))
    profile = picture.info.get("icc_profile")
    if profile and picture.mode in {"RGB", "CMYK", "L"}:
        picture = _through_profile(picture, profile)
    return picture if picture.mode == "RGB" else picture.convert("RGB")


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
