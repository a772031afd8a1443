"""What a subject agrees to decides whether readers meet their images and whether anything learns from them."""

from datetime import date
from uuid import uuid4

import pytest
from django.test import Client

from labeler.dealing import changes, folds, joining_and_leaving, undo
from labeler.golden_set import golden_draw
from labeler.grading import queries
from labeler.images import consents, subjects
from labeler.intake import metadata
from labeler.intake.metadata import Unjoined
from labeler.models import AuditEvent, Consent, Image, Reader, Study, User
from labeler.person_codes import pseudonyms
from labeler.studies import progress
from tests import builders
from tests.labeler.oversight.test_progress_report import say
from training.fitting import dataset

EVERYTHING = ("grading", "training", "sharing")


def agree(study: Study, subject: str, *scopes: str) -> None:
    consents.record(study=study, subject=subject, scopes=scopes, by=None)


def marks(image: Image) -> tuple[bool, bool, bool]:
    image.refresh_from_db()
    return image.may_be_graded, image.may_be_trained_on, image.may_be_shared


@pytest.fixture
def undealt(ana: User, ben: User, olga: User) -> Study:
    """Return a study of 12 images, two each of P1 to P6, that is neither drawn nor dealt."""
    study = builders.make_study(readers=(ana, ben), images=12)
    for number, image in enumerate(study.images.all()):
        Image.objects.filter(pk=image.pk).update(subject=f"P{1 + number // 2}")
    study.admins.add(olga)
    return study


def test_the_latest_word_counts(undealt: Study) -> None:
    image = undealt.images.filter(subject="P1")[0]
    assert marks(image) == (True, True, True)
    agree(undealt, "P1", "grading")
    assert marks(image) == (True, False, False)
    agree(undealt, "P1", *EVERYTHING)
    assert marks(image) == (True, True, True)
    agree(undealt, "P1")
    assert marks(image) == (False, False, False)
    assert [str(said) for said in consents.history(undealt, "P1")] == [
        "nothing",
        "grading, sharing, training",
        "grading",
    ]


def test_without_consent_nothing_is_drawn_or_dealt(undealt: Study) -> None:
    agree(undealt, "P1", "training")
    golden_draw.draw(study=undealt, size=4)
    folds.deal(study=undealt)
    dealt = set(undealt.images.exclude(assignments=None).values_list("subject", flat=True))
    assert dealt == {"P2", "P3", "P4", "P5", "P6"}


def test_where_consent_is_needed_silence_is_none(undealt: Study, olga: User) -> None:
    agree(undealt, "P2", *EVERYTHING)
    consents.require(undealt, is_needed=True, by=olga)
    allowed = undealt.images.filter(may_be_graded=True, may_be_trained_on=True)
    assert set(allowed.values_list("subject", flat=True)) == {"P2"}
    fresh = builders.make_images(undealt, 1)[0]
    undealt.refresh_from_db()
    consents.judge(Image.objects.get(pk=fresh.pk))
    assert marks(fresh) == (False, False, False)
    subjects.correct(image=fresh, subject="P2", by=olga)
    assert marks(fresh) == (True, True, True)
    consents.require(undealt, is_needed=False, by=olga)
    assert not undealt.images.filter(may_be_graded=False).exists()
    assert AuditEvent.objects.filter(action__startswith="consent is").count() == 2


def test_a_reader_meets_the_image_no_more_and_their_list_is_shorter(study: Study, reader: Reader) -> None:
    first, second = list(queries.upcoming(reader))[:2]
    say(second, 3)
    for assignment in (first, second):
        Image.objects.filter(pk=assignment.image_id).update(subject="P1")
    total = progress.reader_progress(reader).total
    agree(study, "P1", "training")
    assert first not in queries.upcoming(reader)
    assert not queries.lately_graded(reader).exists()
    now = progress.reader_progress(reader)
    assert (now.done, now.total) == (1, total - 1)
    agree(study, "P1", *EVERYTHING)
    assert queries.upcoming(reader)[0] == first
    assert progress.reader_progress(reader).total == total


def test_a_reader_can_finish_a_list_with_images_that_are_left_out(study: Study, reader: Reader) -> None:
    Image.objects.filter(pk=queries.upcoming(reader)[0].image_id).update(subject="P1")
    agree(study, "P1")
    for assignment in list(queries.upcoming(reader)):
        say(assignment, 3)
    assert progress.reader_progress(reader).is_finished


def test_the_browser_is_told_that_the_image_is_gone(as_ana: Client, study: Study, reader: Reader) -> None:
    assignment = queries.upcoming(reader)[0]
    Image.objects.filter(pk=assignment.image_id).update(subject="P1")
    agree(study, "P1")
    assert as_ana.get(f"/read/acne/{assignment.public_id}/image/").status_code == 410
    answer = as_ana.post(
        f"/read/acne/{assignment.public_id}/label/",
        {"submission": uuid4(), "version": 0, "grade": 3},
        headers={"Accept": "application/json"},
    )
    assert answer.status_code == 410
    assert "took their consent back" in answer.json()["error"]
    assert not assignment.labels.exists()


def test_a_leaving_readers_images_without_consent_go_to_nobody(study: Study, reader: Reader) -> None:
    shut = next(one for one in queries.upcoming(reader) if not one.image.is_golden)
    Image.objects.filter(pk=shut.image_id).update(subject="P1")
    agree(study, "P1")
    joining_and_leaving.leave(reader=reader, reason="On leave")
    assert not shut.image.assignments.filter(withdrawn_in=None).exists()
    reader.refresh_from_db()
    assert reader.skipped == 0


def test_nothing_is_learned_from_who_does_not_agree_to_it(study: Study) -> None:
    for image in study.images.all():
        for assignment in image.assignments.all():
            say(assignment, 3)
    ordinary = study.images.filter(is_golden=False).earliest("pk")
    judged = study.images.filter(is_golden=True).earliest("pk")
    for number, image in enumerate((ordinary, judged)):
        Image.objects.filter(pk=image.pk).update(subject=f"P{number}")
        agree(study, f"P{number}", "grading", "sharing")
    graded = dataset.load_graded_images(study)
    assert ordinary.content_hash not in {image.content_hash for image in graded.ordinary}
    assert judged.content_hash not in {image.content_hash for image in graded.golden}
    assert graded.left_out == (ordinary.content_hash,)
    assert graded.golden_left_out == (judged.content_hash,)


def join(study: Study, text: str) -> metadata.JoinReport:
    return builders.join_metadata(study, text)


def test_consent_comes_with_metadata(undealt: Study) -> None:
    table = (
        "file,subject,Consent,consent_date,consent_source,age\n"
        "IMG_0.jpg,P1,grading training,2026-05-01,form 17,31\n"
        "IMG_1.jpg,P1,grading,2026-05-01,form 17,31\n"
        "IMG_2.jpg,P2,none,,,\n"
        "IMG_4.jpg,,all,,,\n"
    )
    report = join(undealt, table)
    assert report.consents == {"grading": 1, "nothing": 1, "grading, sharing, training": 1}
    said = {consent.subject: consent for consent in consents.latest(undealt)}
    assert (said["P1"].scopes, said["P1"].given_on, said["P1"].source) == (["grading"], date(2026, 5, 1), "form 17")
    assert said["P2"].scopes == []
    assert said["P3"].scopes == sorted(EVERYTHING)
    assert undealt.images.get(source_name="IMG_0.jpg").metadata == {"age": "31"}
    assert marks(undealt.images.get(source_name="IMG_3.jpg")) == (False, False, False)
    assert not join(undealt, table).consents


def test_a_consent_of_nobody_is_named(study: Study) -> None:
    refused = join(study, "file,consent\nIMG_0.jpg,all\n").refused
    assert [(row.line, row.name, row.why) for row in refused] == [(2, "IMG_0.jpg", Unjoined.WITHOUT_SUBJECT + ".")]
    assert not Consent.objects.exists()


def test_the_log_knows_subjects_by_pseudonyms(undealt: Study, olga: User) -> None:
    image = undealt.images.filter(subject="P1")[0]
    subjects.correct(image=image, subject="Grace Hopper", by=olga)
    agree(undealt, "Grace Hopper", "grading")
    said = " ".join(AuditEvent.objects.filter(study=undealt).values_list("detail", flat=True))
    assert "Grace" not in said
    assert pseudonyms.of_subject(undealt, "Grace Hopper") in said


def test_a_dealing_that_is_taken_back_leaves_no_list_shorter(study: Study, reader: Reader) -> None:
    Image.objects.filter(pk=queries.upcoming(reader)[0].image_id).update(subject="P1")
    agree(study, "P1")
    reader.refresh_from_db()
    assert reader.skipped == 1
    dealing = changes.latest(study)
    assert dealing is not None
    undo.take_back(dealing=dealing)
    reader.refresh_from_db()
    assert reader.skipped == 0
