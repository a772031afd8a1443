"""manage.py collect_features, and beat every Sunday, deletes what no image and no recipe needs, and nothing else."""

from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command

from labeler.models import User
from scoring.photograph.decoding import Selfie
from scoring.regressor import feature_store, recipes, regressors
from scoring.regressor.recipes import Recipe
from tests import builders
from tests.scoring.builders import make_fitted, make_selfie
from training import tasks


def is_stored(selfie: Selfie, recipe: Recipe) -> bool:
    return default_storage.exists(feature_store.storage_name(selfie, recipe))


@pytest.mark.django_db
def test_they_keep_what_images_need_in_every_recipe_that_answers(ana: User, tmp_path: Path) -> None:
    kept, gone = make_selfie(1), make_selfie(2)
    folder = tmp_path / "photographs"
    folder.mkdir()
    builders.import_photographs(builders.make_study(readers=(ana,)), {"kept.jpg": kept.read()}, folder)
    ours, theirs = recipes.ms2019(), recipes.upright(recipes.ms2019())
    for selfie in (kept, gone):
        for recipe in (ours, theirs):
            feature_store.describe(selfie, recipe)

    answering = regressors.save(replace(make_fitted(), recipe=theirs), study="acne", provenance={})
    regressors.publish(answering)
    assert builders.command_output("collect_features") == "Stored files deleted: 2.\n"
    assert [is_stored(kept, ours), is_stored(kept, theirs)] == [True, True]
    assert [is_stored(gone, ours), is_stored(gone, theirs)] == [False, False]

    regressors.publish(regressors.save(make_fitted(), study="acne", provenance={}))
    assert settings.CELERY_BEAT_SCHEDULE["collect-features"]["task"] == tasks.collect_features.name
    tasks.collect_features()
    assert [is_stored(kept, ours), is_stored(kept, theirs)] == [True, False]


@pytest.mark.django_db
def test_without_the_weights_of_the_runs_recipe_nothing_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    selfie = make_selfie()
    feature_store.describe(selfie, recipes.ms2019())
    monkeypatch.setenv("WEIGHTS_DIR", str(tmp_path))
    monkeypatch.setattr(settings, "BACKBONE", "resnet152")
    with pytest.raises(CommandError, match="Nothing was deleted"):
        call_command("collect_features")
    assert is_stored(selfie, recipes.ms2019())
