"""Patch geometry `ms2019`: named patches of a face, cut as the published study cut them.

Pixels, x to the right and y down, boxes (x_min, y_min, x_max, y_max) end-exclusive; "right" is the subject's right.
The landmarks are dlib's 68: brows 17-21 (right) and 22-26, eyes 36-41 (right) and 42-47, mouth 48-60 used here.
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scoring.photograph import eyes
from scoring.photograph.decoding import Pixels
from scoring.photograph.eyes import Eye

Box = tuple[int, int, int, int]
Mode = Literal["landmarks", "one_eye", "whole"]
Landmarks = NDArray[np.int64]

ONE_SIDED = 1.15  # an eye this much wider than the other: the face is turned, and only its cheek is seen
MIN_SIDE = 16  # pixels: a thinner patch is blown up 14 times for the network and holds no texture
EMPTY = "The box is empty."
MAX_ASPECT = 8.0  # squeezed into a square, such a strip (the study saw 372 x 11) no longer looks like skin


@dataclass(frozen=True)
class Patch:
    """A crop, and the region it comes from."""

    region: str
    box: Box
    # Degrees that the box is turned about its centre, clockwise as one sees it. JSON has it where it is turned.
    turn: Annotated[float, Field(exclude_if=operator.not_)] = 0.0

    def crop(self, pixels: Pixels) -> Pixels:
        x_min, y_min, x_max, y_max = self.box
        if not self.turn:
            return pixels[y_min:y_max, x_min:x_max]
        matrix = cv2.getRotationMatrix2D(((x_min + x_max) / 2, (y_min + y_max) / 2), self.turn, 1)
        matrix[:, 2] -= x_min, y_min
        size = (x_max - x_min, y_max - y_min)
        return cv2.warpAffine(pixels, matrix, size, borderMode=cv2.BORDER_REPLICATE).astype(np.uint8, copy=False)


@dataclass(frozen=True)
class Dropped:
    """A patch that is not used, and why."""

    region: str
    box: Box
    reason: str


@dataclass(frozen=True)
class Layout:
    """Where the patches of a selfie are, and how they were found: in pixels of the photograph the right way up."""

    mode: Mode
    patches: tuple[Patch, ...]
    dropped: tuple[Dropped, ...] = ()
    landmarks: tuple[tuple[int, int], ...] | None = None  # the 68 points of landmark mode
    # Quarter turns clockwise from the photograph as it came. JSON has it where it was turned.
    turn: Annotated[int, Field(exclude_if=operator.not_)] = 0


Cut = Callable[[Pixels, Landmarks], tuple[list[Patch], list[Dropped]]]


def cut_ms2019(pixels: Pixels, points: Landmarks) -> tuple[list[Patch], list[Dropped]]:
    """Return the patches of a face that can be used, and the others."""
    height, width = pixels.shape[:2]
    return sift(from_landmarks(points, width, height))


def lay_out(pixels: Pixels, found: Sequence[Landmarks], *, cut: Cut = cut_ms2019) -> Layout:
    """Lay out the patches: by the landmarks of exactly one face, else by one eye, else as the whole image.

    `found` holds the landmarks of every face (faces.upright). A mode that leaves no usable patch gives way to
    the next; what it dropped stays on record.
    """
    height, width = pixels.shape[:2]
    dropped: list[Dropped] = []
    if len(found) == 1:
        used, dropped = cut(pixels, found[0])
        if used:
            points = tuple((int(x), int(y)) for x, y in found[0])
            return Layout("landmarks", tuple(used), tuple(dropped), points)
    eye = eyes.find_eye(pixels)
    if eye:
        used, unusable = sift(from_eye(eye, visible_cheek(pixels, eye), width, height))
        dropped = dropped + unusable
        if used:
            return Layout("one_eye", tuple(used), tuple(dropped))
    return Layout("whole", (Patch("whole", (0, 0, width, height)),), tuple(dropped))


def from_landmarks(points: Landmarks, width: int, height: int) -> list[Patch]:
    """Forehead, chin and one or both cheeks of a face. Boxes are clipped to the image and may be degenerate."""
    x, y = points[:, 0], points[:, 1]
    face_bottom = int(np.clip(y.max(), 0, height))
    face_height = face_bottom - int(np.clip(y.min(), 0, height))
    brow_top = int(y[17:27].min())
    boxes: dict[str, tuple[float, ...]] = {
        "forehead": (x[17:22].min(), brow_top - int(0.3 * face_height), x[22:27].max(), brow_top),
        "chin": (x[36:42].max(), y[48:61].max(), x[42:48].min(), face_bottom),
    }
    cheeks = {"right_cheek": _right_cheek, "left_cheek": _left_cheek}
    boxes |= {region: cheeks[region](points, width, face_bottom) for region in visible_cheeks(points)}
    return [Patch(region, clipped(box, width, height)) for region, box in boxes.items()]


def visible_cheeks(points: Landmarks) -> tuple[str, ...]:
    """Both cheeks, or the one under the wider eye of a turned face."""
    right, left = (int(np.ptp(points[eye, 0])) for eye in (slice(36, 42), slice(42, 48)))
    if right / max(left, 1) >= ONE_SIDED:
        return ("right_cheek",)
    if left / max(right, 1) >= ONE_SIDED:
        return ("left_cheek",)
    return ("right_cheek", "left_cheek")


def _right_cheek(points: Landmarks, width: int, face_bottom: int) -> tuple[float, ...]:
    face_left = np.clip(points[:, 0].min(), 0, width)
    inner = points[41, 0]  # the evaluation's point; the published service used 39
    top, bottom = _cheek_height(points[36:42, 1], face_bottom)
    return int(face_left + 0.1 * (inner - face_left)), top, inner, bottom


def _left_cheek(points: Landmarks, width: int, face_bottom: int) -> tuple[float, ...]:
    face_right = np.clip(points[:, 0].max(), 0, width)
    top, bottom = _cheek_height(points[42:48, 1], face_bottom)
    return points[42, 0], top, int(face_right - 0.05 * (face_right - points[42:48, 0].min())), bottom


def _cheek_height(eye_y: NDArray[np.int64], face_bottom: int) -> tuple[int, int]:
    low = int(eye_y.max())
    return int(low + 0.2 * np.ptp(eye_y)), int(face_bottom - 0.1 * (face_bottom - low))


def visible_cheek(pixels: Pixels, eye: Eye) -> str:
    """Which cheek faces the camera: of the strips left and right below the eye, the noisier is background."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    rows = slice(max(0, eye.y + eye.h), max(0, eye.y + eye.h) + int(1.5 * eye.h))
    beyond = grey[rows, eye.x + eye.w :][:, : int(0.5 * eye.w)]
    before = grey[rows, max(0, int(eye.x - 0.5 * eye.w)) :][:, : int(0.5 * eye.w)]
    return "right_cheek" if _deviation(beyond) > _deviation(before) else "left_cheek"


def _deviation(strip: NDArray[Any]) -> float:
    return float(strip.std()) if strip.size else 0.0


def from_eye(eye: Eye, cheek: str, width: int, height: int) -> list[Patch]:
    """The cheek under a single eye, and the forehead above it where there is enough of one. No chin."""
    x, y, w, h = eye.x, eye.y, eye.w, eye.h
    if cheek == "left_cheek":
        forehead_x, cheek_x = (x, int(x + 1.5 * w)), (int(x + 0.5 * w), int(x + 3.3 * w))
    else:
        forehead_x, cheek_x = (int(x - 1.5 * w), int(x + 1.5 * w)), (int(x - 2.8 * w), int(x + 0.5 * w))
    top, bottom = max(0, int(y - 1.5 * h)), max(0, int(y - 0.5 * h))
    boxes = {cheek: (cheek_x[0], int(y + h), cheek_x[1], int(y + 4.5 * h))}
    if bottom - top >= 0.7 * h:
        boxes = {"forehead": (forehead_x[0], top, forehead_x[1], bottom)} | boxes
    return [Patch(region, clipped(box, width, height)) for region, box in boxes.items()]


def why_unusable(box: Box) -> str | None:
    """Why a patch with this box must be dropped, or None."""
    width, height = box[2] - box[0], box[3] - box[1]
    if width <= 0 or height <= 0:
        return EMPTY
    if min(width, height) < MIN_SIDE:
        return f"{width} x {height} pixels: a side is under {MIN_SIDE}."
    if max(width, height) > MAX_ASPECT * min(width, height):
        return f"{width} x {height} pixels: one side is over {MAX_ASPECT:g} times the other."
    return None


def sift(candidates: Sequence[Patch]) -> tuple[list[Patch], list[Dropped]]:
    """Return the patches whose box can be used, and the others with the reason."""
    reasons = {patch: why_unusable(patch.box) for patch in candidates}
    used = [patch for patch, reason in reasons.items() if reason is None]
    return used, [Dropped(patch.region, patch.box, reason) for patch, reason in reasons.items() if reason]


def clipped(box: tuple[float, ...], width: int, height: int) -> Box:
    x_min, y_min, x_max, y_max = (int(side) for side in box)
    return (
        min(max(x_min, 0), width),
        min(max(y_min, 0), height),
        min(max(x_max, 0), width),
        min(max(y_max, 0), height),
    )
