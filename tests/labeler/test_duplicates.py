"""The same photograph, changed, is marked as a near-duplicate; a person's word parts what only looks alike."""

import io
from pathlib import Path

import pytest
from django.core.management import call_command
from PIL import Image as PillowImage
from PIL import ImageOps

from labeler import duplicates
from labeler.models import Image, SimilarPair, Study
from tests import builders


@pytest.fixture
def photographed(db: None, tmp_path: Path) -> Study:
    """Return a study of two photographs, the first of them also mirrored and encoded again."""
    study = builders.make_study()
    first = builders.make_jpeg(1, size=(300, 400))
    mirrored = io.BytesIO()
    ImageOps.mirror(PillowImage.open(io.BytesIO(first))).save(mirrored, "JPEG", quality=40)
    files = {"a.jpg": first, "b.jpg": mirrored.getvalue(), "c.jpg": builders.make_jpeg(2, size=(300, 400))}
    builders.import_photographs(study, files, tmp_path)
    call_command("find_duplicates", study.slug)
    return study


def clusters(study: Study) -> list[int | None]:
    return list(study.images.order_by("source_name").values_list("cluster", flat=True))


def test_a_mirrored_copy_is_in_the_cluster_of_its_original(photographed: Study) -> None:
    original = Image.objects.get(source_name="a.jpg")
    assert clusters(photographed) == [original.pk, original.pk, None]


def test_images_called_distinct_stay_apart_when_it_is_run_again(photographed: Study) -> None:
    SimilarPair.objects.update(verdict=SimilarPair.Verdict.DISTINCT)
    assert duplicates.find(study=photographed) == 0
    assert clusters(photographed) == [None, None, None]


def test_a_study_without_measures_has_no_near_duplicates(db: None) -> None:
    assert duplicates.find(study=builders.make_study(images=3)) == 0
