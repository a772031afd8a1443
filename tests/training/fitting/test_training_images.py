"""The database keeps golden images out of training, whatever a program asks of it."""

from pathlib import Path

import pytest
from django.db import IntegrityError, connection, transaction

from labeler.models import Image, Study, User
from tests.training.builders import photographed_study, retrain_without_ms2019
from training.models import TrainingImage, TrainingRun


def test_a_run_writes_down_what_it_learns_from(ana: User, ben: User, tmp_path: Path) -> None:
    study = photographed_study((ana, ben), tmp_path / "photographs", images=24, golden_size=8)
    run = retrain_without_ms2019(study)
    assert run.report is not None
    images = run.report["images"]
    assert run.training_images.count() == images["ordinary"]
    assert not run.training_images.filter(image__is_golden=True).exists()


def test_a_golden_image_can_not_be_put_in(study: Study) -> None:
    run = TrainingRun.objects.create(study=study)
    golden = study.images.filter(is_golden=True).earliest("pk")
    with pytest.raises(IntegrityError, match="no_golden_image_is_trained_on"), transaction.atomic():
        TrainingImage.objects.create(run=run, image=golden)
    with pytest.raises(IntegrityError, match="nothing_golden_is_trained_on"), transaction.atomic():
        TrainingImage.objects.create(run=run, image=golden, is_golden=True)


def test_what_was_trained_on_can_not_become_golden(study: Study) -> None:
    run = TrainingRun.objects.create(study=study)
    ordinary = study.images.filter(is_golden=False).earliest("pk")
    TrainingImage.objects.create(run=run, image=ordinary)
    with pytest.raises(IntegrityError, match="no_golden_image_is_trained_on"), transaction.atomic():
        Image.objects.filter(pk=ordinary.pk).update(is_golden=True)
    with connection.cursor() as cursor, transaction.atomic():
        cursor.execute("UPDATE labeler_image SET width = width WHERE id = %s", [ordinary.pk])
