"""An image that is taken out is in no list, consensus, training or number; its history stays, and it can come back."""

import json
import re
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from labeler.accounts import unblinding
from labeler.exchange import export
from labeler.grading import consensus, label_store, queries, refusals
from labeler.images import consents, subjects
from labeler.models import Assignment, AuditEvent, Erasure, Image, Label, Reader, Study, User
from labeler.privacy import erasing, taking_out
from labeler.screening import gallery
from labeler.studies import progress
from scoring.platform import jobs
from tests import builders
from tests.training.builders import finish_run, give_grade, grade_everything
from training.fitting import dataset
from training.reports import reader_report, reporting_checklist, study_report

WHY = "Not a patient of this study."


@pytest.fixture
def graded(study: Study) -> Study:
    grade_everything(study)
    return study


def one(study: Study, *, is_golden: bool) -> Image:
    return study.images.filter(is_golden=is_golden, assignments__isnull=False).earliest("pk")


def withdraw(image: Image) -> None:
    Image.objects.filter(pk=image.pk).update(subject="P1")
    consents.record(study=image.study, subject="P1", scopes=["grading", "sharing"], by=None)


def agree_again(image: Image) -> None:
    consents.record(study=image.study, subject="P1", scopes=["grading", "training", "sharing"], by=None)


def out(image: Image) -> None:
    assert taking_out.take_out(image=image, reason=WHY, by=None)


def back(image: Image) -> None:
    assert taking_out.take_back(image=image, reason=WHY, by=None)


def uses(study: Study) -> dict[str, Any]:
    """Return of each thing that is made of labels which images are in it."""
    graded = dataset.load_graded_images(study)
    report = study_report.current(study)
    reader = study.readers.earliest("pk")
    return {
        "consensus": {row.content_hash for row in consensus.golden_consensus(study)},
        "grades": set(consensus.current_grades(study).values_list("assignment__image__content_hash", flat=True)),
        "export": {row[0] for row in export.CONSENSUS.rows(study)},
        "learned from": {image.content_hash for image in graded.ordinary},
        "judged on": {image.content_hash for image in graded.golden},
        "disputed": {doubt.image.content_hash for doubt in gallery.disputed(study)},
        "compared": [row.rmse.n for row in report.readers],
        "discussed": {row.assignment.image_id for row in reader_report.of(reader).discussed},
        "twice": reporting_checklist.of(study, report).twice,
    }


@pytest.mark.parametrize(("leave", "come_back"), [(out, back), (withdraw, agree_again)])
@pytest.mark.parametrize("is_golden", [True, False])
def test_what_left_is_used_nowhere_until_it_is_back(graded: Study, leave: Any, come_back: Any, is_golden: bool) -> None:
    image, labels, before = one(graded, is_golden=is_golden), Label.objects.count(), uses(graded)
    assert image.content_hash in before["grades"]
    leave(image)
    after = uses(graded)
    gone = {image.content_hash, export.image_code(graded, image.content_hash), image.pk}
    for name, was in before.items():
        if isinstance(was, set):
            assert after[name] == was - gone, name
    assert after["compared"] == [n - is_golden for n in before["compared"]]
    assert Label.objects.count() == labels
    come_back(image)
    assert uses(graded) == before


@pytest.mark.parametrize("is_golden", [True, False])
def test_an_image_leaves_lists_whatever_it_is(study: Study, reader: Reader, is_golden: bool) -> None:
    waiting = queries.upcoming(reader).filter(image__is_golden=is_golden)
    assignment = Assignment.objects.select_related("image", "reader__study").get(pk=waiting[0].pk)
    total = progress.reader_progress(reader).total
    out(assignment.image)
    assert assignment not in queries.upcoming(reader)
    assert progress.reader_progress(reader).total == total - 1
    assignment = Assignment.objects.select_related("image", "reader__study").get(pk=assignment.pk)
    with pytest.raises(refusals.TakenOutError):
        label_store.record_label(assignment=assignment, version=0, submission=uuid4(), grade=3)
    back(assignment.image)
    assert assignment in queries.upcoming(reader)
    assert progress.reader_progress(reader).total == total


def test_consent_does_not_bring_back_what_was_taken_out_nor_the_other_way_round(graded: Study, olga: User) -> None:
    image = one(graded, is_golden=False)
    out(image)
    withdraw(image)
    agree_again(image)
    consents.require(graded, is_needed=True, by=olga)
    consents.require(graded, is_needed=False, by=olga)
    image.refresh_from_db()
    assert (image.may_be_graded, image.may_be_trained_on, image.may_be_shared) == (False, False, True)
    withdraw(image)
    back(image)
    image.refresh_from_db()
    assert (image.may_be_graded, image.may_be_trained_on) == (True, False)


def test_who_was_erased_is_not_graded_or_learned_from_when_they_come_again(study: Study, olga: User) -> None:
    gone, other = builders.make_images(study, 2)
    Image.objects.filter(pk=gone.pk).update(subject="P7")
    asked = erasing.request_subject(study=study, subject="P7", reason="letter of 3 May", by=olga)
    claimed = jobs.claim(Erasure, asked.pk)
    assert claimed is not None
    erasing.erase(claimed)
    assert not study.consents.filter(subject="P7").exists()
    shut = {"may_be_graded": False, "may_be_trained_on": False, "may_be_shared": False}

    def marks() -> dict[str, bool]:
        return dict(Image.objects.filter(pk=other.pk).values(*shut).get())

    subjects.correct(image=other, subject="P7", by=olga)
    assert marks() == shut
    consents.require(study, is_needed=True, by=olga)
    consents.require(study, is_needed=False, by=olga)  # looks at the whole study
    assert marks() == shut
    Image.objects.filter(pk=other.pk).update(**dict.fromkeys(shut, True))
    consents.judge(Image.objects.get(pk=other.pk))
    assert marks() == shut
    consents.record(study=study, subject="P7", scopes=["grading", "training"], by=olga)  # they said so anew
    consents.apply(study)
    assert marks() == shut | {"may_be_graded": True, "may_be_trained_on": True}


def test_both_ways_are_logged_once_with_their_reason(study: Study, olga: User) -> None:
    image = one(study, is_golden=True)
    assert taking_out.take_out(image=image, reason=WHY, by=olga)
    assert not taking_out.take_out(image=image, reason=WHY, by=olga)
    assert taking_out.take_back(image=image, reason="It was right.", by=olga)
    assert not taking_out.take_back(image=image, reason=WHY, by=olga)
    acts = [(act.action, act.reason, act.user) for act in taking_out.history(image)]
    assert acts == [("image taken back in", "It was right.", olga), ("image taken out", WHY, olga)]


def test_the_report_shows_its_numbers_with_and_without(graded: Study) -> None:
    finish_run(graded)
    before = study_report.current(graded)
    assert before.left_out is None
    image = one(graded, is_golden=True)
    out(image)
    report = study_report.current(graded)
    left_out = report.left_out
    assert left_out is not None
    assert (left_out.images, left_out.golden_images) == (1, 1)
    assert [row.rmse.with_them for row in left_out.readers] == [row.rmse for row in before.readers]
    assert [row.rmse.without for row in left_out.readers] == [row.rmse for row in report.readers]
    assert (left_out.bar_with_them, left_out.bar_without) == (before.bar, report.bar)
    assert left_out.golden_rmse is not None
    assert before.machine_run is not None
    assert left_out.golden_rmse.with_them == before.machine_run.machine.golden_rmse
    assert left_out.golden_rmse.without.n == left_out.golden_rmse.with_them.n - 1
    finish_run(graded)  # which does not score it
    report = study_report.current(graded)
    assert report.left_out is not None
    assert report.left_out.golden_rmse is None


def pages(client: Client, study: Study) -> dict[str, str]:
    """Return what an admin sees that could differ."""
    readers = {f"training:reader {code}": code for code in study.readers.values_list("code", flat=True)}
    addresses = {
        name: reverse(name, args=["acne"]) for name in ("training:report_json", "study", "oversight", "readers")
    }
    addresses |= {name: reverse("training:reader", args=["acne", code]) for name, code in readers.items()}
    return {name: without_tokens(client.get(address).content) for name, address in addresses.items()}


def without_tokens(page: bytes) -> str:
    """Return a page without the tokens of its forms and times of day, which are new each time."""
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"|\b\d\d:\d\d\b', "", page.decode())


@pytest.mark.parametrize("is_graded", [True, False])
def test_who_has_not_unblinded_sees_the_same_whatever_the_image_is(
    as_olga: Client, study: Study, is_graded: bool
) -> None:
    if is_graded:
        grade_everything(study)
    else:
        for reader in study.readers.all():
            give_grade(queries.upcoming(reader)[0], 3)
    before = pages(as_olga, study)
    said = []
    for is_golden in (True, False):
        image = study.images.filter(is_golden=is_golden, assignments__is_done=is_graded).earliest("pk")
        address = reverse("take_out", args=["acne", image.pk])
        answers = [as_olga.get(address), as_olga.post(address, {"reason": WHY}), as_olga.get(address)]
        words = [without_tokens(answer.content) for answer in answers]
        said.append([one.replace(image.source_name, "NAME").replace(f"/{image.pk}/", "/PK/") for one in words])
        assert pages(as_olga, study) == before
        back(image)
    assert said[0] == said[1]


def test_the_report_without_it_is_for_who_has_unblinded(as_olga: Client, olga: User, graded: Study) -> None:
    out(one(graded, is_golden=True))
    address = reverse("training:report_json", args=["acne"])
    assert json.loads(as_olga.get(address).content)["left_out"] is None
    as_olga.post(reverse("unblind", args=["acne"]), {"reason": "To see what it changes."})
    assert unblinding.has_unblinded(graded, olga)
    assert json.loads(as_olga.get(address).content)["left_out"]["golden_images"] == 1
    assert "numbers with and without" in as_olga.get(reverse("training:report", args=["acne"])).content.decode()


def test_a_second_click_does_not_take_it_back_in(as_olga: Client, study: Study) -> None:
    image = one(study, is_golden=False)
    address = reverse("take_out", args=["acne", image.pk])
    assert b'name="is_taken_out" value="False"' in as_olga.get(address).content
    for _ in range(2):
        as_olga.post(address, {"reason": WHY, "is_taken_out": "False"})
        image.refresh_from_db()
        assert image.is_taken_out
    assert b'name="is_taken_out" value="True"' in as_olga.get(address).content
    as_olga.post(address, {"reason": WHY, "is_taken_out": "True"})
    image.refresh_from_db()
    assert not image.is_taken_out


def test_nothing_is_taken_out_without_a_reason(as_olga: Client, study: Study) -> None:
    image = one(study, is_golden=False)
    answer = as_olga.post(reverse("take_out", args=["acne", image.pk]), {"reason": ""})
    assert answer.status_code == 422
    image.refresh_from_db()
    assert not image.is_taken_out
    assert not AuditEvent.objects.filter(action=taking_out.OUT).exists()
