"""Which golden images have enough grades for numbers that need several readers. [core]

In the published form an image that one reader graded alone has error 0, and one of three grades shrinks it by a third:
a study that is still being read would show a bar far below its own at the end.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.statistics.intervals import FEWEST_TO_SHOW, Floats

READER_SHARE = 0.5  # of the golden images: a reader who has graded fewer sets no bar
GRADE_SHARE = 0.75  # of those readers: at most a sixth is missing of what the published form is when all are done
FEWEST_READERS = 2
IMAGE_SHARE = 0.25  # of the golden images: of fewer, the largest of many RMSEs is luck


@dataclass(frozen=True)
class EnoughGrades:
    """On how many golden images numbers of several readers rest; on none as long as these are too few."""

    images: int
    drawn: int
    readers: int  # who have graded half of the golden images
    grades_needed: int  # of theirs, that an image must have
    sentence: str


def who_count(grades: Floats, drawn: int) -> NDArray[np.bool_]:
    """Return (n,): which readers have graded enough of the golden images to set a bar."""
    given = np.isfinite(grades).sum(axis=1)
    counts: NDArray[np.bool_] = (given > 0) & (given >= READER_SHARE * drawn)
    return counts


def fewest_images(drawn: int) -> int:
    """Return on how many golden images numbers of several readers must rest, of so many that were drawn."""
    return min(max(FEWEST_TO_SHOW, int(np.ceil(IMAGE_SHARE * drawn))), int(np.ceil(drawn / 2)))


def of_panel(grades: Floats, drawn: int, kind: str = "golden") -> tuple[EnoughGrades, NDArray[np.bool_]]:
    """Return what (n, N) grades allow, NaN for none, and (N,): the images that count, of `drawn` golden ones.

    A table of labels that names no golden images has others to compare on, whose `kind` its sentence says.
    """
    counts = who_count(grades, drawn)
    readers = int(counts.sum())
    needed = max(FEWEST_READERS, int(np.ceil(GRADE_SHARE * readers)))
    has_enough = np.isfinite(grades[counts]).sum(axis=0) >= needed
    images, fewest = int(has_enough.sum()), fewest_images(drawn)
    nothing = "so numbers that need several readers are not shown yet."
    if readers < FEWEST_READERS:
        said = f"Fewer than {FEWEST_READERS} readers have graded half of the {drawn} {kind} images, {nothing}"
    elif images < fewest:
        said = (
            f"{images} of {drawn} {kind} images have {needed} grades, three in four of those by the {readers} readers "
            f"who have done half; {fewest} images are needed, {nothing}"
        )
    else:
        said = (
            f"Numbers of several readers rest on the {images} of {drawn} {kind} images with at least {needed} grades."
        )
        return EnoughGrades(images, drawn, readers, needed, said), has_enough
    return EnoughGrades(0, drawn, readers, needed, said), np.zeros(grades.shape[1], dtype=bool)


def only(grades: Floats, has_enough: NDArray[np.bool_]) -> Floats:
    """Return (n, N) grades with NaN on the images that have too few."""
    kept: Floats = np.where(has_enough, grades, np.nan)
    return kept
