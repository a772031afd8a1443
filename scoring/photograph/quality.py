"""Quality of a photograph: exposure, contrast, sharpness, resolution, faces."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from scoring.photograph.decoding import Pixels

# Sharpness is measured at one scale, so that a large photograph is not called blurred: a face this high in pixels,
# or a whole picture where no face was found. Nothing is enlarged: a face of fewer pixels is less sharp.
FACE_HEIGHT = 400
PICTURE_HEIGHT = 800
FAINTEST = 1e-8  # a variance of lightness (0 to 1) below this is a plain surface


@dataclass(frozen=True)
class Quality:
    """What can be measured of one photograph. Lightness runs from 0 (black) to 1 (white), on the face if there is one.

    `sharpness` is log10 of the variance of the Laplacian of lightness (Pech-Pacheco et al. 2000), about -5 for a
    blurred face and -2 for a crisp one.
    """

    exposure: float  # mean lightness
    contrast: float  # standard deviation of lightness
    sharpness: float
    short_side: int  # pixels
    faces: int
    face_size: float  # height of the largest face as a share of the picture's; 0 without one


def measure(pixels: Pixels, faces: Sequence[NDArray[np.int64]]) -> Quality:
    """Measure (height, width, 3) sRGB; `faces` are the landmarks of `scoring.photograph.faces.find_landmarks`."""
    face = largest(faces)
    region = pixels if face is None else _cut(pixels, face)
    lightness = _lightness(region, PICTURE_HEIGHT if face is None else FACE_HEIGHT)
    variance = float(cv2.Laplacian(lightness, cv2.CV_32F).var())
    return Quality(
        exposure=float(lightness.mean()),
        contrast=float(lightness.std()),
        sharpness=float(np.log10(max(variance, FAINTEST))),
        short_side=min(pixels.shape[:2]),
        faces=len(faces),
        face_size=0.0 if face is None else float(np.ptp(face[:, 1]) / pixels.shape[0]),
    )


def largest(faces: Sequence[NDArray[np.int64]]) -> NDArray[np.int64] | None:
    """Return the landmarks (68, 2) of the highest face."""
    return max(faces, key=lambda points: int(np.ptp(points[:, 1])), default=None)


def _cut(pixels: Pixels, face: NDArray[np.int64]) -> Pixels:
    """Return the box of a face; landmarks may lie outside the picture."""
    height, width = pixels.shape[:2]
    left, top = np.clip(face.min(axis=0), 0, (width - 2, height - 2))
    right, bottom = np.clip(face.max(axis=0), (left + 2, top + 2), (width, height))
    return pixels[top:bottom, left:right]


def _lightness(pixels: Pixels, height: int) -> NDArray[np.float32]:
    grey = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)
    scale = height / grey.shape[0]
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return (grey / 255).astype(np.float32)
