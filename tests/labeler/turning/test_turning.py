"""An image stands as its face does, or as an admin says before it is dealt; everything made of it follows."""

import hashlib
import io
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from PIL import Image as PillowImage

from labeler.dealing import folds
from labeler.golden_set import golden_draw
from labeler.images import measurements, preprocessing, thumbnails
from labeler.intake import importing
from labeler.models import Erasure, Image, Measurement, ProvisionalScore, Study, StudyJob, User
from labeler.privacy import erasing
from labeler.record import audit
from labeler.screening import near_duplicates
from labeler.studies import atlas, studies
from labeler.turning import turning
from labeler.turning.turning import TurnError
from scoring.photograph import decoding, fingerprint_search, fingerprints
from scoring.platform import blobs, jobs
from scoring.regressor import feature_store, recipes
from tests import builders
from tests.labeler.record.test_ledger import every_right, findings, seal

LYING = {"on its right side": 1, "upside down": 2, "on its left side": 3}


@pytest.fixture(scope="module")
def small(selfie_bytes: bytes) -> PillowImage.Image:
    return PillowImage.open(io.BytesIO(selfie_bytes)).resize((360, 480))


def lying(picture: PillowImage.Image, turn: int) -> bytes:
    """Return a photograph that was turned by so many quarters clockwise, without loss."""
    file = io.BytesIO()
    PillowImage.fromarray(decoding.turned(np.asarray(picture), turn)).save(file, "PNG")
    return file.getvalue()


def imported(study: Study, data: bytes, name: str = "selfie.png") -> Image:
    assert importing.import_photograph(study=study, data=data, name=name)
    return study.images.get(source_name=name)


def stored_files() -> set[str]:
    root = Path(default_storage.path(""))
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


@dataclass(frozen=True)
class State:
    """All that was made of an image."""

    turn: int | None
    size: tuple[int, int]
    renditions: dict[str, str]
    stored: dict[str, str]
    measures: tuple[Any, ...]


def state(image: Image) -> State:
    image.refresh_from_db()
    names = {size: f"{image.rendition}-{size}" for size in image.rendition_sha256}
    stored = {size: hashlib.sha256(blobs.read(name)).hexdigest() for size, name in names.items()}
    *measures, fingerprint = Measurement.objects.filter(image=image).values_list().get()
    made = image.rendition_sha256, stored, (*measures[1:], bytes(fingerprint))
    return State(image.turn, (image.width, image.height), *made)


Turn = Callable[..., bool]


@pytest.fixture
def turn_it(olga: User, django_capture_on_commit_callbacks: Any) -> Turn:
    """Return what turns an image, as the page does, with what is done after the transaction."""

    def turn_it(image: Image, to: int, shown: int) -> bool:
        with django_capture_on_commit_callbacks(execute=True):
            return turning.turn(image=image, to=to, shown=shown, by=olga)

    return turn_it


@pytest.fixture
def empty_study(db: None, olga: User) -> Study:
    study = builders.make_study()
    study.admins.add(olga)
    return study


@pytest.fixture
def image(empty_study: Study) -> Image:
    return imported(empty_study, builders.make_jpeg(1))


@pytest.mark.parametrize("turn", LYING.values(), ids=LYING)
def test_a_photograph_that_lies_is_imported_as_the_upright_one(
    empty_study: Study, small: PillowImage.Image, turn: int
) -> None:
    upright = state(imported(empty_study, lying(small, 0), "upright.png"))
    found = imported(empty_study, lying(small, turn), "lying.png")
    assert state(found) == State(-turn % 4, upright.size, upright.renditions, upright.stored, upright.measures)
    assert not found.is_turned_by_hand
    assert near_duplicates.find(study=empty_study) == 2


def test_four_turns_are_none_and_each_is_of_the_file_as_it_came(image: Image, turn_it: Turn) -> None:
    as_it_came, file = state(image), blobs.read(image.original)
    for number in range(1, 5):
        assert turn_it(image, number % 4, number - 1)
        made, now = preprocessing.prepare(file, turn=number % 4), state(image)
        assert now.turn == number % 4
        assert now.size == ((96, 128) if number % 2 == 0 else (128, 96)) == (made.width, made.height)
        assert now.renditions == now.stored == {size: decoding.content_hash(of) for size, of in made.renditions.items()}
        assert now.measures[-1] == made.measures.fingerprint
    assert state(image) == as_it_came
    assert image.is_turned_by_hand
    assert blobs.read(image.original) == file
    assert len(stored_files()) == 2


def test_what_was_made_of_it_before_is_gone_or_known_by_its_turn(image: Image, turn_it: Turn) -> None:
    recipe, before = recipes.ms2019(), image.rendition
    thumbnails.storage_name(image)
    ProvisionalScore.objects.create(image=image, score=3, grade=3, regressor_id=1)
    selfie = decoding.Selfie(image.content_hash, lambda: blobs.read(image.original), turn=image.turn)
    feature_store.describe(selfie, recipe)
    assert turn_it(image, 1, 0)
    image.refresh_from_db()
    assert not [name for name in stored_files() if name.startswith(before)]
    assert not ProvisionalScore.objects.exists()
    turned = decoding.Selfie(image.content_hash, lambda: blobs.read(image.original), turn=image.turn)
    assert next(feature_store.read_many([turned], recipe)) is None
    described = feature_store.describe(turned, recipe)
    assert described.layout.patches[0].box == (0, 0, 128, 96)
    assert len(feature_store.stored(image.content_hash)) == 2
    assert feature_store.collect(known=lambda hashes: hashes, feature_keys={recipe.feature_key}) == 0


def dealt(study: Study) -> None:
    """Deal the study with its image and another."""
    imported(study, builders.make_jpeg(2), "other.jpg")
    studies.add_reader(study=study, user=builders.make_user("dora"))
    golden_draw.draw(study=study, size=1)
    folds.deal(study=study)


def closed(study: Study) -> None:
    Study.objects.filter(pk=study.pk).update(closed_at=timezone.now())


def erased(study: Study) -> None:
    erasing.request(study=study, images=study.images.all(), reason="asked for it", by=None)


def without_file(study: Study) -> None:
    study.images.update(original="")


def without_its_file(study: Study) -> None:
    default_storage.delete(study.images.get().original)


def turned_by_another(study: Study) -> None:
    turning.turn(image=study.images.get(), to=2, shown=0, by=None)


FIXED = {
    "Images have been dealt since it came": dealt,
    "was closed on": closed,
    "was erased": erased,
    "came without a file": without_file,
    "Restore it": without_its_file,
    "Somebody else has turned it": turned_by_another,
}


@pytest.mark.parametrize(("sentence", "happens"), FIXED.items(), ids=FIXED)
def test_what_can_not_be_turned_stays_as_it_is_with_a_sentence(
    as_olga: Client, image: Image, sentence: str, happens: Callable[[Study], None]
) -> None:
    happens(image.study)
    row, files = Image.objects.values().get(pk=image.pk), stored_files()
    page = as_olga.post(f"/studies/acne/images/{image.pk}/turn/", {"to": 1, "shown": 0}, follow=True)
    assert "Nothing was turned." in page.content.decode()
    assert sentence in page.content.decode()
    assert Image.objects.values().get(pk=image.pk) == row
    assert stored_files() == files


def test_what_came_after_dealing_can_be_turned_until_it_is_dealt_too(image: Image, turn_it: Turn, olga: User) -> None:
    dealt(image.study)
    later = imported(image.study, builders.make_jpeg(3), "later.jpg")
    assert turn_it(later, 3, 0)
    image.study.dealings.create(kind="images", dealt_by=olga)
    with pytest.raises(TurnError, match="dealt since it came"):
        turn_it(later, 0, 3)


def test_a_second_click_changes_nothing(image: Image, turn_it: Turn) -> None:
    assert turn_it(image, 1, 0)
    once = state(image)
    assert not turn_it(image, 1, 0)
    assert state(image) == once
    assert image.study.audit_events.filter(action=audit.TURNED).count() == 1


def test_the_page_turns_says_what_was_turned_and_turns_back(
    as_olga: Client, empty_study: Study, small: PillowImage.Image
) -> None:
    image = imported(empty_study, lying(small, 2))
    address = reverse("study_image", args=["acne", image.pk])
    page = as_olga.get(address).content.decode()
    assert "by 180 degrees clockwise from its file" in page
    assert "automatically" in page
    assert "1 lay on a side or upside down and was turned as" in as_olga.get("/studies/acne/images/").content.decode()
    for words, to in (("Turn left", 1), ("Turn right", 3), ("As it came", 0)):
        assert f'name="to" value="{to}">{words}<' in page
    act = reverse("turn_image", args=["acne", image.pk])
    assert "by 270 degrees" in as_olga.post(act, {"to": 3, "shown": 2}, follow=True).content.decode()
    page = as_olga.post(act, {"to": 0, "shown": 3}, follow=True).content.decode()
    assert "back to how it came" in page
    assert "As it came" not in page
    for wrong in ({}, {"to": 4, "shown": 0}, {"to": "left", "shown": 0}, {"to": 1}, {"to": -1, "shown": 0}):
        assert "Nothing was turned" in as_olga.post(act, wrong, follow=True).content.decode()
    assert state(image).turn == 0
    found = {
        which: as_olga.get("/studies/acne/gallery/", {"turned": which}).content.decode() for which in ("face", "hand")
    }
    assert address in found["hand"]
    assert address not in found["face"]


def test_the_log_has_the_act_and_the_ledger_knows_it(image: Image, turn_it: Turn, olga: User) -> None:
    seal()
    assert turn_it(image, 1, 0)
    seal()
    assert findings() == []
    act = audit.find(image.study, audit.Wanted(action=audit.TURNED)).get()
    assert (act.user, act.detail) == (olga, f"image {image.pk} from 0 to 90 degrees clockwise")
    with every_right(), connection.cursor() as cursor:
        cursor.execute("UPDATE labeler_image SET turn = 0")
    assert any("picture" in finding for finding in findings())


def test_erasure_leaves_nothing_of_any_turn(image: Image, turn_it: Turn) -> None:
    level = image.study.grade_levels.get(value=2)
    atlas.add_picture(level=level, pixels=decoding.decode(blobs.read(image.original)))
    for turn in (1, 2):
        assert turn_it(image, turn, turn - 1)
        image.refresh_from_db()
        selfie = decoding.Selfie(image.content_hash, lambda: blobs.read(image.original), turn=image.turn)
        feature_store.describe(selfie, recipes.ms2019())
        thumbnails.storage_name(image)
    erased(image.study)
    erasure = jobs.claim(Erasure, Erasure.objects.get().pk)
    assert erasure
    erasing.erase(erasure)
    assert stored_files() == set()


def test_near_duplicates_are_searched_again_if_they_were(image: Image, turn_it: Turn, olga: User) -> None:
    assert turn_it(image, 1, 0)
    assert not StudyJob.objects.exists()
    near_duplicates.find(study=image.study, by=olga)
    assert turn_it(image, 2, 1)
    assert StudyJob.objects.get().kind == StudyJob.Kind.DUPLICATES


def test_who_measures_while_it_is_turned_leaves_the_newer_measures(image: Image, turn_it: Turn) -> None:
    old = preprocessing.prepare(blobs.read(image.original), turn=0)
    Measurement.objects.all().delete()
    assert turn_it(image, 1, 0)
    new = state(image)
    measurements.save(image, old.measures)
    assert state(image) == new
    words = fingerprints.from_bytes([old.measures.fingerprint, new.measures[-1]])
    assert fingerprint_search.distance(*words) > 0


@pytest.mark.django_db(transaction=True)
def test_of_two_who_turn_at_once_one_is_told(olga: User) -> None:
    image = imported(builders.make_study(), builders.make_jpeg(1))
    start = threading.Barrier(2)
    said: list[object] = []

    def turn(to: int) -> None:
        start.wait()
        try:
            said.append(turning.turn(image=image, to=to, shown=0, by=olga))
        except TurnError as error:
            said.append(str(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=turn, args=(to,)) for to in (1, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said.count(True) == 1
    assert sum("Somebody else" in str(one) for one in said) == 1
    now = state(image)
    assert now.renditions == now.stored
    assert len(stored_files()) == 2
    assert image.study.audit_events.filter(action=audit.TURNED).count() == 1
