"""No embedding is computed twice, none that is damaged is used, and none outlives its image."""

import os
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from django.core.files.storage import default_storage

from scoring.photograph.decoding import Selfie
from scoring.photograph.patches import Dropped, Layout, Patch
from scoring.photograph.quality import Quality
from scoring.platform import blobs
from scoring.regressor import feature_store, pipeline, recipes
from scoring.regressor.pipeline import PLAIN, Described, Variant, score_image
from tests import processes
from tests.builders import make_jpeg
from tests.scoring.builders import make_fitted, make_selfie

RECIPE = recipes.ms2019()
OURS = recipes.upright(RECIPE)


def unreadable() -> bytes:
    raise AssertionError("the file was read although everything is stored")


def stored_file(selfie: Selfie) -> Path:
    return Path(default_storage.path(feature_store.storage_name(selfie, RECIPE)))


def test_a_second_look_needs_neither_the_file_nor_the_network() -> None:
    selfie = make_selfie()
    first = feature_store.describe(selfie, RECIPE)
    again = feature_store.describe(Selfie(selfie.content_hash, unreadable), RECIPE)
    assert again.layout == first.layout
    assert np.array_equal(again.embeddings["whole", PLAIN], first.embeddings["whole", PLAIN])


def test_stored_and_fresh_embeddings_give_the_same_score() -> None:
    selfie, regressor = make_selfie(), make_fitted()
    fresh = score_image(selfie, regressor)
    feature_store.describe(selfie, RECIPE)
    assert score_image(selfie, regressor, describe=feature_store.describe) == fresh


def test_new_variants_join_those_that_are_stored() -> None:
    selfie, five, mirrored = make_selfie(), Variant(5), Variant(5, flipped=True)
    feature_store.describe(selfie, RECIPE, variants={"whole": (five,)})
    feature_store.describe(selfie, RECIPE, variants={"whole": (mirrored,)})
    all_of_them = feature_store.describe(
        Selfie(selfie.content_hash, unreadable), RECIPE, variants={"whole": (PLAIN, five, mirrored)}
    ).embeddings
    assert set(all_of_them) == {("whole", PLAIN), ("whole", five), ("whole", mirrored)}
    assert not np.array_equal(all_of_them["whole", five], all_of_them["whole", mirrored])


def test_an_embedding_is_stored_under_the_exact_box_it_was_cut_from() -> None:
    patch = Patch("forehead", (3, 4, 50, 60), turn=-2.125)
    quality = Quality(exposure=0.5, contrast=0.2, sharpness=-3.0, short_side=900, faces=1, face_size=0.5)
    embedding = np.arange(2048, dtype=np.float16)
    dropped = (Dropped("chin", (0, 0, 9, 9), "9 x 9 pixels: a side is under 16."),)
    layout = Layout("landmarks", (patch, Patch("left_cheek", (1, 2, 30, 40))), dropped, ((1, 2), (3, 4)))
    described = Described(layout, quality, {("forehead", Variant(7, flipped=True)): embedding})
    packed = feature_store._pack(described)
    assert b"forehead/3,4,50,60/-2.125/7/1" in packed
    again = feature_store._unpack(packed[feature_store.DIGEST_BYTES :])
    assert (again.layout, again.quality) == (described.layout, quality)
    assert np.array_equal(again.embeddings["forehead", Variant(7, flipped=True)], embedding)


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
    assert np.array_equal(again.embeddings["whole", PLAIN], whole.embeddings["whole", PLAIN])
    assert stored_file(selfie).read_bytes() == data


@pytest.mark.django_db
def test_two_processes_that_store_at_the_same_time_leave_a_whole_file(tmp_path: Path) -> None:
    photograph = tmp_path / "selfie.jpg"
    photograph.write_bytes(make_jpeg(1))
    selfie = Selfie.of(photograph.read_bytes())
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                processes.running(
                    "tests.scoring.regressor.describing",
                    str(photograph),
                    *rolls,
                    log=tmp_path / rolls[0],
                    EMBEDDING_PROCESSES="2",
                )
            )
            for rolls in (("1", "2", "3", "4"), ("5", "6", "7", "8"))
        ]
        assert [worker.wait(timeout=processes.PATIENCE) for worker in workers] == [0, 0]
    stored = feature_store.describe(Selfie(selfie.content_hash, unreadable), RECIPE)
    fresh = pipeline.describe(selfie, RECIPE, variants={"whole": [roll for _, roll in stored.embeddings]})
    assert {("whole", PLAIN), ("whole", Variant(4)), ("whole", Variant(8))} & stored.embeddings.keys()
    assert all(np.array_equal(row, fresh.embeddings[key]) for key, row in stored.embeddings.items())
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
    assert fresh.embeddings["whole", PLAIN].dtype == stored.embeddings["whole", PLAIN].dtype == np.float16


def test_many_are_read_in_order_with_a_gap_where_nothing_is_stored() -> None:
    selfies = [make_selfie(seed) for seed in (1, 2)]
    described = [feature_store.describe(selfie, RECIPE) for selfie in selfies]
    asked = [selfies[1], make_selfie(9), selfies[0]]
    second, nothing, first = feature_store.read_many(asked, RECIPE)
    assert nothing is None
    for read, made in ((first, described[0]), (second, described[1])):
        assert read is not None
        assert read.layout == made.layout
        assert np.array_equal(read.rows(), made.rows())


def test_erasing_an_image_erases_everything_derived_from_it_and_nothing_else() -> None:
    selfie, other = make_selfie(1), make_selfie(2)
    for recipe in (RECIPE, OURS):
        feature_store.describe(selfie, recipe)
    feature_store.describe(other, RECIPE)
    assert feature_store.erase(selfie.content_hash) == 2
    assert not stored_file(selfie).parent.exists()
    assert stored_file(other).exists()
    assert feature_store.erase(selfie.content_hash) == 0


def test_a_folder_that_a_worker_has_just_written_into_stays() -> None:
    selfie = make_selfie()
    feature_store.describe(selfie, RECIPE)
    blobs.erase(str(Path(feature_store.storage_name(selfie, RECIPE)).parent))
    assert stored_file(selfie).exists()


def test_collecting_leaves_what_an_image_and_a_recipe_need() -> None:
    kept, gone = make_selfie(1), make_selfie(2)
    for selfie in (kept, gone):
        for recipe in (RECIPE, OURS):
            feature_store.describe(selfie, recipe)
    abandoned, being_written = (stored_file(kept).with_name(name) for name in (".lost", ".now"))
    for path in (abandoned, being_written):
        path.write_bytes(b"half a file")
    os.utime(abandoned, (0, 0))
    deleted = feature_store.collect(
        known=lambda hashes: [one for one in hashes if one == kept.content_hash], feature_keys={RECIPE.feature_key}
    )
    assert deleted == 4
    assert {path.name for path in stored_file(kept).parent.iterdir()} == {RECIPE.feature_key, ".now"}
    assert not stored_file(gone).parent.exists()
