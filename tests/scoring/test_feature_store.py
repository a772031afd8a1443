"""No embedding is computed twice, and none that is damaged is used."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from django.core.files.storage import default_storage

from scoring import feature_store, pipeline, recipes
from scoring.images import Selfie
from scoring.pipeline import score_image
from tests.scoring.builders import make_fitted, make_selfie

RECIPE = recipes.ms2019()


def unreadable() -> bytes:
    raise AssertionError("the file was read although everything is stored")


def stored_file(selfie: Selfie) -> Path:
    return Path(default_storage.path(feature_store.storage_name(selfie.content_hash, RECIPE)))


def test_a_second_look_needs_neither_the_file_nor_the_network() -> None:
    selfie = make_selfie()
    first = feature_store.describe(selfie, RECIPE)
    again = feature_store.describe(Selfie(selfie.content_hash, unreadable), RECIPE)
    assert again.layout == first.layout
    assert np.array_equal(again.embeddings["whole", 0], first.embeddings["whole", 0])


def test_stored_and_fresh_embeddings_give_the_same_score() -> None:
    selfie, regressor = make_selfie(), make_fitted()
    fresh = score_image(selfie, regressor)
    feature_store.describe(selfie, RECIPE, rolls={"whole": (5, 9)})
    assert score_image(selfie, regressor, describe=feature_store.describe) == fresh


def test_new_rolls_join_those_that_are_stored() -> None:
    selfie = make_selfie()
    feature_store.describe(selfie, RECIPE, rolls={"whole": (5,)})
    feature_store.describe(selfie, RECIPE, rolls={"whole": (9,)})
    all_of_them = feature_store.describe(
        Selfie(selfie.content_hash, unreadable), RECIPE, rolls={"whole": (0, 5, 9)}
    ).embeddings
    assert set(all_of_them) == {("whole", 0), ("whole", 5), ("whole", 9)}
    assert not np.array_equal(all_of_them["whole", 5], all_of_them["whole", 9])


@pytest.mark.parametrize("damage", ["cut", "changed", "emptied"])
def test_a_damaged_file_is_logged_and_made_again(damage: str, caplog: pytest.LogCaptureFixture) -> None:
    selfie = make_selfie()
    whole = feature_store.describe(selfie, RECIPE)
    data = stored_file(selfie).read_bytes()
    middle = len(data) // 2
    changed = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
    stored_file(selfie).write_bytes({"cut": data[:middle], "changed": changed, "emptied": b""}[damage])
    again = feature_store.describe(selfie, RECIPE)
    assert "damaged" in caplog.text
    assert np.array_equal(again.embeddings["whole", 0], whole.embeddings["whole", 0])
    assert stored_file(selfie).read_bytes() == data


def test_workers_that_store_at_the_same_time_leave_a_whole_file() -> None:
    selfie = make_selfie()
    with ThreadPoolExecutor(4) as workers:
        list(workers.map(lambda n: feature_store.describe(selfie, RECIPE, rolls={"whole": (n,)}), range(1, 9)))
    stored = feature_store.describe(Selfie(selfie.content_hash, unreadable), RECIPE)
    assert ("whole", 0) in stored.embeddings
    assert [path.name for path in stored_file(selfie).parent.iterdir()] == [RECIPE.feature_key]


def test_what_is_derived_from_a_face_is_for_the_services_account_alone() -> None:
    selfie = make_selfie()
    feature_store.describe(selfie, RECIPE)
    path = stored_file(selfie)
    assert path.stat().st_mode & 0o077 == 0
    assert all(folder.stat().st_mode & 0o077 == 0 for folder in list(path.parents)[:3])


def test_described_holds_half_precision_however_it_came() -> None:
    selfie = make_selfie()
    fresh, stored = pipeline.describe(selfie, RECIPE), feature_store.describe(selfie, RECIPE)
    assert fresh.embeddings["whole", 0].dtype == stored.embeddings["whole", 0].dtype == np.float16
