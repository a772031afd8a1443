"""Face detection: dlib's 68 landmarks, or one eye where no whole face is found.

dlib loads on first use, and the landmark model (1.6 s) once per process.
"""

import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scoring.photograph.decoding import Pixels
from scoring.weights import weight_files

# dlib's detector slides a window of WINDOW pixels over copies of the picture: the first is enlarged to twice its size
# (the published "1 upsampling"), every further level shrinks to 5/6. On 12 megapixels that takes 13 s, nearly all of it
# on levels where a selfie's face is far larger than the window. We begin at the first level whose long side is at most
# this many pixels and go to larger ones until a face is found: 80 pixels of 640 are a face of an eighth of the picture.
# It is the detector's own level, so it finds the same window on it (benchmarks/scoring/detection.py).
LONG_SIDES = (640, 1300, 2600)
WINDOW = 72  # pixels from the first to the last of dlib's window: 9 cells of 8
STEP = 1.2  # from a level to the next larger one
SHIFT = 0.3  # pixels that dlib adds where it maps a point to the next larger level
ENLARGED = (1.25, 0.75, 1.25, 0.75)  # pixels that it takes off left, top, right and bottom on the picture itself
EYE_LONG_SIDE = 1600  # pixels: the smallest eye we accept is then still as large as the cascade's 20 x 20 window
EYE_CASCADES = ("haarcascade_eye.xml", "haarcascade_eye_tree_eyeglasses.xml")  # the second was trained on others
LEAST_SKIN = 0.5  # of an eye's surroundings, the eye itself, lashes and brow among them

Corners = tuple[int, int, int, int]  # left, top, right, bottom, all inside the box as dlib has them

# Neither dlib's detector nor OpenCV's cascade may be used by two threads at once.
_lock = threading.Lock()


@dataclass(frozen=True)
class Eye:
    """An eye's box, in pixels of the full image."""

    x: int
    y: int
    w: int
    h: int


def find_landmarks(pixels: Pixels) -> list[NDArray[np.int64]]:
    """Return dlib's 68 points of every face, each (68, 2) as x, y in full-image pixels; they may lie outside.

    Raises weights.WeightsError where the landmark model is missing.
    """
    pixels = np.ascontiguousarray(pixels)  # dlib misreads the strides of a cut-out
    with _lock:
        detector, predictor = _dlib_models()
        return [landmarks(predictor, pixels, box) for box in _detect(detector, pixels)]


def find_eye(pixels: Pixels) -> Eye | None:
    """Return the largest acceptable eye that two of OpenCV's Haar cascades see, with skin around it.

    None where a face lies on its side or its head: what is above its eye is no forehead.
    """
    height, width = pixels.shape[:2]
    scale = min(1.0, EYE_LONG_SIDE / max(height, width))
    small = _shrink(pixels, scale)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    with _lock:
        first, second = (_eyes(name, grey) for name in EYE_CASCADES)
    agreed = [box for box in first if any(_agree(box, other) for other in second) and _in_skin(box, small)]
    eye = choose_eye(
        [Eye(*(round(side / scale) for side in (box.x, box.y, box.w, box.h))) for box in agreed], width, height
    )
    return None if eye is None or _is_turned(small) else eye


def _eyes(cascade: str, grey: NDArray[Any]) -> list[Eye]:
    found = _eye_cascade(cascade).detectMultiScale(grey, scaleFactor=1.1, minNeighbors=5)
    return [Eye(*(int(side) for side in box)) for box in found]


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


def _is_turned(pixels: Pixels) -> bool:
    """Whether a face is found after a quarter, a half or three quarters of a turn."""
    with _lock:
        detector, _ = _dlib_models()
        turned = (np.ascontiguousarray(np.rot90(pixels, quarters)) for quarters in (2, 1, 3))
        return any(detector(_copy(one, next(_levels(one))), 0) for one in turned)


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


def landmarks(predictor: Any, pixels: Pixels, box: Any) -> NDArray[np.int64]:
    """Return the (68, 2) landmarks, in pixels, of the face in a box of dlib's detector."""
    return np.array([(point.x, point.y) for point in predictor(pixels, box).parts()])


def _detect(detector: Any, pixels: Pixels) -> list[Any]:
    """Return dlib rectangles of the full image, of all faces on the smallest copy that shows them well."""
    import dlib

    found: list[Any] = []
    for level in _levels(pixels):
        boxes = [(box.left(), box.top(), box.right(), box.bottom()) for box in detector(_copy(pixels, level), 0)]
        found = [dlib.rectangle(*on_full_image(box, level)) for box in boxes] or found
        # What only the finest level of this copy shows may fit a still finer one better.
        if found and all(_levels_below(box) for box in boxes):
            break
    return found


def _levels(pixels: Pixels) -> Iterator[int]:
    """Yield the level of each of LONG_SIDES, the smallest copy first; a small picture has fewer."""
    level = None
    for long_side in LONG_SIDES:
        before, level = level, next(n for n in range(99) if max(copy_size(pixels, n)) <= long_side)
        if level != before:
            yield level


def copy_size(pixels: Pixels, level: int) -> tuple[int, int]:
    """Return width and height of a level of dlib's pyramid over the picture enlarged to twice its size."""
    height, width = (2 * side + 1 for side in pixels.shape[:2])
    for _ in range(level):
        height, width = 5 * height // 6, 5 * width // 6
    return width, height


def _copy(pixels: Pixels, level: int) -> Pixels:
    width, height = copy_size(pixels, level)
    if width >= pixels.shape[1]:
        return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
    for whole in (4, 2):  # shrinking by a whole number first takes half the time
        if pixels.shape[1] >= 1.5 * whole * width:
            size = (pixels.shape[1] // whole, pixels.shape[0] // whole)
            inside = pixels[: size[1] * whole, : size[0] * whole]
            pixels = cv2.resize(inside, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
            break
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def on_full_image(box: Corners, level: int) -> list[int]:
    """Map a box (left, top, right, bottom) that dlib found on this level to the one it finds on the full image.

    dlib rounds a window to pixels where it reports it. So we take the box back to its window, which is whole pixels on
    the level where it was found, and from there up as dlib would have done.
    """
    below = _levels_below(box)
    return [
        _round(_round(_raise(_round(_lower(side, below)), below + level)) / 2 - shift)
        for side, shift in zip(box, ENLARGED, strict=True)
    ]


def _levels_below(box: Corners) -> int:
    """How many levels below the copy it was looked at on the window of a box fitted."""
    return round(math.log((box[2] - box[0]) / WINDOW, STEP))


def _lower(side: float, levels: int) -> float:
    for _ in range(levels):
        side = (side - SHIFT) / STEP
    return side


def _raise(side: float, levels: int) -> float:
    for _ in range(levels):
        side = side * STEP + SHIFT
    return side


def _round(side: float) -> int:
    """Round half up, as dlib does."""
    return math.floor(side + 0.5)


def _shrink(pixels: Pixels, scale: float) -> Pixels:
    if scale == 1:
        return pixels
    return cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


@cache
def _dlib_models() -> tuple[Any, Any]:
    import dlib

    path = weight_files.verified(weight_files.LANDMARKS)
    return dlib.get_frontal_face_detector(), dlib.shape_predictor(str(path))


@cache
def _eye_cascade(name: str) -> Any:
    return cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / name))
