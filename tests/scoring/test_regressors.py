"""An artefact comes back as it was stored, or not at all."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import skops.io
from django.core.files.storage import default_storage
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import FunctionTransformer

from scoring import regressors
from scoring.familiarity import Familiarity
from scoring.models import Regressor
from scoring.pipeline import FittedRegressor
from scoring.regressors import ArtefactError, NoActiveRegressor
from tests.scoring.builders import make_fitted, publish_one

pytestmark = pytest.mark.django_db
ROWS = np.random.default_rng(5).normal(size=(6, 2048)).astype(np.float32)


def artefact_path(row: Regressor) -> Path:
    return Path(default_storage.path(row.artefact))


def test_a_stored_regressor_predicts_exactly_as_the_fitted_one() -> None:
    fitted = replace(make_fitted(), grades=(0, 4))
    row = regressors.save(fitted, study="acne", provenance={"seed": 1})
    loaded = regressors.load(Regressor.objects.get(pk=row.pk))
    assert np.array_equal(loaded.estimator.predict(ROWS), fitted.estimator.predict(ROWS))
    assert (loaded.recipe, loaded.grades, loaded.id) == (fitted.recipe, (0, 4), row.pk)
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


def test_an_artefact_of_before_there_were_intervals_still_answers() -> None:
    row = regressors.save(make_fitted(seed=13), study="acne", provenance={})
    content = skops.io.loads(artefact_path(row).read_bytes(), trusted=[])
    data = skops.io.dumps({name: content[name] for name in ("recipe", "grades", "estimator")})
    artefact_path(row).write_bytes(data)
    row.artefact_sha256 = hashlib.sha256(data).hexdigest()
    loaded = regressors.load(row)
    assert (loaded.half_width, loaded.familiarity) == (None, None)
    assert np.array_equal(loaded.estimator.predict(ROWS), make_fitted(seed=13).estimator.predict(ROWS))


def test_saving_leaves_the_fitted_estimator_able_to_go_on() -> None:
    fitted = make_fitted()
    regressors.save(fitted, study="acne", provenance={})
    assert isinstance(fitted.estimator, MLPRegressor)
    fitted.estimator.partial_fit(ROWS, np.ones(6, np.float32))


def test_the_artefact_holds_no_optimizer() -> None:
    row = regressors.save(make_fitted(), study="acne", provenance={})
    weights_alone = (2048 * 8 + 8 + 8 + 1) * 4  # bytes
    assert artefact_path(row).stat().st_size < 1.5 * weights_alone


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
    with pytest.raises(ArtefactError, match="may not hold"):
        regressors.save(FittedRegressor(make_fitted().recipe, estimator), study="acne", provenance={})
    assert not Regressor.objects.exists()


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
