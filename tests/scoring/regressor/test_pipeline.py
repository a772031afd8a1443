"""One road from pixels to a score."""

from dataclasses import replace

import numpy as np
import pytest

from scoring.photograph.decoding import Selfie
from scoring.photograph.patches import Dropped, Layout, Patch
from scoring.photograph.quality import Quality
from scoring.regressor import pipeline, recipes
from scoring.regressor.heads import Network
from scoring.regressor.pipeline import PLAIN, UNCHANGED, Described, FittedRegressor, Variant, Variants
from scoring.regressor.recipes import Geometry, OnFaces, Pooling, Recipe, Ridge
from scoring.regressor.score_scale import Scale
from tests.scoring.builders import make_fitted, make_selfie

LAYOUT = Layout(
    "landmarks",
    (Patch("forehead", (0, 0, 40, 20)), Patch("chin", (0, 20, 40, 60))),
    (Dropped("left_cheek", (5, 5, 9, 50), "4 x 45 pixels: a side is under 16."),),
)
GOOD = Quality(exposure=0.5, contrast=0.2, sharpness=-3.0, short_side=900, faces=1, face_size=0.5)


def describe_by_hand(selfie: Selfie, recipe: Recipe, *, variants: Variants = UNCHANGED) -> Described:
    rng = np.random.default_rng(3)
    return Described(
        LAYOUT, GOOD, {(p.region, PLAIN): rng.normal(size=2048).astype(np.float16) for p in LAYOUT.patches}
    )


def test_the_score_is_the_mean_of_the_patches_scores() -> None:
    regressor = replace(make_fitted(), id=7)
    result = pipeline.score_image(make_selfie(), regressor, describe=describe_by_hand)
    described = describe_by_hand(make_selfie(), regressor.recipe)
    expected = [
        float(regressor.predictor.predict(described.embeddings[region, PLAIN].astype(np.float32)[np.newaxis])[0])
        for region in ("forehead", "chin")
    ]
    assert [patch.score for patch in result.patches] == pytest.approx(expected, abs=1e-5)
    assert result.score == pytest.approx(np.mean(expected), abs=1e-5)
    assert [(patch.region, patch.box) for patch in result.patches] == [(p.region, p.box) for p in LAYOUT.patches]


def test_the_answer_says_what_it_looked_at_and_with_what() -> None:
    result = pipeline.score_image(make_selfie(), replace(make_fitted(), id=7), describe=describe_by_hand)
    assert result.mode == "landmarks"
    assert result.recipe == "ms2019"
    assert result.regressor_id == 7
    assert result.dropped[0].reason.startswith("4 x 45 pixels")


def test_the_interval_is_as_wide_as_validation_was_wrong_and_within_the_scale() -> None:
    regressor = replace(make_fitted(), half_width=0.75)
    assert pipeline.interval_of(3.0, regressor) == (2.25, 3.75)
    assert pipeline.interval_of(4.5, regressor) == (3.75, 5)
    assert pipeline.interval_of(-2.0, regressor) == (1, 1)
    assert pipeline.interval_of(3.0, make_fitted()) is None


@pytest.mark.parametrize(
    ("grades", "grade", "interval"),
    [((1, 2, 3, 4, 5), 3, (1.5, 4.5)), ((1, 2, 4), 4, (1.5, 4)), ((3, 5, 9), 3, (3, 4.5)), ((1, 2), 2, (1.5, 2))],
)
def test_a_score_is_told_on_the_scale_that_its_regressor_was_fitted_on(
    grades: tuple[int, ...], grade: int, interval: tuple[float, float]
) -> None:
    always_three = Network(((np.zeros((2048, 1), np.float32), np.array([3], np.float32)),))
    regressor = FittedRegressor(recipes.ms2019(), always_three, Scale(grades), half_width=1.5)
    result = pipeline.score_image(make_selfie(), regressor, describe=describe_by_hand)
    assert (result.score, result.grade, result.interval) == (3.0, grade, interval)


def test_a_roll_moves_the_forehead_left_and_the_chin_up() -> None:
    pixels = np.random.default_rng(4).integers(0, 256, (60, 40, 3), dtype=np.uint8)
    forehead, chin = LAYOUT.patches
    assert np.array_equal(pipeline.changed(forehead, pixels, Variant(7))[:, 0], pixels[0:20, 7])
    assert np.array_equal(pipeline.changed(chin, pixels, Variant(7))[0], pixels[27, 0:40])
    assert np.array_equal(pipeline.changed(chin, pixels, Variant(7))[-1], pixels[26, 0:40])


def test_a_flip_mirrors_the_patch_before_it_is_rolled() -> None:
    pixels = np.random.default_rng(4).integers(0, 256, (60, 40, 3), dtype=np.uint8)
    forehead, chin = LAYOUT.patches
    assert np.array_equal(pipeline.changed(chin, pixels, Variant(flipped=True)), pixels[20:60, ::-1])
    assert np.array_equal(pipeline.changed(forehead, pixels, Variant(7, flipped=True))[:, 0], pixels[0:20, 32])


def test_every_wanted_variant_is_embedded_beside_the_patch_itself() -> None:
    flipped = Variant(10, flipped=True)
    assert pipeline.keys(LAYOUT, {"chin": (PLAIN, Variant(10), flipped, flipped), "whole": (Variant(5),)}) == [
        ("forehead", PLAIN),
        ("chin", PLAIN),
        ("chin", Variant(10)),
        ("chin", flipped),
    ]


def test_selfies_embedded_together_get_the_numbers_they_get_alone(selfie_bytes: bytes) -> None:
    recipe, selfies = recipes.ms2019(), [Selfie.of(selfie_bytes), make_selfie()]
    layouts = [pipeline.look(selfie.pixels, recipe)[0] for selfie in selfies]
    crops = [
        pipeline.cut(selfie.pixels, layout, pipeline.keys(layout, {}))
        for selfie, layout in zip(selfies, layouts, strict=True)
    ]
    for selfie, embeddings in zip(selfies, pipeline.embed(crops, recipe), strict=True):
        alone = pipeline.describe(selfie, recipe).embeddings
        assert embeddings.keys() == alone.keys()
        for key, embedding in embeddings.items():
            apart = np.linalg.norm(embedding.astype(float) - alone[key])
            assert apart <= 1e-3 * np.linalg.norm(alone[key].astype(float))  # a last bit of float16 here and there


def test_recipes_share_embeddings_exactly_if_they_are_made_alike() -> None:
    recipe = recipes.ms2019()
    assert replace(recipe, name="ours", estimator=OnFaces(Pooling.MEAN, Ridge())).feature_key == recipe.feature_key
    others = (
        replace(recipe, geometry=Geometry.UPRIGHT2026),
        replace(recipe, backbone="resnet152"),
        replace(recipe, backbone_sha256="0" * 64),
    )
    assert len({recipe.feature_key, *(other.feature_key for other in others)}) == 4


def test_a_real_face_is_scored_from_its_landmarks(selfie_bytes: bytes) -> None:
    result = pipeline.score_image(Selfie.of(selfie_bytes), make_fitted())
    assert result.mode == "landmarks"
    assert {"forehead", "chin"} <= {patch.region for patch in result.patches}
    assert {patch.region for patch in result.patches} & {"left_cheek", "right_cheek"}
    assert (result.quality.faces, result.reasons) == (1, ())


def test_our_own_geometry_is_scored_by_the_same_road(selfie_bytes: bytes) -> None:
    fitted = replace(make_fitted(), recipe=recipes.upright(recipes.ms2019()))
    result = pipeline.score_image(Selfie.of(selfie_bytes), fitted)
    assert (result.mode, result.recipe) == ("landmarks", "ms2019 on upright2026")
    assert result.score == pytest.approx(np.mean([patch.score for patch in result.patches]))
