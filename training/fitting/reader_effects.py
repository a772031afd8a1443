"""Reader effects: how much milder or stricter each reader is, and grades with that removed. [core]

An additive model of image and reader: grade = what the image is + what its reader adds + noise. What an image is, is
told by a machine that was not fitted on it, so readers need no image in common.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FEWEST = 2  # readers, and labels of a reader: fewer have no spread


@dataclass(frozen=True)
class Labels:
    """m grades (m,): of which image, 0 to n - 1, and by which reader, from 0 on."""

    image: NDArray[np.intp]
    reader: NDArray[np.intp]
    grade: Floats


def estimate(labels: Labels, scores: Floats) -> Floats:
    """Return (readers,): what each reader adds, in grades, around 0. Images without a score (NaN) have no say.

    The means of a reader's residuals, shrunk towards 0 as far as they are noise: by s_b^2 / (s_b^2 + s^2 / n_i), with
    the variance between readers s_b^2 by the method of moments (DerSimonian and Laird 1986).
    """
    residuals = labels.grade - scores[labels.image]
    known = np.isfinite(residuals)
    readers = int(labels.reader.max()) + 1
    n = np.bincount(labels.reader[known], minlength=readers)
    residuals, reader = residuals[known] - residuals[known].mean(), labels.reader[known]
    means = np.bincount(reader, residuals, readers) / np.maximum(n, 1)
    if (n >= FEWEST).sum() < FEWEST:
        return np.zeros(readers)
    noise = float(np.sum((residuals - means[reader]) ** 2)) / max(len(residuals) - int((n > 0).sum()), 1)
    weighted = float(n @ means**2)
    spread = max(weighted - ((n > 0).sum() - 1) * noise, 0) / (n.sum() - float(n @ n) / n.sum())
    shrunk: Floats = means * spread / (spread + noise / np.maximum(n, 1)) if spread else np.zeros(readers)
    return shrunk


def without(labels: Labels, effects: Floats, images: int) -> Floats:
    """Return (images,): the mean of each image's grades, each less what its reader adds."""
    corrected = labels.grade - effects[labels.reader]
    total = np.asarray(np.bincount(labels.image, corrected, images), dtype=np.float64)
    return total / np.bincount(labels.image, minlength=images)
