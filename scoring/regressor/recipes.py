"""The registry of recipes: what a selfie is scored with, and what is fitted for it. [core]

A recipe is added by one entry in REGISTRY. An estimator of a new kind is one more class here, and a case in
training/fitting/estimators.py, which mypy asks for.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, assert_never

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, TypeAdapter

from scoring.weights import weight_files

# Part of every feature key: raise it when the same recipe would give other embeddings, or files of another kind.
FEATURE_VERSION = 4


class Geometry(StrEnum):
    """How patches are cut."""

    MS2019 = "ms2019"  # scoring/photograph/patches.py
    UPRIGHT2026 = "upright2026"  # scoring/photograph/upright_patches.py


class Pooling(StrEnum):
    """How the embeddings of a face's patches become one row, for an estimator that sees the face as a whole."""

    MEAN = "mean embedding"
    # Halves the logarithm of every activation: a few large ones would otherwise decide how alike two faces are.
    ROOT = "root of the mean embedding"

    def pool(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, d) embeddings of a face's patches to (d,)."""
        mean: NDArray[np.float32] = rows.mean(axis=0)
        match self:
            case Pooling.MEAN:
                return mean
            case Pooling.ROOT:
                return np.sqrt(mean)
            case _:
                assert_never(self)


@dataclass(frozen=True)
class Ridge:
    """Ridge regression."""

    kind: Literal["ridge"] = "ridge"


@dataclass(frozen=True)
class StretchedRidge:
    """Ridge regression whose scores are stretched as the grades of left-out faces ask for."""

    kind: Literal["stretched ridge"] = "stretched ridge"


@dataclass(frozen=True)
class ReaderRidge:
    """Ridge regression on grades without what their readers add."""

    kind: Literal["ridge without readers' effects"] = "ridge without readers' effects"


@dataclass(frozen=True)
class KernelRidge:
    """Ridge regression with a Gaussian kernel."""

    kind: Literal["kernel ridge"] = "kernel ridge"


@dataclass(frozen=True)
class GaussianProcess:
    """A Gaussian process with a linear and a Gaussian kernel; the most probable of `shares` is taken."""

    shares: tuple[float, ...] = (0.0, 0.5, 2.0)  # of the Gaussian kernel's variance, beside a linear one's of 1
    kind: Literal["Gaussian process"] = "Gaussian process"


@dataclass(frozen=True)
class Blend:
    """The mean of other regressions."""

    of: tuple[Annotated[Ridge | KernelRidge | GaussianProcess, Field(discriminator="kind")], ...]
    kind: Literal["blend"] = "blend"


Regression = Ridge | StretchedRidge | ReaderRidge | KernelRidge | GaussianProcess | Blend


@dataclass(frozen=True)
class OnPatches:
    """A multilayer perceptron, fitted on patches: a face's score is the mean of its patches' scores."""

    layers: tuple[int, ...]
    sees: Literal["patches"] = "patches"


@dataclass(frozen=True)
class OnFaces:
    """A regression on one row per face."""

    pooling: Pooling
    regression: Annotated[Regression, Field(discriminator="kind")]
    sees: Literal["faces"] = "faces"


Estimator = OnPatches | OnFaces


@dataclass(frozen=True)
class Recipe:
    """What a score is made with, stored with every artefact. Two recipes that are equal score a selfie alike."""

    name: str
    about: str  # the estimator in words, for people
    geometry: Geometry
    backbone: str
    backbone_sha256: str  # of its weight file
    estimator: Annotated[Estimator, Field(discriminator="sees")]

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    @property
    def feature_key(self) -> str:
        """What embeddings depend on, and only that: recipes that share it share their stored embeddings."""
        parts = [FEATURE_VERSION, self.geometry, weight_files.LANDMARKS.sha256, self.backbone, self.backbone_sha256]
        digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        return f"{self.geometry}-{self.backbone}-{digest[:16]}"

    @property
    def pooling(self) -> Pooling | None:
        """How a face's patches become one row; None where each patch is scored for itself."""
        return self.estimator.pooling if isinstance(self.estimator, OnFaces) else None

    def as_json(self) -> dict[str, Any]:
        fields: dict[str, Any] = _JSON.dump_python(self, mode="json")
        return fields

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Recipe":
        """Raises ValueError if a field is missing or unknown, or of an estimator that this version does not know."""
        return _JSON.validate_python(dict(fields))


_JSON = TypeAdapter(Recipe)


@dataclass(frozen=True)
class RegistryEntry:
    """A recipe, whatever the backbone. All entries share the published geometry: a run embeds each image once."""

    name: str
    about: str
    estimator: Estimator

    def on(self, backbone: str) -> Recipe:
        """Return the recipe on the weights installed here. Raises weights.WeightsError if there are none."""
        sha256 = weight_files.backbone_sha256(backbone)
        return Recipe(self.name, self.about, Geometry.MS2019, backbone, sha256, self.estimator)


# The published study's. It is the only one on patches: they are rolled first, so that fitting it takes hours.
MS2019 = RegistryEntry("ms2019", "MLPRegressor(1024, 512, 256)", OnPatches((1024, 512, 256)))
# In order of preference: of two recipes that do equally well the first is taken.
REGISTRY = (
    RegistryEntry("face_ridge", "ridge regression on the mean", OnFaces(Pooling.MEAN, Ridge())),
    RegistryEntry("face_root", "ridge regression on the root of the mean", OnFaces(Pooling.ROOT, Ridge())),
    RegistryEntry(
        "face_calibrated", "face_root, stretched as left-out faces ask for", OnFaces(Pooling.ROOT, StretchedRidge())
    ),
    RegistryEntry(
        "face_readers", "face_root on grades without what their readers add", OnFaces(Pooling.ROOT, ReaderRidge())
    ),
    RegistryEntry("face_kernel", "kernel ridge regression, Gaussian kernel", OnFaces(Pooling.ROOT, KernelRidge())),
    RegistryEntry(
        "face_gaussian", "Gaussian process, linear and Gaussian kernel", OnFaces(Pooling.ROOT, GaussianProcess())
    ),
    RegistryEntry(
        "face_blend",
        "mean of face_root, face_kernel and face_gaussian",
        OnFaces(Pooling.ROOT, Blend((Ridge(), KernelRidge(), GaussianProcess()))),
    ),
    MS2019,
)


def ms2019(backbone: str = "resnet50") -> Recipe:
    """Return the published study's recipe. Raises weights.WeightsError."""
    return MS2019.on(backbone)


def faces(backbone: str = "resnet50") -> dict[str, Recipe]:
    """Return by name the recipes that see a face as a whole. Raises weights.WeightsError."""
    return {entry.name: entry.on(backbone) for entry in REGISTRY if isinstance(entry.estimator, OnFaces)}


def upright(recipe: Recipe) -> Recipe:
    """Return the same recipe on our own geometry, scoring/photograph/upright_patches.py."""
    return replace(recipe, name=f"{recipe.name} on upright2026", geometry=Geometry.UPRIGHT2026)
