"""Patch geometry `upright2026`, our own: patches of skin along the line between the eyes.

What it mends in `ms2019`, whose boxes stand upright whatever the head does: the cheeks are mirror images of each other
and end before the jaw and above the beard; the forehead stays between the brows' ends and below the hair; a patch that
is mostly hair, beard, glasses or background is dropped. Lengths are shares of the distance between the eyes' centres.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from scoring.photograph import patches
from scoring.photograph.decoding import Pixels
from scoring.photograph.patches import Dropped, Landmarks, Layout, Patch

GAP = 0.08  # kept between a patch and brow, nose or lip
BELOW_EYE = 0.18  # lashes and the shadow under the eye
BESIDE_JAW = 0.12  # what the landmarks of the jaw may be off, and where the skin is seen at a slant
FOREHEAD = 0.55  # height of the forehead; the hair is cut off from above
MOST_OUTSIDE = 0.15  # of a patch: more beyond the photograph's edge, and it is dropped

# A pixel is skin if it is near the bridge of this face's own nose in CIELAB.
LIGHTNESS, COLOUR = 34.0, 17.0  # farthest apart, of 0..100 and in the a-b plane; acne and shadow are well inside
LEAST_SKIN = 0.6  # of a patch
ROW_OF_SKIN = 0.8  # of a row of the forehead, about: hair comes in from both sides of the brow first
REDDER = 0.5  # redness beyond that of the nose counts by half: acne must not be taken for something else than skin
SIDE = 48  # pixels: a patch is looked at in this size

Floats = NDArray[np.float64]


def lay_out(pixels: Pixels, found: Sequence[Landmarks]) -> Layout:
    """`patches.lay_out` with the patches of this geometry; without one face it is the same as `ms2019`."""
    return patches.lay_out(pixels, found, cut=cut)


def cut(pixels: Pixels, points: Landmarks) -> tuple[list[Patch], list[Dropped]]:
    """Return the patches of a face that show its skin, and the others with the reason."""
    height, width = pixels.shape[:2]
    frame = Frame(points)
    skin = _bridge_of_nose(pixels, frame)
    used, dropped = [], []
    for region, whole in regions(frame).items():
        box = _below_hair(whole, frame, pixels, skin) if region == "forehead" else whole
        patch = frame.patch(region, box, width, height)
        reason = _why_not(patch, frame.outside(box, width, height)) or _why_no_skin(patch.crop(pixels), skin)
        if reason:
            dropped.append(Dropped(region, patch.box, reason))
        else:
            used.append(patch)
    return used, dropped


class Frame:
    """Coordinates of a face: the middle between the eyes is 0, the distance between them 1, x along their line."""

    def __init__(self, points: Landmarks) -> None:
        right, left = points[36:42].mean(axis=0), points[42:48].mean(axis=0)
        across = left - right
        self.unit = max(float(np.hypot(*across)), 1.0)  # pixels
        self.turn = float(np.degrees(np.arctan2(across[1], across[0])))
        self.origin = (right + left) / 2
        x, y = across / self.unit
        self.axes = np.array([(x, y), (-y, x)])  # rows: rightwards and downwards on the face, in pixels of the image
        self.points: Floats = (points - self.origin) @ self.axes.T / self.unit  # (68, 2)
        self.cheeks = patches.visible_cheeks(np.round(self.points * self.unit).astype(np.int64))

    def patch(self, region: str, box: Floats, width: int, height: int) -> Patch:
        """Return the patch of a box (x_min, y_min, x_max, y_max) of this frame."""
        half = (box[2:] - box[:2]) / 2 * self.unit
        middle = self._on_image((box[:2] + box[2:]) / 2)
        return Patch(region, patches.clipped((*(middle - half), *(middle + half)), width, height), round(self.turn, 2))

    def outside(self, box: Floats, width: int, height: int) -> float:
        """Return the share of a box that lies beyond the photograph's edge."""
        x, y = np.meshgrid(np.linspace(box[0], box[2], 21), np.linspace(box[1], box[3], 21))
        places = self._on_image(np.stack([x.ravel(), y.ravel()], axis=1))
        return float(1 - np.mean(((places >= 0) & (places <= (width, height))).all(axis=1)))

    def _on_image(self, places: Floats) -> Floats:
        on_image: Floats = self.origin + places * self.unit @ self.axes
        return on_image


def regions(frame: Frame) -> dict[str, Floats]:
    """Return region -> box in the face's frame; both cheeks, or the one under the wider eye of a turned face."""
    x, y = frame.points.T
    brow = y[17:27].min() - GAP
    boxes = {
        "forehead": (x[18], brow - FOREHEAD, x[25], brow),
        "chin": (x[48], y[48:61].max() + GAP, x[54], y[8] - GAP),
    }
    top, bottom = max(y[36:48]) + BELOW_EYE, min(y[48], y[54])
    for region in frame.cheeks:
        boxes[region] = _cheek(frame.points, region, top, bottom)
    return {region: np.array(box) for region, box in boxes.items()}


def _cheek(points: Floats, region: str, top: float, bottom: float) -> tuple[float, float, float, float]:
    """From the nose's wing to where the jaw is nearest; top and bottom are the same for both cheeks."""
    side = -1 if region == "right_cheek" else 1
    jaw = points[:9] if side < 0 else points[16:7:-1]  # from the ear down to the chin
    outer = np.interp([top, bottom], jaw[:, 1], jaw[:, 0] * side).min() - BESIDE_JAW
    inner = max(points[31:36, 0] * side) + GAP
    return (inner, top, outer, bottom) if side > 0 else (-outer, top, -inner, bottom)


def _why_not(patch: Patch, outside: float) -> str | None:
    if outside > MOST_OUTSIDE:
        return f"{outside:.0%} of it lies beyond the edge of the photograph."
    return patches.why_unusable(patch.box)


def _why_no_skin(crop: Pixels, skin: Floats) -> str | None:
    share = float(_skin_like(crop, skin).mean())
    return f"Only {share:.0%} of it looks like this face's skin." if share < LEAST_SKIN else None


def _below_hair(forehead: Floats, frame: Frame, pixels: Pixels, skin: Floats) -> Floats:
    """Cut the forehead off at the row above which there is most hair and below which most skin."""
    patch = frame.patch("forehead", forehead, pixels.shape[1], pixels.shape[0])
    if patches.why_unusable(patch.box):
        return forehead
    gain = _skin_like(patch.crop(pixels), skin).mean(axis=1) - ROW_OF_SKIN  # a single row of lesions decides nothing
    rows = SIDE - 1 - int(np.argmax(np.cumsum(gain[::-1])))
    left, top, right, bottom = forehead
    return np.array((left, top + (bottom - top) * rows / SIDE, right, bottom))


def _bridge_of_nose(pixels: Pixels, frame: Frame) -> Floats:
    """Return the CIELAB colour of the skin that neither hair nor beard covers."""
    (_, top), (x, bottom) = frame.points[27], frame.points[30]
    box = np.array((x - 0.08, top, x + 0.08, bottom))
    patch = frame.patch("nose", box, pixels.shape[1], pixels.shape[0])
    if patches.why_unusable(patch.box) == patches.EMPTY:
        return np.full(3, np.nan)  # nothing is like it: every patch is dropped
    return np.median(_lab(patch.crop(pixels)).reshape(-1, 3), axis=0)


def _skin_like(crop: Pixels, skin: Floats) -> NDArray[np.bool_]:
    """Return which of SIDE x SIDE places have the colour of this face's skin."""
    lightness, redness, yellowness = np.moveaxis(_lab(crop) - skin, 2, 0)
    redness = np.where(redness > 0, redness * REDDER, redness)
    alike: NDArray[np.bool_] = (np.abs(lightness) < LIGHTNESS) & (np.hypot(redness, yellowness) < COLOUR)
    return alike


def _lab(crop: Pixels) -> Floats:
    small = cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB).astype(np.float64)
