"""Renditions of an image for browsers: WebP in the sizes of screens, and one with every pixel."""

import hashlib
from collections.abc import Mapping

from scoring.photograph import decoding

# Long side in pixels. 1600 fills a full-HD window, 2560 a retina laptop's; "full" is for 4K and for a closer look.
LONG_SIDES = {"1600": 1600, "2560": 2560}
FULL = "full"
SIZES = (*LONG_SIDES, FULL)


def render(pixels: decoding.Pixels) -> dict[str, bytes]:
    """Return size -> WebP, only of sizes that differ: nothing is ever enlarged."""
    height, width = pixels.shape[:2]
    long_side = max(width, height)
    return {size: decoding.render(pixels, long_side=LONG_SIDES.get(size, long_side)) for size in _made(long_side)}


def digests(made: Mapping[str, bytes]) -> dict[str, str]:
    """Return size -> SHA-256: by it a rendition is known that was exchanged for another image's."""
    return {size: hashlib.sha256(webp).hexdigest() for size, webp in made.items()}


def storage_name(prefix: str, size: str) -> str:
    return f"{prefix}-{size}"


def smallest_of_at_least(size: str, *, long_side: int) -> str:
    """Return the rendition to serve when `size` is asked for of an image with this long side."""
    wanted = SIZES.index(size)
    return next(made for made in _made(long_side) if SIZES.index(made) >= wanted)


def _made(long_side: int) -> list[str]:
    """Return the sizes below the image's own, and its own under the name "full"."""
    return [*(size for size, pixels in LONG_SIDES.items() if pixels < long_side), FULL]
