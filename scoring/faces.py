"""Finding the face: dlib's 68 landmarks, and one eye where there is no whole face. [core]

dlib loads on first use, and the landmark model (1.6 s) once per process.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from scoring import weights
from scoring.images import Pixels

# (long side in pixels, upsamplings), tried in turn until a face is found. Published: the full image, upsampled once,
# which takes 13 s for 12 megapixels; the landmarks then differ by 0.8 to 1.7 % of the distance between the eyes.
DETECTIONS = ((640, 0), (1000, 1), (1600, 1))
EYE_LONG_SIDE = 1600  # pixels: the smallest eye we accept is then still as large as the cascade's 20 x 20 window

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
        return [_landmarks(predictor, pixels, box) for box in _detect(detector, pixels)]


def find_eye(pixels: Pixels) -> Eye | None:
    """Return the largest acceptable eye that OpenCV's Haar cascade sees."""
    height, width = pixels.shape[:2]
    scale = min(1.0, EYE_LONG_SIDE / max(height, width))
    grey = cv2.cvtColor(_shrink(pixels, scale), cv2.COLOR_RGB2GRAY)
    with _lock:
        found = _eye_cascade().detectMultiScale(grey, scaleFactor=1.1, minNeighbors=5)
    boxes = [Eye(*(round(float(side) / scale) for side in box)) for box in found]
    return choose_eye(boxes, width, height)


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


def _detect(detector: Any, pixels: Pixels) -> list[Any]:
    """Return the boxes of the first detection that finds any, as dlib rectangles of the full image."""
    import dlib

    tried = set()
    for long_side, upsamplings in DETECTIONS:
        scale = min(1.0, long_side / max(pixels.shape[:2]))
        if (scale, upsamplings) in tried:
            continue
        tried.add((scale, upsamplings))
        boxes = detector(_shrink(pixels, scale), upsamplings)
        if boxes:
            corners = [(box.left(), box.top(), box.right(), box.bottom()) for box in boxes]
            return [dlib.rectangle(*(round(corner / scale) for corner in box)) for box in corners]
    return []


def _landmarks(predictor: Any, pixels: Pixels, box: Any) -> NDArray[np.int64]:
    return np.array([(point.x, point.y) for point in predictor(pixels, box).parts()])


def _shrink(pixels: Pixels, scale: float) -> Pixels:
    if scale == 1:
        return pixels
    return cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


@cache
def _dlib_models() -> tuple[Any, Any]:
    import dlib

    path = weights.verified(weights.LANDMARKS)
    return dlib.get_frontal_face_detector(), dlib.shape_predictor(str(path))


@cache
def _eye_cascade() -> Any:
    return cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / "haarcascade_eye.xml"))
