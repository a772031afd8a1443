"""The golden set is drawn evenly, frozen with a promise that opens at the end, and never trained on."""

import hashlib
import json
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from labeler.accounts import unblinding
from labeler.dealing import folds
from labeler.golden_set import commitments, golden_draw
from labeler.grading import label_store, refusals
from labeler.models import Commitment, Image, Label, Study, User
from labeler.studies import closing, studies
from tests import builders


@pytest.fixture
def mixed(olga: User, ana: User) -> Study:
    """Return a study of 100 images of two kinds, one in four of the second."""
    study = builders.make_study(readers=(ana,), images=100)
    study.admins.add(olga)
    for number, image in enumerate(study.images.order_by("pk")):
        image.metadata = {"skin": "dark" if number % 4 == 0 else "light"}
        image.save(update_fields=["metadata"])
    return study


@pytest.fixture
def browser(olga: User) -> Client:
    client = Client()
    client.force_login(olga)
    return client


def test_a_draw_over_kinds_takes_of_each_its_share(mixed: Study) -> None:
    drawn = golden_draw.draw(study=mixed, size=20, by="skin")
    kinds = [image.metadata["skin"] for image in drawn]
    assert (kinds.count("dark"), kinds.count("light")) == (5, 15)


def test_a_preview_is_what_is_drawn(mixed: Study) -> None:
    shares = golden_draw.preview(mixed, 11, "skin")
    assert [(share.stratum, share.images, share.golden) for share in shares] == [("dark", 25, 3), ("light", 75, 8)]
    assert not mixed.images.filter(is_golden=True).exists()


def test_of_near_duplicates_one_is_drawn_and_the_others_stay_out(mixed: Study) -> None:
    ids = list(mixed.images.order_by("pk").values_list("pk", flat=True))
    for start in range(0, 90, 3):
        Image.objects.filter(pk__in=ids[start : start + 3]).update(cluster=ids[start])
    drawn = golden_draw.draw(study=mixed, size=30)
    clusters = [image.cluster for image in drawn if image.cluster]
    assert len(clusters) == len(set(clusters)) > 0
    assert golden_draw.sidelined(mixed).count() == 2 * len(clusters)
    mixed.refresh_from_db()
    assert len(folds.plan(mixed).waiting.images) == 100 - 30 - 2 * len(clusters)


def test_a_set_chosen_by_hand_is_what_was_named(mixed: Study) -> None:
    drawn = golden_draw.choose(study=mixed, names=["img_3.jpg", "IMG_7.jpg", ""])
    assert {image.source_name for image in drawn} == {"IMG_3.jpg", "IMG_7.jpg"}


@pytest.mark.parametrize("names", [["IMG_3.jpg", "IMG_500.jpg"], []])
def test_names_that_do_not_fit_are_said_and_nothing_is_frozen(mixed: Study, names: list[str]) -> None:
    with pytest.raises(golden_draw.GoldenError, match=r"img_500\.jpg|golden set of 0"):
        golden_draw.choose(study=mixed, names=names)
    mixed.refresh_from_db()
    assert not mixed.golden_drawn_at


def test_near_duplicates_are_not_both_chosen(mixed: Study) -> None:
    mixed.images.filter(source_name__in=["IMG_3.jpg", "IMG_7.jpg"]).update(cluster=1)
    with pytest.raises(golden_draw.GoldenError, match="near-duplicates"):
        golden_draw.choose(study=mixed, names=["IMG_3.jpg", "IMG_7.jpg"])


def test_not_every_image_can_be_chosen(mixed: Study) -> None:
    for image in mixed.images.all():
        Image.objects.filter(pk=image.pk).update(source_name=f"day 1/{image.source_name}")
    with pytest.raises(golden_draw.GoldenError, match="from 1 to 99"):
        golden_draw.choose(study=mixed, names=[f"IMG_{n}.jpg" for n in range(100)])


def test_the_promise_is_the_hash_of_what_is_opened(mixed: Study) -> None:
    drawn = golden_draw.draw(study=mixed, size=10)
    promised = commitments.of(mixed)
    assert promised is not None
    assert promised.digest == hashlib.sha256(promised.opening.encode()).hexdigest()
    opened = json.loads(promised.opening)
    assert opened["golden_images_sha256"] == sorted(image.content_hash for image in drawn)
    assert len(opened["salt"]) == 64


def test_the_promise_is_shown_at_once_and_opened_at_the_end(mixed: Study, browser: Client) -> None:
    browser.post("/studies/acne/golden/draw/", {"size": 10, "by": ""})
    promised = commitments.of(mixed)
    assert promised is not None
    page = browser.get("/studies/acne/golden/").content.decode()
    assert promised.digest in page
    assert browser.get("/studies/acne/golden/opening.json").status_code == 404
    mixed.refresh_from_db()
    folds.deal(study=mixed)
    assert browser.post("/studies/acne/close/", {"slug": "acme", "reason": "All graded"}).status_code == 422
    browser.post("/studies/acne/close/", {"slug": "acne", "reason": "All graded"})
    opening = "/studies/acne/golden/opening.json"
    assert browser.get(opening)["Location"].startswith("/studies/acne/unblind/")
    builders.sign_in(browser, User.objects.get(username="olga"))
    browser.post("/studies/acne/unblind/", {"reason": "The study is over."})
    assert browser.get(opening).content.decode() == promised.opening


def test_who_chose_the_golden_images_can_not_read_the_study(mixed: Study, browser: Client, olga: User) -> None:
    browser.post("/studies/acne/golden/choose/", {"names": "IMG_3.jpg\nIMG_7.jpg"})
    assert unblinding.has_unblinded(mixed, olga)
    with pytest.raises(studies.StudyError, match="has seen which images"):
        studies.add_reader(study=mixed, user=olga)


def test_a_draw_that_can_not_be_is_refused_in_words(mixed: Study, browser: Client) -> None:
    answer = browser.post("/studies/acne/golden/draw/", {"size": 100, "by": ""})
    assert answer.status_code == 409
    assert "from 1 to 99" in answer.content.decode()
    assert "from 1 to 99" in browser.get("/studies/acne/golden/?size=200").content.decode()


def test_who_reads_the_study_does_not_see_the_golden_page(mixed: Study, ana: User) -> None:
    client = Client()
    client.force_login(ana)
    assert client.get("/studies/acne/golden/").status_code == 404
    mixed.admins.add(ana)
    assert client.get("/studies/acne/golden/").status_code == 403


def test_nobody_grades_in_a_closed_study(study: Study, ana: User) -> None:
    closing.close(study=study, reason="All graded")
    assignment = builders.reader_of(ana, study).assignments.earliest("position")
    with pytest.raises(refusals.ClosedError):
        label_store.record_label(assignment=assignment, version=0, submission=uuid4(), grade=3)
    client = Client()
    client.force_login(ana)
    sent = {"submission": uuid4(), "version": 0, "grade": 3}
    answer = client.post(f"/read/acne/{assignment.public_id}/label/", sent, headers={"Accept": "application/json"})
    assert answer.status_code == 410
    assert "closed" in answer.json()["error"]
    assert not Label.objects.exists()


def test_a_study_is_closed_once_and_by_command(study: Study) -> None:
    call_command("close_study", "acne", "--reason", "All graded")
    with pytest.raises(CommandError, match="was closed"):
        call_command("close_study", "acne", "--reason", "Again")


def test_an_admin_makes_a_study_in_the_browser(mixed: Study, browser: Client, olga: User) -> None:
    browser.post("/studies/new/", {"title": "The second", "slug": "second"})
    assert Study.objects.get(slug="second").admins.get() == olga
    assert "Golden set" in browser.get("/studies/second/").content.decode()
    taken = browser.post("/studies/new/", {"title": "The second", "slug": "second"})
    assert "There is a study second already" in taken.content.decode()
    stranger = Client()
    stranger.force_login(builders.make_user("stranger"))
    assert stranger.get("/studies/new/").status_code == 404


def test_a_promise_of_an_earlier_release_opens_as_it_was_written(study: Study, olga: User, browser: Client) -> None:
    study.admins.add(olga)
    opening = json.dumps({"study": "acne", "order_seed": 2019, "salt": "5a" * 32}, indent=1) + "\n"
    digest = hashlib.sha256(opening.encode()).hexdigest()
    Commitment.objects.filter(study=study).update(opening=opening, digest=digest)
    assert digest in browser.get("/studies/acne/golden/").content.decode()
    closing.close(study=study, reason="All graded")
    browser.post("/studies/acne/unblind/", {"reason": "The study is over."})
    assert browser.get("/studies/acne/golden/opening.json").content.decode() == opening
