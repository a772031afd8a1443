"""The registry of recipes: every entry is whole, fitted by training, and comes back from JSON as it went."""

import json
from dataclasses import fields
from typing import get_args

import numpy as np
import pytest

from scoring.regressor import pipeline, recipes
from scoring.regressor.recipes import Geometry, OnPatches, Pooling, Recipe, Regression


def test_each_recipe_has_a_name_of_its_own_and_says_what_it_is() -> None:
    names = [entry.name for entry in recipes.REGISTRY]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 40 for name in names)  # training.models.Score.recipe
    assert all(entry.about for entry in recipes.REGISTRY)


def test_a_run_fits_all_of_them() -> None:
    """It takes `faces()` and `ms2019()`, which share the embeddings that it stores once."""
    fitted = [*recipes.faces().values(), recipes.ms2019()]
    assert [recipe.name for recipe in fitted] == [entry.name for entry in recipes.REGISTRY]
    assert len({recipe.feature_key for recipe in fitted}) == 1
    assert [recipe.name for recipe in fitted if isinstance(recipe.estimator, OnPatches)] == ["ms2019"]


@pytest.mark.parametrize("entry", recipes.REGISTRY, ids=lambda entry: entry.name)
def test_a_recipe_comes_back_from_json_and_refuses_what_it_does_not_know(entry: recipes.RegistryEntry) -> None:
    recipe = entry.on("resnet50")
    stored = json.loads(json.dumps(recipe.as_json()))
    assert Recipe.from_json(stored) == recipe
    for changed in ({"max": True}, {"estimator": {"sees": "stars"}}, {"geometry": "round"}, {"name": None}):
        with pytest.raises(ValueError, match="validation error"):
            Recipe.from_json({**stored, **changed})
    del stored["backbone"]
    with pytest.raises(ValueError, match="backbone"):
        Recipe.from_json(stored)


def test_every_kind_of_regression_is_told_apart_in_json() -> None:
    kinds = [next(field.default for field in fields(one) if field.name == "kind") for one in get_args(Regression)]
    assert len(set(kinds)) == len(kinds)


def test_every_geometry_cuts_and_every_pooling_pools() -> None:
    assert len({pipeline.lay_out(geometry) for geometry in Geometry}) == len(Geometry)
    rows = np.array([[1, 4], [3, 12]], np.float32)
    pooled = {pooling: pooling.pool(rows) for pooling in Pooling}
    assert pooled[Pooling.MEAN].tolist() == [2, 8]
    assert pooled[Pooling.ROOT] == pytest.approx(np.sqrt([2, 8]))
