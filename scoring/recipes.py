"""What a score is made with: geometry, backbone, weights and estimator, stored with every artefact. [core]"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from scoring import weights

# Part of every feature key: raise it when the same recipe would give other embeddings, or files of another kind.
FEATURE_VERSION = 3


@dataclass(frozen=True)
class Recipe:
    """Two recipes that are equal score a selfie alike."""

    name: str
    geometry: str  # how patches are cut
    backbone: str
    backbone_sha256: str  # of its weight file
    estimator: str
    aggregate: str  # how the patches' scores become the image's

    @property
    def feature_key(self) -> str:
        """What embeddings depend on, and only that: recipes that share it share their stored embeddings."""
        parts = [FEATURE_VERSION, self.geometry, weights.LANDMARKS.sha256, self.backbone, self.backbone_sha256]
        digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        return f"{self.geometry}-{self.backbone}-{digest[:16]}"

    def as_json(self) -> dict[str, str]:
        return asdict(self)

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Raises TypeError if a field is missing or unknown."""
        return cls(**fields)


def ms2019(backbone: str = "resnet50") -> Recipe:
    """The published study's recipe on the weights installed here. Raises weights.WeightsError if there are none."""
    return Recipe(
        name="ms2019",
        geometry="ms2019",
        backbone=backbone,
        backbone_sha256=weights.backbone_sha256(backbone),
        estimator="MLPRegressor(1024, 512, 256)",
        aggregate="mean",
    )


def face_ridge(backbone: str = "resnet50") -> Recipe:
    """Our own: a ridge regression on the mean embedding of a face's patches. Raises weights.WeightsError.

    It is linear, so the mean of the patches' scores is the score of their mean embedding.
    """
    return replace(ms2019(backbone), name="face_ridge", estimator="RidgeCV on the mean embedding")


def upright(recipe: Recipe) -> Recipe:
    """The same recipe on our own geometry, scoring/upright.py."""
    return replace(recipe, name=f"{recipe.name} on upright2026", geometry="upright2026")
