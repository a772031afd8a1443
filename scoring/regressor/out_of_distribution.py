"""Is a face unlike those that a regressor was fitted on? Distance of its mean embedding, and a limit. [core]

Probabilistic principal components (Tipping and Bishop 1999): the directions in which the known faces differ most are
measured by their own spread, all others by one. What is kept are a mean and directions over all faces, nobody's
embedding, so that an artefact holds no face.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Familiarity:
    """mean (2048,), axes (k, 2048) of length 1, variances (k,) along them, noise: the variance along any other."""

    mean: Floats
    axes: Floats
    variances: Floats
    noise: float
    limit: float | None = None  # 99 of 100 known faces are closer; None where there were too few to tell

    def distance(self, face: Floats) -> float:
        """Return how far the mean embedding (2048,) of a face is: about 1 for a face like the known ones."""
        away = face.astype(np.float64) - self.mean
        along = self.axes @ away
        beside = max(float(away @ away - along @ along), 0.0)
        return float(np.sqrt((np.sum(along**2 / self.variances) + beside / self.noise) / len(away)))

    def knows(self, face: Floats) -> bool:
        return self.limit is None or self.distance(face) <= self.limit
