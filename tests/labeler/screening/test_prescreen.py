"""Limits drop images, a person's word goes over them, and every decision is kept with who and why."""

from dataclasses import fields

import pytest

from labeler.dealing import folds
from labeler.golden_set import golden_draw
from labeler.models import Image, Measurement, PrescreenDecision, Study, User
from labeler.screening import prescreen
from scoring.photograph.quality import Quality
from tests import builders
from training.reports import reader_numbers


@pytest.fixture
def measured(db: None) -> Study:
    """Return a study of four images, the sharper the later."""
    study = builders.make_study(images=4)
    for number, image in enumerate(study.images.all()):
        Measurement.objects.create(
            image=image, exposure=0.5, contrast=0.2, sharpness=-4 + number, short_side=900, faces=1, face_size=0.5,
            fingerprint=b"",
        )  # fmt: skip
    return study


def kept(study: Study) -> list[bool]:
    return list(study.images.values_list("is_kept", flat=True))


def test_what_is_measured_of_a_photograph_has_a_column_and_may_have_limits() -> None:
    columns = {field.name for field in Measurement._meta.get_fields()} - {"image", "fingerprint"}
    assert {field.name for field in fields(Quality)} == columns == set(prescreen.NAMES)
    assert set(reader_numbers.MEASURED) < columns


def test_limits_drop_what_is_outside_and_say_for_what(measured: Study, olga: User) -> None:
    dropped = prescreen.set_limits(study=measured, limits={"sharpness": (-2.5, None), "faces": (1, 1)}, by=olga)
    assert dropped == 2
    assert kept(measured) == [False, False, True, True]
    assert list(measured.images.values_list("failed", flat=True)) == ["sharpness", "sharpness", "", ""]


def test_other_limits_bring_images_back(measured: Study, olga: User) -> None:
    prescreen.set_limits(study=measured, limits={"sharpness": (-2.5, None)}, by=olga)
    prescreen.set_limits(study=measured, limits={"sharpness": (None, -1.5)}, by=olga)
    assert kept(measured) == [True, True, True, False]
    assert measured.prescreen_rules.count() == 2


def test_a_persons_word_goes_over_the_limits_and_can_be_taken_back(measured: Study, olga: User) -> None:
    worst = Image.objects.order_by("pk").first()
    assert worst is not None
    prescreen.decide(study=measured, images=[worst.pk], is_kept=True, by=olga, reason="the only severe case")
    prescreen.set_limits(study=measured, limits={"sharpness": (-2.5, None)}, by=olga)
    assert kept(measured) == [True, False, True, True]
    prescreen.decide(study=measured, images=[worst.pk], is_kept=None, by=olga, reason="there are others")
    assert kept(measured) == [False, False, True, True]
    assert [row.reason for row in PrescreenDecision.objects.order_by("pk")] == [
        "the only severe case",
        "there are others",
    ]


def test_a_decision_needs_a_reason(measured: Study, olga: User) -> None:
    with pytest.raises(prescreen.PrescreenError, match="why"):
        prescreen.decide(study=measured, images=[1], is_kept=False, by=olga, reason=" ")


def test_a_dealt_image_is_not_dropped(study: Study, olga: User) -> None:
    golden = study.images.filter(is_golden=True).first()
    assert golden is not None
    with pytest.raises(prescreen.PrescreenError, match="They stay"):
        prescreen.decide(study=study, images=[golden.pk], is_kept=False, by=olga, reason="blurred")
    assert not PrescreenDecision.objects.exists()


def test_limits_that_no_image_can_keep_are_refused(measured: Study) -> None:
    with pytest.raises(prescreen.PrescreenError, match="above the largest"):
        prescreen.set_limits(study=measured, limits={"exposure": (0.9, 0.1)}, by=None)


def test_a_dropped_image_is_neither_golden_nor_dealt(ana: User, olga: User) -> None:
    study = builders.make_study(readers=(ana,), images=6)
    dropped = list(study.images.values_list("pk", flat=True)[:3])
    prescreen.decide(study=study, images=dropped, is_kept=False, by=olga, reason="blurred")
    golden_draw.draw(study=study, size=1)
    folds.deal(study=study)
    dealt = set(builders.reader_of(ana, study).assignments.values_list("image", flat=True))
    assert dealt == set(prescreen.kept(study).values_list("pk", flat=True))
    assert len(dealt) == 3
