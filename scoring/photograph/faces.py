"""Face detection: which way is up, and dlib's 68 landmarks of each face.

dlib loads on first use, and the landmark model (1.6 s) once per process.
"""

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scoring.photograph.decoding import Pixels, turned
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

# dlib finds about every second face that stands on its head as well, and lays landmarks on it that stand upright: only
# the detector's score tells. Of 49 photographs the upright faces have 1.1 to 3.1, the same on their heads 0.6 at most.
SURE = 1.0  # no other way up is looked at
BETTER = 0.3  # a face found after a turn has so much more than the one found without, or than nothing, which counts 0

Corners = tuple[int, int, int, int]  # left, top, right, bottom, all inside the box as dlib has them

_lock = threading.Lock()  # dlib's detector may not be used by two threads at once


@dataclass(frozen=True)
class Upright:
    """A photograph the right way up."""

    pixels: Pixels
    turn: int  # quarter turns clockwise from the picture that was given to this one: 0 to 3
    faces: list[NDArray[np.int64]]  # the 68 landmarks of each, (68, 2) as x, y in pixels; they may lie outside


def upright(pixels: Pixels, turn: int | None = None) -> Upright:
    """Return the photograph turned by so many quarters, or where that is None, as its face stands, and its faces.

    It stays as it is unless a face is found after a turn that is much better than the best one found without: a face
    that is leaned by up to 45 degrees counts as upright, and of a picture without faces nothing tells what is up.
    Raises weights.WeightsError where the landmark model is missing.
    """
    pixels = np.ascontiguousarray(pixels)  # dlib misreads the strides of a cut-out
    with _lock:
        detector, predictor = _dlib_models()
        boxes, score = _detect(detector, turned(pixels, turn or 0))
        if turn is None and score < SURE:
            turn = _better_turn(detector, pixels, score)
            if turn:
                boxes, _ = _detect(detector, turned(pixels, turn))
        turn = turn or 0
        pixels = turned(pixels, turn)
        return Upright(pixels, turn, [landmarks(predictor, pixels, box) for box in boxes])


def _better_turn(detector: Any, pixels: Pixels, score: float) -> int:
    """Return the turn after which the smallest copy shows a face much better than one of this score, 0 if none does."""
    copy = _copy(pixels, next(_levels(pixels)))
    scores = {turn: max(detector.run(turned(copy, turn), 0)[1], default=0.0) for turn in (2, 1, 3)}
    best = max(scores, key=lambda turn: scores[turn])
    return best if scores[best] > max(score, 0.0) + BETTER else 0


def find_landmarks(pixels: Pixels) -> list[NDArray[np.int64]]:
    """Return the landmarks of every face of a photograph that stands as it is. Raises weights.WeightsError."""
    return upright(pixels, turn=0).faces


def landmarks(predictor: Any, pixels: Pixels, box: Any) -> NDArray[np.int64]:
    """Return the (68, 2) landmarks, in pixels, of the face in a box of dlib's detector."""
    return np.array([(point.x, point.y) for point in predictor(pixels, box).parts()])


def _detect(detector: Any, pixels: Pixels) -> tuple[list[Any], float]:
    """Return dlib rectangles of the full image, of all faces on the smallest copy that shows them well.

    And the best of the detector's scores of them; 0 without a face.
    """
    import dlib

    found: list[Any] = []
    score = 0.0
    for level in _levels(pixels):
        rectangles, scores, _ = detector.run(_copy(pixels, level), 0)
        boxes = [(box.left(), box.top(), box.right(), box.bottom()) for box in rectangles]
        if boxes:
            found, score = [dlib.rectangle(*on_full_image(box, level)) for box in boxes], max(scores)
        # What only the finest level of this copy shows may fit a still finer one better.
        if found and all(_levels_below(box) for box in boxes):
            break
    return found, score


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


@cache
def _dlib_models() -> tuple[Any, Any]:
    import dlib

    path = weight_files.verified(weight_files.LANDMARKS)
    return dlib.get_frontal_face_detector(), dlib.shape_predictor(str(path))
