"""From pixels to a score: the one function that API, evaluation and commands call. [core]"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, assert_never

import numpy as np
from numpy.typing import NDArray

from scoring.network import embedder
from scoring.photograph import decoding_slots, faces, patches, quality, upright_patches
from scoring.photograph.decoding import Pixels, Selfie, turned
from scoring.photograph.patches import Box, Dropped, Landmarks, Layout, Mode, Patch
from scoring.photograph.quality import Quality
from scoring.regressor import abstention
from scoring.regressor.abstention import Reason
from scoring.regressor.out_of_distribution import Familiarity
from scoring.regressor.recipes import Geometry, Recipe
from scoring.regressor.score_scale import Scale

LayOut = Callable[[Pixels, Sequence[Landmarks]], Layout]


class Variant(NamedTuple):
    """How a crop is changed before it is embedded: mirrored left to right, then moved circularly by some pixels."""

    roll: int = 0
    flipped: bool = False


PLAIN = Variant()
Key = tuple[str, Variant]  # the region, and how its crop was changed
Variants = Mapping[str, Sequence[Variant]]
UNCHANGED: Variants = {}
Crops = Mapping[Key, Pixels]


class Predictor(Protocol):
    """Anything fitted that turns (n, 2048) float32 into (n,) grades: see scoring/regressor/heads.py."""

    def predict(self, rows: NDArray[np.float32], /) -> NDArray[np.floating[Any]]: ...

    def arrays(self) -> dict[str, NDArray[Any]]: ...


@dataclass(frozen=True)
class FittedRegressor:
    """What a recipe's fit gave, the scale it was fitted on, and the row it is stored under (None until it is)."""

    recipe: Recipe
    predictor: Predictor
    scale: Scale  # of the study
    id: int | None = None
    # What an app is told beside the score, where there were enough images to learn it from (docs/science/scoring.md).
    half_width: float | None = None  # of the conformal interval, in grades
    familiarity: Familiarity | None = None


@dataclass(frozen=True)
class Described:
    """A selfie as the regressor sees it: where its patches are, (2048,) float16 for each, and how good it is."""

    layout: Layout
    quality: Quality
    embeddings: dict[Key, NDArray[np.float16]]

    def rows(self) -> NDArray[np.float32]:
        """Return the embeddings of the patches as they are: (n, 2048)."""
        rows = [self.embeddings[patch.region, PLAIN] for patch in self.layout.patches]
        return np.stack(rows).astype(np.float32)

    def missing(self, variants: Variants) -> list[Key]:
        """Return what is wanted of this selfie and not embedded yet, in order."""
        return [key for key in keys(self.layout, variants) if key not in self.embeddings]


@dataclass(frozen=True)
class PatchScore:
    """What one patch contributes."""

    region: str
    box: Box
    score: float
    turn: float = 0.0  # degrees, as in patches.Patch


@dataclass(frozen=True)
class SelfieScore:
    """The machine's answer about one selfie, what it looked at, and why it would rather not say.

    The numbers are there whatever the reasons to abstain: the evaluation on golden images scores every image. What an
    app is told is `scoring.service.score_json.SelfieScoreOut`.
    """

    score: float
    grade: int
    interval: tuple[float, float] | None  # of 90 % conformal coverage; None where too few images were there to tell
    patches: tuple[PatchScore, ...]
    dropped: tuple[Dropped, ...]
    mode: Mode
    turn: int  # quarter turns clockwise from the photograph as it came to the one in whose pixels boxes are
    face: Box | None  # around its landmarks, where there is exactly one; it may reach beyond the picture
    quality: Quality
    reasons: tuple[Reason, ...]  # to abstain
    recipe: str
    regressor_id: int | None

    @property
    def abstains(self) -> bool:
        return bool(self.reasons)


class Describe(Protocol):
    """`describe` below, or `feature_store.describe`, which remembers."""

    def __call__(self, selfie: Selfie, recipe: Recipe, *, variants: Variants = UNCHANGED) -> Described: ...


def describe(selfie: Selfie, recipe: Recipe, *, variants: Variants = UNCHANGED) -> Described:
    """Lay out the patches and embed each, as it is and by every further variant of its region.

    Raises images.ImageError and weights.WeightsError.
    """
    layout, measured = look(selfie.pixels, recipe, selfie.turn)
    (embeddings,) = embed([cut(selfie.pixels, layout, keys(layout, variants))], recipe)
    return Described(layout, measured, embeddings)


def look(pixels: Pixels, recipe: Recipe, turn: int | None = None) -> tuple[Layout, Quality]:
    """Find the faces once, for what is up unless that is known, for the patches and for the photograph's quality.

    Raises weights.WeightsError.
    """
    found = faces.upright(pixels, turn)
    layout = lay_out(recipe.geometry)(found.pixels, found.faces)
    return replace(layout, turn=found.turn), quality.measure(found.pixels, found.faces)


def lay_out(geometry: Geometry) -> LayOut:
    """Return what cuts a photograph into patches by this geometry."""
    match geometry:
        case Geometry.MS2019:
            return patches.lay_out
        case Geometry.UPRIGHT2026:
            return upright_patches.lay_out
        case _:
            assert_never(geometry)


def keys(layout: Layout, variants: Variants) -> list[Key]:
    """Every embedding wanted of this layout, in order."""
    return [
        (patch.region, variant)
        for patch in layout.patches
        for variant in dict.fromkeys((PLAIN, *variants.get(patch.region, ())))
    ]


def cut(pixels: Pixels, layout: Layout, wanted: Sequence[Key]) -> Crops:
    """Cut the wanted crops out of a photograph as it came, each as small as the network sees it."""
    pixels = turned(pixels, layout.turn)
    boxes = {patch.region: patch for patch in layout.patches}
    return {(region, how): embedder.resize(changed(boxes[region], pixels, how)) for region, how in wanted}


def embed(crops: Sequence[Crops], recipe: Recipe) -> list[dict[Key, NDArray[np.float16]]]:
    """Embed the crops of any number of selfies in common batches.

    They are rounded to float16 as they are stored: a score is the same from either.
    """
    together = [crop for one in crops for crop in one.values()]
    embeddings = iter(embedder.embed(together, recipe.backbone, sha256=recipe.backbone_sha256).astype(np.float16))
    return [{key: next(embeddings) for key in one} for one in crops]


def changed(patch: Patch, pixels: Pixels, how: Variant) -> Pixels:
    """Cut the patch out, mirror it and move it circularly: the forehead to the left, every other region up."""
    crop = patch.crop(pixels)
    return np.roll(crop[:, ::-1] if how.flipped else crop, -how.roll, axis=1 if patch.region == "forehead" else 0)


def score_image(selfie: Selfie, regressor: FittedRegressor, *, describe: Describe = describe) -> SelfieScore:
    """Score a selfie by its patches. Raises images.ImageError and weights.WeightsError."""
    with decoding_slots.take():
        described = describe(selfie, regressor.recipe)
    layout, rows = described.layout, described.rows()
    score, scores = score_rows(rows, regressor)
    return SelfieScore(
        score=score,
        grade=int(regressor.scale.grades_of(score)),
        interval=interval_of(score, regressor),
        patches=tuple(_patch_scores(layout.patches, scores)),
        dropped=layout.dropped,
        mode=layout.mode,
        turn=layout.turn,
        face=face_of(layout),
        quality=described.quality,
        reasons=abstention.reasons(described.quality, layout, rows.mean(axis=0), regressor.familiarity),
        recipe=regressor.recipe.name,
        regressor_id=regressor.id,
    )


def score_rows(rows: NDArray[np.float32], regressor: FittedRegressor) -> tuple[float, list[float]]:
    """Return a face's score and each patch's, from the embeddings of its patches (n, 2048).

    Either the face's is the mean of the patches', or, where the face is judged as a whole, a patch's is what a face of
    such patches alone would get.
    """
    predict = regressor.predictor.predict
    pooling = regressor.recipe.pooling
    if pooling is None:
        scores = predict(rows).tolist()
        return float(np.mean(scores)), scores
    alone = predict(np.stack([pooling.pool(row[None]) for row in rows]))
    return float(predict(pooling.pool(rows)[None])[0]), alone.tolist()


def face_of(layout: Layout) -> Box | None:
    if layout.landmarks is None:
        return None
    columns, rows = zip(*layout.landmarks, strict=True)
    return int(min(columns)), int(min(rows)), int(max(columns)), int(max(rows))


def interval_of(score: float, regressor: FittedRegressor) -> tuple[float, float] | None:
    """The score and as much on either side as nine in ten grades of validation images were off, within the scale."""
    if regressor.half_width is None:
        return None
    low, high = regressor.scale.clip([score - regressor.half_width, score + regressor.half_width])
    return float(low), float(high)


def _patch_scores(layout: Iterable[Patch], scores: Iterable[float]) -> list[PatchScore]:
    return [PatchScore(patch.region, patch.box, score, patch.turn) for patch, score in zip(layout, scores, strict=True)]
