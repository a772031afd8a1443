"""The only road from pixels to a score: the API, the evaluation and the commands all take it. [core]"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from scoring import features, patches
from scoring.images import Pixels, Selfie
from scoring.patches import Box, Dropped, Layout, Mode, Patch
from scoring.recipes import Recipe

# Round half up, so that a score of 1.5 is grade 2: the published cuts are 1.5, 2.5, 3.5, 4.5.
GRADES = (1, 5)
GEOMETRIES = {"ms2019": patches.lay_out}
AGGREGATES = {"mean": np.mean}

Key = tuple[str, int]  # region, and how far its crop was rolled, in pixels
Rolls = Mapping[str, Sequence[int]]
UNROLLED: Rolls = {}


class Estimator(Protocol):
    """Anything fitted that turns (n, 2048) float32 into (n,) grades."""

    def predict(self, rows: NDArray[np.float32], /) -> NDArray[np.floating[Any]]: ...


@dataclass(frozen=True)
class FittedRegressor:
    """An estimator, the recipe it was fitted for, and the row it is stored under (None until it is)."""

    recipe: Recipe
    estimator: Estimator
    id: int | None = None
    grades: tuple[int, int] = GRADES  # lowest and highest of the study's scale


@dataclass(frozen=True)
class Described:
    """A selfie as the regressor sees it: where its patches are, and (2048,) float16 for each."""

    layout: Layout
    embeddings: dict[Key, NDArray[np.float16]]


@dataclass(frozen=True)
class PatchScore:
    """What one patch contributes."""

    region: str
    box: Box
    score: float


@dataclass(frozen=True)
class SelfieScore:
    """The machine's answer about one selfie, and what it looked at."""

    score: float
    grade: int
    patches: tuple[PatchScore, ...]
    dropped: tuple[Dropped, ...]
    mode: Mode
    recipe: str
    regressor_id: int | None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Describe(Protocol):
    """`describe` below, or `feature_store.describe`, which remembers."""

    def __call__(self, selfie: Selfie, recipe: Recipe, *, rolls: Rolls = UNROLLED) -> Described: ...


def describe(selfie: Selfie, recipe: Recipe, *, rolls: Rolls = UNROLLED) -> Described:
    """Lay out the patches and embed each, unrolled and by every further offset `rolls` names for its region.

    Raises images.ImageError and weights.WeightsError.
    """
    layout = GEOMETRIES[recipe.geometry](selfie.pixels)
    return Described(layout, embed(selfie.pixels, layout, keys(layout, rolls), recipe))


def keys(layout: Layout, rolls: Rolls) -> list[Key]:
    """Every embedding wanted of this layout, in order."""
    return [
        (patch.region, offset)
        for patch in layout.patches
        for offset in dict.fromkeys((0, *rolls.get(patch.region, ())))
    ]


def embed(pixels: Pixels, layout: Layout, wanted: Sequence[Key], recipe: Recipe) -> dict[Key, NDArray[np.float16]]:
    """Embed the wanted crops, rounded to float16 as they are stored: a score is the same from either."""
    boxes = {patch.region: patch for patch in layout.patches}
    crops = [rolled(boxes[region], pixels, offset) for region, offset in wanted]
    embeddings = features.embed(crops, recipe.backbone, sha256=recipe.backbone_sha256)  # (n, 2048)
    return dict(zip(wanted, embeddings.astype(np.float16), strict=True))


def rolled(patch: Patch, pixels: Pixels, offset: int) -> Pixels:
    """Cut the patch out and move it circularly: the forehead to the left, every other region up."""
    return np.roll(patch.crop(pixels), -offset, axis=1 if patch.region == "forehead" else 0)


def score_image(selfie: Selfie, regressor: FittedRegressor, *, describe: Describe = describe) -> SelfieScore:
    """Score a selfie: the aggregate (the mean) of its patches' scores.

    Raises images.ImageError and weights.WeightsError.
    """
    described = describe(selfie, regressor.recipe)
    layout = described.layout
    rows = np.stack([described.embeddings[patch.region, 0] for patch in layout.patches])  # (n, 2048)
    scores = [float(score) for score in regressor.estimator.predict(rows.astype(np.float32))]
    score = float(AGGREGATES[regressor.recipe.aggregate](scores))
    return SelfieScore(
        score=score,
        grade=grade_of(score, regressor.grades),
        patches=tuple(_patch_scores(layout.patches, scores)),
        dropped=layout.dropped,
        mode=layout.mode,
        recipe=regressor.recipe.name,
        regressor_id=regressor.id,
    )


def grade_of(score: float, grades: tuple[int, int] = GRADES) -> int:
    """The grade whose half-open interval [grade - 0.5, grade + 0.5) holds the score, within the scale."""
    lowest, highest = grades
    return min(max(math.floor(score + 0.5), lowest), highest)


def _patch_scores(layout: Iterable[Patch], scores: Iterable[float]) -> list[PatchScore]:
    return [PatchScore(patch.region, patch.box, score) for patch, score in zip(layout, scores, strict=True)]
