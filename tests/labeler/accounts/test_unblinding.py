"""What is golden is shown for a reason only, which stays in the log; never to who reads the study."""

import pytest
from django.test import Client
from django.urls import reverse

from labeler.accounts import unblinding
from labeler.models import AtlasPicture, AuditEvent, Study, User
from labeler.studies import atlas, studies
from scoring.photograph import decoding
from tests import builders
from training.runs import retrain

EXPORT = "/studies/acne/export/"
UNBLIND = "/studies/acne/unblind/"
GALLERY = "/studies/acne/gallery/"
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


def test_an_admin_made_a_reader_later_is_blind_at_once(as_olga: Client, olga: User) -> None:
    study = builders.make_study(images=3)
    study.admins.add(olga)
    unblinding.unblind(study=study, user=olga, session=(session := as_olga.session), reason=REASON)
    session.save()
    with pytest.raises(studies.StudyError, match="has seen which images"):
        studies.add_reader(study=study, user=olga)
    study.readers.create(user=olga, code="R01")
    assert as_olga.get(EXPORT).status_code == 403


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
