"""The atlas: who fills it, who sees it, and what is refused."""

import io
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from PIL import Image as PillowImage

from labeler.models import AtlasPicture, Study, User
from labeler.studies import atlas
from scoring.photograph import decoding
from tests import builders

PAGE = "/studies/acne/atlas/"


@pytest.fixture
def example(study: Study) -> AtlasPicture:
    pixels = decoding.decode(builders.make_jpeg(1))
    return atlas.add_picture(level=study.grade_levels.get(value=3), pixels=pixels, caption="Papules on the chin.")


def address(example: AtlasPicture) -> str:
    return f"/read/acne/atlas/{example.pk}/"


def upload(client: Client, study: Study, data: bytes) -> HttpResponse:
    level = study.grade_levels.get(value=5)
    file = SimpleUploadedFile("patient Jane Doe.jpg", data, content_type="image/jpeg")
    answer = client.post(PAGE, {"level": level.pk, "picture": file, "caption": "Nodules."})
    assert isinstance(answer, HttpResponse)
    return answer


def test_an_admin_adds_a_picture_and_nothing_else_of_the_file_is_kept(as_olga: Client, study: Study) -> None:
    assert upload(as_olga, study, builders.make_jpeg(2, size=(1500, 2000))).headers["Location"] == PAGE
    example = AtlasPicture.objects.get()
    assert (example.level.value, example.caption) == (5, "Nodules.")
    assert "Jane" not in example.file
    with default_storage.open(example.file) as file:
        picture = PillowImage.open(io.BytesIO(file.read()))
    assert (picture.format, picture.size) == ("WEBP", (900, 1200))


def test_a_file_that_is_no_picture_is_refused_with_its_reason(as_olga: Client, study: Study) -> None:
    answer = upload(as_olga, study, b"<svg onload='alert(1)'>")
    assert answer.status_code == 422
    assert b"not a JPEG, PNG, WebP, HEIC or TIFF image" in answer.content
    assert not AtlasPicture.objects.exists()


def test_a_reader_gets_the_pictures_with_the_grading_scale(as_ana: Client, example: AtlasPicture) -> None:
    page = as_ana.get("/read/acne/").content.decode()
    assert address(example) in page
    assert "Papules on the chin." in page
    answer = as_ana.get(address(example))
    assert b"".join(answer)[8:12] == b"WEBP"
    assert answer.headers["Content-Type"] == "image/webp"
    assert answer.headers["Cache-Control"] == "private, no-store"


def test_a_reader_of_another_study_gets_404(as_cleo: Client, cleo: User, example: AtlasPicture) -> None:
    builders.make_study("other", readers=(cleo,))
    assert as_cleo.get(address(example)).status_code == 404
    assert as_cleo.get(address(example).replace("acne", "other")).status_code == 404


def test_only_who_runs_the_study_fills_the_atlas(as_ana: Client, study: Study, example: AtlasPicture) -> None:
    assert as_ana.get(PAGE).status_code == 404
    assert upload(as_ana, study, builders.make_jpeg(2)).status_code == 404
    assert as_ana.post(f"{PAGE}{example.pk}/remove/").status_code == 404
    assert AtlasPicture.objects.get() == example


@pytest.mark.django_db(transaction=True)
def test_a_removed_picture_leaves_no_file(as_olga: Client, example: AtlasPicture) -> None:
    assert Path(default_storage.path(example.file)).exists()
    as_olga.post(f"{PAGE}{example.pk}/remove/")
    assert not AtlasPicture.objects.exists()
    assert not Path(default_storage.path(example.file)).exists()


def test_an_admin_of_another_study_removes_nothing_here(cleo: User, as_cleo: Client, example: AtlasPicture) -> None:
    builders.make_study("other").admins.add(cleo)
    assert as_cleo.post(f"/studies/other/atlas/{example.pk}/remove/").status_code == 404
    assert AtlasPicture.objects.get() == example
