"""An artefact comes back as it was stored, or not at all."""

import hashlib
import json
import os
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from django.core.files.storage import default_storage
from sklearn.preprocessing import FunctionTransformer

from labeler.operations import health
from scoring.models import Regressor
from scoring.platform import blobs
from scoring.regressor import pipeline, recipes, regressors
from scoring.regressor.heads import Head
from scoring.regressor.out_of_distribution import Familiarity
from scoring.regressor.pipeline import FittedRegressor
from scoring.regressor.recipes import Pooling
from scoring.regressor.regressors import ArtefactError, NoActiveRegressor
from scoring.regressor.score_scale import Scale
from tests.scoring.builders import make_fitted, publish_one

pytestmark = pytest.mark.django_db
ROWS = np.random.default_rng(5).normal(size=(6, 2048)).astype(np.float32)


@pytest.fixture(autouse=True)
def _nothing_in_memory() -> None:
    """Let every test begin as a process that has just started."""
    regressors._load.cache_clear()


def artefact_path(row: Regressor) -> Path:
    return Path(default_storage.path(row.artefact))


def test_a_stored_regressor_predicts_exactly_as_the_fitted_one() -> None:
    fitted = replace(make_fitted(), scale=Scale((1, 2, 4)))
    row = regressors.save(fitted, study="acne", provenance={"seed": 1})
    loaded = regressors.load(Regressor.objects.get(pk=row.pk))
    assert np.array_equal(loaded.predictor.predict(ROWS), fitted.predictor.predict(ROWS))
    assert (loaded.recipe, loaded.scale, loaded.id) == (fitted.recipe, Scale((1, 2, 4)), row.pk)
    assert row.provenance == {"seed": 1}
    assert not row.is_active


def test_a_regressor_keeps_its_interval_and_what_it_knows() -> None:
    rng = np.random.default_rng(8)
    known = Familiarity(
        rng.normal(size=2048).astype(np.float32),
        rng.normal(size=(3, 2048)).astype(np.float32),
        np.ones(3, np.float32),
        0.5,
        1.25,
    )
    row = regressors.save(replace(make_fitted(), half_width=0.8, familiarity=known), study="acne", provenance={})
    loaded = regressors.load(row)
    assert loaded.half_width == 0.8
    assert loaded.familiarity is not None
    assert loaded.familiarity.distance(ROWS[0]) == known.distance(ROWS[0])
    assert (loaded.familiarity.noise, loaded.familiarity.limit) == (0.5, 1.25)


def test_the_same_regressor_gives_the_same_bytes() -> None:
    one, other = (regressors.save(make_fitted(seed=13), study="acne", provenance={"run": run}) for run in (1, 2))
    assert one.artefact_sha256 == other.artefact_sha256


def test_a_face_is_scored_as_a_whole_and_each_patch_as_a_face_of_its_own() -> None:
    rng = np.random.default_rng(6)
    head = Head(
        rng.normal(size=2048),
        np.array([2.5]),
        (rng.normal(size=(2048, 3)) / 50).astype(np.float32),
        np.array([0.0, 1.0, 2.0], np.float32),
        np.array([0.5, -1.0, 2.0]),
    )
    patches = np.abs(ROWS[:4])
    for recipe in recipes.faces().values():
        row = regressors.save(FittedRegressor(recipe, head, Scale.of_steps(5)), study="acne", provenance={})
        score, alone = pipeline.score_rows(patches, regressors.load(row))
        pooled = patches.mean(axis=0) ** (0.5 if recipe.pooling is Pooling.ROOT else 1)
        by_hand = pooled @ head.weights + 2.5 + np.cos(pooled @ head.frequencies + head.phases) @ head.amplitudes
        assert score == pytest.approx(float(by_hand), rel=1e-4)
        assert len(alone) == 4


@pytest.mark.parametrize("position", [0, 1000, -1])
def test_a_changed_artefact_is_refused_before_it_is_opened(position: int) -> None:
    row = regressors.save(make_fitted(seed=position % 97), study="acne", provenance={})
    data = bytearray(artefact_path(row).read_bytes())
    data[position] ^= 1
    artefact_path(row).write_bytes(data)
    with pytest.raises(ArtefactError, match="SHA-256"):
        regressors.load(row)


def test_a_missing_artefact_says_so() -> None:
    row = regressors.save(make_fitted(seed=11), study="acne", provenance={})
    artefact_path(row).unlink()
    with pytest.raises(ArtefactError, match="not in storage"):
        regressors.load(row)


def test_an_estimator_that_carries_code_is_not_stored() -> None:
    estimator = FunctionTransformer(func=artefact_path)
    with pytest.raises(ArtefactError, match="may not hold a FunctionTransformer"):
        regressors.save(
            FittedRegressor(make_fitted().recipe, estimator, Scale.of_steps(5)), study="acne", provenance={}
        )
    assert not Regressor.objects.exists()


def test_a_file_that_is_no_artefact_is_not_opened_as_one() -> None:
    row = regressors.save(make_fitted(seed=14), study="acne", provenance={})
    data = pickle.dumps({"anything": 1})
    artefact_path(row).write_bytes(data)
    row.artefact_sha256 = hashlib.sha256(data).hexdigest()
    with pytest.raises(ArtefactError, match="does not know"):
        regressors.load(row)


def test_an_artefact_without_a_scale_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    row = regressors.save(make_fitted(seed=15), study="acne", provenance={})
    arrays = safetensors.numpy.load(artefact_path(row).read_bytes())
    facts = json.loads(arrays[regressors.FACTS].tobytes())
    del facts["scale"]
    arrays[regressors.FACTS] = np.frombuffer(json.dumps(facts).encode(), dtype=np.uint8)
    data = safetensors.numpy.save(arrays)
    artefact_path(row).write_bytes(data)
    row.artefact_sha256 = hashlib.sha256(data).hexdigest()
    with pytest.raises(ArtefactError, match=r"does not say which grades it was fitted on\. Retrain\."):
        regressors.load(row)


def test_a_row_that_claims_another_recipe_is_refused() -> None:
    row = regressors.save(make_fitted(seed=12), study="acne", provenance={})
    row.recipe = {**row.recipe, "backbone": "resnet152"}
    with pytest.raises(ArtefactError, match="another recipe"):
        regressors.load(row)


def test_publishing_replaces_the_regressor_before_and_no_other_study_s() -> None:
    other, first = publish_one("other", 1), publish_one("acne", 2)
    second = publish_one("acne", 3)
    first.refresh_from_db()
    other.refresh_from_db()
    assert (first.is_active, second.is_active, other.is_active) == (False, True, True)
    assert second.published_at is not None
    assert regressors.active("acne").id == second.pk


def test_publishing_again_changes_nothing() -> None:
    row = publish_one()
    regressors.publish(row)
    assert regressors.active("acne").id == row.pk


def test_a_damaged_regressor_does_not_take_the_place_of_a_good_one() -> None:
    good = publish_one("acne", 4)
    bad = regressors.save(make_fitted(seed=13), study="acne", provenance={})
    artefact_path(bad).write_bytes(b"")
    with pytest.raises(ArtefactError):
        regressors.publish(bad)
    assert regressors.active("acne").id == good.pk


def test_a_study_without_a_regressor_says_what_to_do() -> None:
    with pytest.raises(NoActiveRegressor, match="Retrain"):
        regressors.active("acne")


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut_it_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def put_another_in_its_place(path: Path) -> None:
    path.write_bytes(artefact_path(regressors.save(make_fitted(seed=77), study="other", provenance={})).read_bytes())


HARMS = [flip_a_byte, cut_it_short, put_another_in_its_place, Path.unlink]


@pytest.mark.parametrize("harm", HARMS)
def test_while_an_artefact_is_damaged_the_regressor_before_it_answers(
    harm: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before, now = publish_one("acne", 21), publish_one("acne", 22)
    whole = artefact_path(now).read_bytes()
    harm(artefact_path(now))
    found = next(one for one in health.examine() if one.name == "Regressors")
    assert f"{now} of study acne" in found.said
    assert f"{before} answers in its place." in found.said
    assert regressors.active("acne").id == before.pk
    assert regressors.active("acne").id == before.pk
    assert caplog.text.count(f"{now} of study acne can't answer") == 1  # not for every selfie
    artefact_path(now).write_bytes(whole)
    monkeypatch.setattr(regressors, "REFUSED_FOR", 0.0)  # a minute later
    assert regressors.active("acne").id == now.pk


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_regressor_is_not_published_though_it_is_in_memory(harm: Callable[[Path], None]) -> None:
    good, bad = publish_one("acne", 23), regressors.save(make_fitted(seed=24), study="acne", provenance={})
    regressors.load(bad)
    harm(artefact_path(bad))
    with pytest.raises(ArtefactError):
        regressors.publish(bad)
    assert regressors.active("acne").id == good.pk


def test_a_regressor_that_was_taken_back_or_knew_who_is_erased_answers_never_again() -> None:
    first, second = publish_one("acne", 25), publish_one("acne", 26)
    regressors.publish(first)  # rolled back from the second
    artefact_path(first).unlink()
    with pytest.raises(ArtefactError):
        regressors.active("acne")
    third = publish_one("acne", 27)
    artefact_path(third).unlink()
    assert regressors.stand_in(third) == first
    Regressor.objects.filter(pk=first.pk).update(learned_from_erased=1)
    assert regressors.stand_in(third) is None
    assert second.published_at is not None


def test_artefacts_without_a_row_are_collected_and_no_others() -> None:
    for name in ("left", ".half-written"):
        blobs.write(f"regressors/{name}", b"of a killed run")
        os.utime(default_storage.path(f"regressors/{name}"), (0, 0))
    assert regressors.collect() == 0  # no artefact has a row: whose storage is this?
    kept = publish_one("acne", 28)
    blobs.write("regressors/about-to-get-its-row", b"")
    assert regressors.collect() == 2
    regressors.verify(kept)
    assert blobs.files("regressors") == sorted([artefact_path(kept).name, "about-to-get-its-row"])
