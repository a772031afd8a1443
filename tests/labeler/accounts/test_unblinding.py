"""What is golden is shown for a reason only, which stays in the log; never to who reads the study."""

import re
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from labeler.accounts import access, unblinding
from labeler.dealing import joining_and_leaving, undo
from labeler.grading import label_store, queries
from labeler.models import AtlasPicture, AuditEvent, Role, Study, User
from labeler.studies import atlas, studies
from scoring.photograph import decoding
from tests import builders
from training.runs import retrain

EXPORT = "/studies/acne/export/"
UNBLIND = "/studies/acne/unblind/"
GALLERY = "/studies/acne/gallery/"
REPORT = "/studies/acne/report/"
ACCEPT = "/read/acne/accept/"
REASON = "The study is over."


def unblind(client: Client, *, onwards: str = GALLERY, reason: str = REASON) -> str:
    answer = client.post(UNBLIND, {"reason": reason, "next": onwards})
    assert answer.status_code == 302
    return str(answer["Location"])


@pytest.fixture
def reading_admin(study: Study, as_ana: Client, ana: User) -> Client:
    """Return the browser of ana, who reads the study and runs it."""
    study.admins.add(ana)
    return as_ana


def test_the_export_asks_for_a_reason_first(as_olga: Client, study: Study) -> None:
    asked = as_olga.get(EXPORT)
    assert asked.status_code == 302
    page = as_olga.get(asked["Location"])
    assert b"This tells which images are golden" in page.content
    assert f'value="{EXPORT}"'.encode() in page.content


def test_a_reason_opens_the_export_and_stays_in_the_log(as_olga: Client, olga: User, study: Study) -> None:
    assert unblind(as_olga, onwards=EXPORT) == EXPORT
    answer = as_olga.get(EXPORT)
    assert b"".join(answer.streaming_content).startswith(b"PK")  # type: ignore[attr-defined]
    events = AuditEvent.objects.exclude(user=None).order_by("pk").values_list("user", "action", "reason")
    assert list(events) == [(olga.pk, "unblinded", REASON), (olga.pk, "exported the study", "")]


def test_a_reason_counts_for_one_session_and_one_study(as_olga: Client, olga: User, study: Study) -> None:
    builders.make_study("other").admins.add(olga)
    unblind(as_olga)
    assert as_olga.get("/studies/other/export/").status_code == 302
    elsewhere = Client()
    elsewhere.force_login(olga)
    assert elsewhere.get(EXPORT).status_code == 302


@pytest.mark.parametrize("reason", ["", "   ", "why", "x" * 301])
def test_no_reason_opens_nothing(as_olga: Client, study: Study, reason: str) -> None:
    assert as_olga.post(UNBLIND, {"reason": reason, "next": EXPORT}).status_code == 422
    assert as_olga.get(EXPORT).status_code == 302
    assert not AuditEvent.objects.exclude(user=None).exists()


def test_golden_is_shown_and_filtered_only_after_unblinding(as_olga: Client, study: Study) -> None:
    blind = as_olga.get(GALLERY).content
    assert b"GOLDEN" not in blind
    assert b'name="golden"' not in blind
    assert blind.count(b"/picture/") == 10
    asked = as_olga.get(GALLERY, {"golden": "yes"})
    assert f"{UNBLIND}?next=" in asked["Location"]
    unblind(as_olga)
    seeing = as_olga.get(GALLERY, {"golden": "yes"}).content
    assert seeing.count(b"/picture/") == seeing.count(b"GOLDEN") == 3
    golden = study.images.filter(is_golden=True).earliest("pk")
    assert b"Golden" in as_olga.get(f"/studies/acne/images/{golden.pk}/").content


@pytest.mark.parametrize("asked", [{"reader": "1"}, {"grade": "2"}, {"not_gradable": "blurred"}])
def test_what_several_readers_said_finds_images_only_after_unblinding(
    as_olga: Client, study: Study, asked: dict[str, str]
) -> None:
    if "reader" in asked:
        asked = {"reader": str(study.readers.get(code="R01").pk)}
    (name,) = asked
    assert f'name="{name}"'.encode() not in as_olga.get(GALLERY).content
    assert f"{UNBLIND}?next=" in as_olga.get(GALLERY, asked)["Location"]
    unblind(as_olga)
    assert f'name="{name}"'.encode() in as_olga.get(GALLERY, asked).content


@pytest.mark.parametrize("address", [EXPORT, UNBLIND, "/studies/acne/report/", "/studies/acne/report/numbers.json"])
def test_an_admin_who_reads_the_study_never_sees_it(reading_admin: Client, address: str) -> None:
    answer = reading_admin.get(address)
    assert answer.status_code == 403
    assert b"You read this study yourself" in answer.content


def test_an_admin_who_reads_the_study_can_give_no_reason(reading_admin: Client) -> None:
    assert reading_admin.post(UNBLIND, {"reason": REASON, "next": EXPORT}).status_code == 403
    assert not AuditEvent.objects.exclude(user=None).exists()


def test_an_admin_who_knows_what_is_golden_can_not_become_a_reader(as_olga: Client, olga: User) -> None:
    study = builders.make_study(images=3)
    study.admins.add(olga)
    unblinding.unblind(study=study, user=olga, session=(session := as_olga.session), reason=REASON)
    session.save()
    with pytest.raises(studies.StudyError, match="has seen which images"):
        studies.add_reader(study=study, user=olga)
    study.readers.create(user=olga, code="R01")  # before she knew
    assert as_olga.post(ACCEPT).status_code == 200
    assert not access.reads(olga, study)
    assert as_olga.get(EXPORT).status_code == 200


def test_nobody_is_shut_out_who_did_not_accept(as_olga: Client, olga: User, study: Study) -> None:
    auditor = User.objects.create_user(username="audi", roles=[Role.AUDITOR, Role.READER])
    root = User.objects.create_superuser(username="root")
    for person in (auditor, root):
        said = as_olga.post("/studies/acne/readers/", {"username": person.username}, follow=True)
        assert b"They are asked to accept before they read" in said.content
        browser = builders.sign_in(Client(), person)
        assert browser.get(REPORT).status_code == 200
        assert browser.get("/studies/acne/log/").status_code == 200
        assert browser.get("/read/acne/").headers["Location"] == ACCEPT
        assert browser.get(ACCEPT).status_code == 200
        assert browser.get(REPORT).status_code == 200  # asked, and not accepted


def test_who_saw_grades_reads_for_a_reason_that_others_see(as_olga: Client, olga: User, study: Study) -> None:
    assert as_olga.get(REPORT).status_code == 200
    joining_and_leaving.admit(study=study, user=olga)
    assert as_olga.post(ACCEPT).status_code == 422
    assert as_olga.post(ACCEPT, {"reason": "We are only three."}).headers["Location"] == "/read/acne/"
    assert as_olga.get(REPORT).status_code == 403
    assert as_olga.get("/read/acne/").status_code == 200
    page = as_olga.get("/studies/acne/readers/").content.decode()
    assert "SAW GRADES BEFORE" in page
    assert "We are only three." in page
    root = builders.sign_in(Client(), User.objects.create_superuser(username="root"))
    printed = root.get("/studies/acne/report/print/").content.decode()
    assert "Had seen readers' grades before they began: R03." in printed
    event = AuditEvent.objects.get(action="accepted to read")
    assert (event.user, event.reason) == (olga, "We are only three.")


def test_a_reader_who_left_oversees_again(as_olga: Client, olga: User, study: Study) -> None:
    reader = joining_and_leaving.admit(study=study, user=olga)
    assert as_olga.post(ACCEPT).status_code == 302
    assert as_olga.get(REPORT).status_code == 403
    leaving = joining_and_leaving.leave(reader=reader, reason="Only tried it.")
    assert as_olga.get(REPORT).status_code == 200
    undo.take_back(dealing=leaving, reason="She reads after all.")
    assert as_olga.get("/read/acne/").headers["Location"] == ACCEPT
    assert as_olga.post(ACCEPT).status_code == 422  # she saw grades meanwhile, so it takes a reason


def test_an_admin_who_adds_themself_is_warned_first(as_olga: Client, olga: User, study: Study) -> None:
    answer = as_olga.post("/studies/acne/readers/", {"username": "olga"})
    assert answer.status_code == 422
    assert b"you no longer see grades" in answer.content
    assert not study.readers.filter(user=olga).exists()
    assert as_olga.post("/studies/acne/readers/", {"username": "olga", "is_sure": "on"}).status_code == 302
    assert as_olga.get(REPORT).status_code == 200  # until she accepts


@pytest.mark.parametrize("graded", [0, 1, 3, 6])
def test_nothing_that_a_blinded_person_sees_of_an_image_tells_whether_it_is_golden(
    as_olga: Client, study: Study, graded: int
) -> None:
    """At no stage of reading does what the pages say of an image differ between golden and ordinary ones."""
    for reader in study.readers.all():
        for assignment in queries.upcoming(reader)[:graded]:
            label_store.record_label(assignment=assignment, version=0, submission=uuid4(), grade=3)
    shown: dict[str, set[bool]] = {}
    for image in study.images.all():
        page = as_olga.get(f"/studies/acne/images/{image.pk}/").content.decode()
        for one_of_a_kind in (image.source_name, f"/{image.pk}/", image.content_hash):
            page = page.replace(one_of_a_kind, "it")
        shown.setdefault(re.sub(r"[A-Za-z0-9+/_=-]{32,}", "secret", page), set()).add(image.is_golden)
    assert list(shown.values()) == [{True, False}]
    gallery = as_olga.get("/studies/acne/gallery/").content.decode()
    rows = re.findall(r"<li>\s*<a href=\"/studies/acne/images/\d+/\".*?</li>", gallery, re.DOTALL)
    assert len(rows) == study.images.count()
    assert len({re.sub(r"IMG_\d+|/\d+/", "it", row) for row in rows}) == 1


@pytest.mark.parametrize("page", ["unblind/", "export/"])
def test_strangers_and_readers_find_nothing(client: Client, ana: User, cleo: User, study: Study, page: str) -> None:
    assert client.get(f"/studies/acne/{page}").status_code == 302
    for person in (ana, cleo):
        client.force_login(person)
        assert client.get(f"/studies/acne/{page}").status_code == 404


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "javascript:alert(1)", ""])
def test_nobody_is_led_to_another_site(as_olga: Client, study: Study, elsewhere: str) -> None:
    assert unblind(as_olga, onwards=elsewhere) == reverse("study", args=["acne"])


def test_what_admins_do_is_in_the_log(study: Study, olga: User) -> None:
    pixels = decoding.decode(builders.make_jpeg(1))
    picture = atlas.add_picture(level=study.grade_levels.get(value=3), pixels=pixels, by=olga)
    atlas.remove_picture(AtlasPicture.objects.get(pk=picture.pk), by=olga)
    run = retrain.request(study=study, requested_by=olga)
    retrain.request(study=study, requested_by=olga)  # the same run
    assert list(AuditEvent.objects.exclude(user=None).order_by("pk").values_list("user", "action", "detail")) == [
        (olga.pk, "added an atlas picture", "of 3 Mild"),
        (olga.pk, "removed an atlas picture", "of 3 Mild"),
        (olga.pk, "asked for retraining", str(run)),
    ]
