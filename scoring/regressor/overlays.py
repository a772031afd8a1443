"""Pictures that show which patches the machine used, and the score of each. [core]

A region's colour is its own score: the image's score is the mean of them, so this is exactly what drives it. It says
nothing of where in a region the machine looked, and it marks no lesion.
"""

import io
from collections.abc import Sequence
from typing import overload

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from scoring.photograph.decoding import Pixels, turned
from scoring.photograph.patches import Layout, Patch
from scoring.regressor.pipeline import PatchScore, SelfieScore
from scoring.regressor.score_scale import Scale

LONG_SIDE = 1600  # pixels of the picture; a larger photograph is shown smaller
FILL = 0.38  # how much of a region its colour covers
NEUTRAL = (64, 196, 255)  # of a patch without a score
GREY = (150, 150, 150)  # of a patch that was dropped

RGB = tuple[int, int, int]


@overload
def draw(pixels: Pixels, shown: Layout) -> bytes: ...
@overload
def draw(pixels: Pixels, shown: SelfieScore, *, scale: Scale) -> bytes: ...
def draw(pixels: Pixels, shown: Layout | SelfieScore, *, scale: Scale | None = None) -> bytes:
    """Return a PNG of a photograph, turned the right way up, with its patches and, where there are, landmarks.

    Dropped patches are grey. A SelfieScore's regions are filled from green to red by their scores, between the two ends
    of the scale; where the machine abstains it has none to show.
    """
    pixels = turned(pixels, shown.turn)
    shrink = min(1.0, LONG_SIDE / max(pixels.shape[:2]))
    small = cv2.resize(pixels, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    corners = [(patch, corners_of(patch) * shrink) for patch in _told(shown)]
    picture = Image.fromarray(_filled(small, corners, scale))
    pen = ImageDraw.Draw(picture)
    stroke = max(2, max(picture.size) // 500)
    for dropped in shown.dropped:
        pen.rectangle([round(side * shrink) for side in _ordered(dropped.box)], outline=GREY, width=stroke)
    for patch, points in corners:
        pen.polygon([tuple(point) for point in points], outline=colour_of(patch, scale), width=stroke)
        _label(pen, points, _words(patch))
    for x, y in (shown.landmarks or ()) if isinstance(shown, Layout) else ():
        pen.circle((x * shrink, y * shrink), stroke, fill=NEUTRAL)
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=3)
    return file.getvalue()


def _told(shown: Layout | SelfieScore) -> Sequence[Patch | PatchScore]:
    if isinstance(shown, SelfieScore) and shown.abstains:
        return [Patch(patch.region, patch.box, patch.turn) for patch in shown.patches]
    return shown.patches


def corners_of(patch: Patch | PatchScore) -> NDArray[np.float64]:
    """Return the four corners (4, 2) of a patch in pixels of the image, clockwise from its top left."""
    x_min, y_min, x_max, y_max = patch.box
    middle = np.array(((x_min + x_max) / 2, (y_min + y_max) / 2))
    corners = np.array([(x_min, y_min), (x_max, y_min), (x_max, y_max), (x_min, y_max)]) - middle
    sine, cosine = np.sin(np.radians(patch.turn)), np.cos(np.radians(patch.turn))
    turned: NDArray[np.float64] = middle + corners @ np.array([(cosine, sine), (-sine, cosine)])
    return turned


def colour_of(patch: Patch | PatchScore, scale: Scale | None) -> RGB:
    """Green at the lowest grade, yellow in the middle, red at the highest."""
    if scale is None or not isinstance(patch, PatchScore):
        return NEUTRAL
    share = float(scale.clip(patch.score) - scale.lowest) / (scale.highest - scale.lowest)
    return round(255 * min(2 * share, 1.0)), round(210 * min(2 - 2 * share, 1.0)), 40


def _filled(
    pixels: Pixels, corners: list[tuple[Patch | PatchScore, NDArray[np.float64]]], scale: Scale | None
) -> Pixels:
    """Lay each score's colour over its region; two regions that overlap are drawn one after the other."""
    picture = pixels.copy()
    for patch, points in corners:
        if isinstance(patch, PatchScore):
            layer = picture.copy()
            cv2.fillConvexPoly(layer, np.round(points).astype(np.int32), colour_of(patch, scale))
            picture = cv2.addWeighted(layer, FILL, picture, 1 - FILL, 0).astype(np.uint8, copy=False)
    return picture


def _words(patch: Patch | PatchScore) -> str:
    name = patch.region.replace("_", " ")
    return f"{name} {patch.score:.2f}" if isinstance(patch, PatchScore) else name


def _label(pen: ImageDraw.ImageDraw, corners: NDArray[np.float64], words: str) -> None:
    """Write above the patch, as large as its width allows and legible all the same."""
    width = float(np.ptp(corners[:, 0]))
    font = ImageFont.load_default(min(max(15.0, 1.8 * width / len(words)), 30.0))
    place = (max(float(corners[:, 0].min()), 4.0), max(float(corners[:, 1].min()) - 4, 34.0))
    left, top, right, bottom = pen.textbbox(place, words, font=font, anchor="lb")
    pen.rectangle([left - 3, top - 2, right + 3, bottom + 2], fill="black")
    pen.text(place, words, fill="white", font=font, anchor="lb")


def _ordered(box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """A degenerate box may end before it begins; Pillow draws none such."""
    x_min, y_min, x_max, y_max = box
    return min(x_min, x_max), min(y_min, y_max), max(x_min, x_max), max(y_min, y_max)
