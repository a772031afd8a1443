"""One eye, for photographs on which no whole face is found: OpenCV's Haar cascades, and skin around it."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scoring.photograph.decoding import Pixels, turned

EYE_LONG_SIDE = 1600  # pixels: the smallest eye we accept is then still as large as the cascade's 20 x 20 window
EYE_CASCADES = ("haarcascade_eye.xml", "haarcascade_eye_tree_eyeglasses.xml")  # the second was trained on others
LEAST_SKIN = 0.5  # of an eye's surroundings, the eye itself, lashes and brow among them

_lock = threading.Lock()  # a cascade may not be used by two threads at once


@dataclass(frozen=True)
class Eye:
    """An eye's box, in pixels of the full image."""

    x: int
    y: int
    w: int
    h: int


def find_eye(pixels: Pixels) -> Eye | None:
    """Return the largest acceptable eye that two of OpenCV's Haar cascades see, with skin around it.

    None where they see one better in the turned picture: then what is above it is no forehead.
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, EYE_LONG_SIDE / max(height, width))
    small = _shrink(pixels, scale)
    eye, windows = _eye_on(small)
    if eye is None or any(_eye_on(turned(small, turn))[1] > windows for turn in (2, 1, 3)):
        return None
    return Eye(*(round(side / scale) for side in (eye.x, eye.y, eye.w, eye.h)))


def _eye_on(pixels: Pixels) -> tuple[Eye | None, int]:
    """Return the eye, and in how many of their windows the two cascades see it."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    with _lock:
        first = {box: windows for box, windows in _eyes(EYE_CASCADES[0], grey).items() if _in_skin(box, pixels)}
        second = _eyes(EYE_CASCADES[1], grey) if first else {}
    agreed = {
        box: windows + max(others)
        for box, windows in first.items()
        if (others := [number for other, number in second.items() if _agree(box, other)])
    }
    eye = choose_eye(list(agreed), pixels.shape[1], pixels.shape[0])
    return eye, max(agreed.values(), default=0) if eye else 0


def _eyes(cascade: str, grey: NDArray[Any]) -> dict[Eye, int]:
    """Return the boxes that a cascade sees, and in how many windows each."""
    boxes, windows = _eye_cascade(cascade).detectMultiScale2(grey, scaleFactor=1.1, minNeighbors=5)
    return {Eye(*(int(side) for side in box)): int(number) for box, number in zip(boxes, windows, strict=True)}


def _agree(one: Eye, other: Eye) -> bool:
    """Whether two boxes show one thing: each has the other's centre in it, and neither is twice as wide."""
    across = abs(one.x + one.w / 2 - other.x - other.w / 2)
    down = abs(one.y + one.h / 2 - other.y - other.h / 2)
    return max(across, down) < min(one.w, other.w) / 2 and max(one.w, other.w) < 2 * min(one.w, other.w)


def _in_skin(eye: Eye, pixels: Pixels) -> bool:
    """Whether most of the ring around an eye, as wide as half of it, has a hue of skin.

    In Cr and Cb, where skin tones differ little: the bounds of Chai and Ngan (1999), wider for lamps and filters.
    """
    top, left = max(0, eye.y - eye.h // 2), max(0, eye.x - eye.w // 2)
    around = np.ascontiguousarray(pixels[top : eye.y + eye.h * 3 // 2, left : eye.x + eye.w * 3 // 2])
    cr, cb = np.moveaxis(cv2.cvtColor(around, cv2.COLOR_RGB2YCrCb)[..., 1:].astype(np.int64), 2, 0)
    return float(((cr >= 130) & (cr <= 180) & (cb >= 75) & (cb <= 132)).mean()) >= LEAST_SKIN


def choose_eye(boxes: Sequence[Eye], width: int, height: int) -> Eye | None:
    """Of the boxes that begin in the middle 80 % of the width take the largest, if it is large enough.

    One that is larger than an eye can be is cut to a square around its centre.
    """
    inside = [box for box in boxes if 0.1 * width <= box.x <= 0.9 * width]
    if not inside:
        return None
    eye = max(inside, key=lambda box: box.w * box.h)
    if eye.w * eye.h < (0.04 * min(width, height)) ** 2:
        return None
    if eye.w > 0.15 * width or eye.h > 0.15 * height:
        side = int(0.15 * min(width, height))
        return Eye(eye.x + (eye.w - side) // 2, eye.y + (eye.h - side) // 2, side, side)
    return eye


def _shrink(pixels: Pixels, scale: float) -> Pixels:
    if scale == 1:
        return pixels
    return cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


@cache
def _eye_cascade(name: str) -> Any:
    return cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / name))
