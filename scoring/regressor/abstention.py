"""Reasons why the machine gives no score, phrased for the person who holds the phone. [core]

The limits are wide on purpose: they refuse what no dermatologist could grade, and leave the rest to the interval.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scoring.photograph.patches import Layout
from scoring.photograph.quality import Quality
from scoring.regressor.out_of_distribution import Familiarity

BLURRED = -4.0  # log10 of the Laplacian's variance (scoring/photograph/quality.py)
DARK = 0.12  # mean lightness of the face
BRIGHT = 0.93
SMALL = 160  # pixels, the height of the face: its cheeks are then smaller than a lesion needs to show


Code = Literal["no_face", "several_faces", "blurred", "too_dark", "too_bright", "too_small", "unfamiliar"]


@dataclass(frozen=True)
class Reason:
    """A short name for programs and a sentence for people."""

    code: Code
    detail: str


def reasons(
    quality: Quality, layout: Layout, face: NDArray[np.float32], familiarity: Familiarity | None
) -> tuple[Reason, ...]:
    """Return why a selfie should not be scored; nothing if it may. `face` is its mean embedding (2048,)."""
    return tuple(_reasons(quality, layout, face, familiarity))


def _reasons(
    quality: Quality, layout: Layout, face: NDArray[np.float32], familiarity: Familiarity | None
) -> Iterator[Reason]:
    if quality.faces > 1:
        yield Reason("several_faces", f"There are {quality.faces} faces in the photograph. Take one of one face.")
    elif layout.mode == "whole":
        yield Reason("no_face", "No face was found in the photograph. Take one of the whole face, from the front.")
    if quality.sharpness < BLURRED:
        yield Reason("blurred", "The photograph is blurred. Hold the phone still and let it focus on the skin.")
    if quality.exposure < DARK:
        yield Reason("too_dark", "The photograph is too dark. Face a window or a lamp.")
    if quality.exposure > BRIGHT:
        yield Reason("too_bright", "The photograph is overexposed. Turn away from the light.")
    height = _height(quality, layout)
    if height < SMALL:
        yield Reason("too_small", f"The face is {height} pixels high; {SMALL} are needed. Come closer.")
    if familiarity and not familiarity.knows(face):
        yield Reason("unfamiliar", "The photograph is unlike those the machine learnt from, so it can't judge it.")


def _height(quality: Quality, layout: Layout) -> int:
    """Return the height of the face in pixels; where no whole face was found, what it can be at most."""
    if layout.landmarks is None:
        return quality.short_side
    heights = [y for _, y in layout.landmarks]
    return max(heights) - min(heights)
