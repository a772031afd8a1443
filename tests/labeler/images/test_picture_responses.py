"""A picture's bytes: no two assignments get the same; a web server in front sends those that only admins see.

Who may see a picture is always asked here, and no browser learns where it lies.
"""

import io
import re
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.http import StreamingHttpResponse
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage
from pytest_django import Settings

from labeler.grading import queries, window
from labeler.images import picture_responses, preprocessing, renditions
from labeler.models import Assignment, Reader, Study
from scoring.photograph import decoding, formats
from tests import builders, object_storage

HAND_OVER = ("", "x-accel-redirect", "x-sendfile")


def photograph(kind: str) -> bytes:
    """Return a photograph in one of the formats that people send."""
    picture, file = PillowImage.open(io.BytesIO(builders.make_jpeg(3))), io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


@pytest.fixture
def whole(reader: Reader) -> list[Assignment]:
    """Return both readers' lists, each with a second reading, and store a picture of every image."""
    for one in (reader, reader.study.readers.exclude(pk=reader.pk).get()):
        first = one.assignments.order_by("position")[0]
        one.assignments.create(image=first.image, is_repeat=True, position=one.assignments.count() + 1)
    prepared = preprocessing.prepare(photograph("JPEG"))
    for image in reader.study.images.all():
        for size, data in prepared.renditions.items():
            default_storage.save(renditions.storage_name(image.rendition, size), ContentFile(data))
    return list(Assignment.objects.select_related("image", "reader__user"))


def body(response: StreamingHttpResponse) -> bytes:
    return b"".join(response)


@pytest.mark.parametrize("hand_over", HAND_OVER)
def test_no_two_assignments_get_the_same_bytes_or_as_many(
    whole: list[Assignment], study: Study, settings: Settings, hand_over: str
) -> None:
    """Every image here is the same photograph: what repeats and golden images are, only more so."""
    settings.HAND_OVER = hand_over
    answers = {}
    for assignment in whole:
        as_reader = builders.sign_in(Client(), assignment.reader.user)
        session = as_reader.session
        session[window.WHOLE_LIST] = True
        session.save()
        answer = as_reader.get(f"/read/acne/{assignment.public_id}/image/")
        answers[assignment.pk] = body(answer)  # type: ignore[arg-type]
        assert int(answer.headers["Content-Length"]) == len(answers[assignment.pk])
        assert not {"ETag", "Last-Modified", "X-Accel-Redirect", "X-Sendfile"} & set(answer.headers)
    assert len({len(data) for data in answers.values()}) == len(whole)
    assert len({np.asarray(PillowImage.open(io.BytesIO(data))).tobytes() for data in answers.values()}) == 1


@pytest.mark.parametrize("kind", [one.pillow for one in formats.FORMATS if one.pillow in PillowImage.SAVE])
def test_what_is_padded_shows_the_same_pixels(kind: str) -> None:
    for size, data in preprocessing.prepare(photograph(kind)).renditions.items():
        name = default_storage.save(size, ContentFile(data))
        padded = body(picture_responses.padded_webp(name, assignment=7))
        assert padded != data
        assert np.array_equal(decoding.decode(padded), decoding.decode(data))
        assert int.from_bytes(padded[4:8], "little") + 8 == len(padded)


@given(st.integers(0, 2**62), st.integers(1, picture_responses.LENGTHS - 1))
def test_two_assignments_have_two_lengths(first: int, apart: int) -> None:
    assert picture_responses._place(first) != picture_responses._place(first + apart)


def test_lengths_are_a_permutation_of_the_installations_own(settings: Settings) -> None:
    ours = [picture_responses._place(number) for number in range(picture_responses.LENGTHS)]
    assert sorted(ours) == list(range(picture_responses.LENGTHS))
    settings.SECRET_KEY = "another installation's"
    assert ours != [picture_responses._place(number) for number in range(picture_responses.LENGTHS)]


def test_lengths_do_not_follow_the_order_of_assignments() -> None:
    places = np.array([picture_responses._place(number) for number in range(2000)])
    assert abs(np.corrcoef(places[:-1], places[1:])[0, 1]) < 0.1
    assert len(set(np.diff(places).tolist())) > 1000


@pytest.mark.parametrize("hand_over", HAND_OVER)
def test_an_example_of_the_atlas_may_be_handed_over(
    study: Study, as_ana: Client, settings: Settings, hand_over: str
) -> None:
    name = default_storage.save("atlas", ContentFile(b"a picture"))
    picture = study.grade_levels.all()[0].atlas_pictures.create(file=name)
    settings.HAND_OVER = hand_over
    answer = as_ana.get(f"/read/acne/atlas/{picture.pk}/")
    told: dict[str, Callable[[], str]] = {
        "x-accel-redirect": lambda: answer.headers["X-Accel-Redirect"],
        "x-sendfile": lambda: answer.headers["X-Sendfile"],
    }
    if hand_over:
        assert told[hand_over]() in {f"/photographs/{name}", default_storage.path(name)}
        assert answer.content == b""
    else:
        assert body(answer) == b"a picture"  # type: ignore[arg-type]
    assert {"private", "no-store"} <= set(answer.headers["Cache-Control"].split(", "))


@pytest.mark.parametrize("kind", HAND_OVER)
def test_nobody_elses_request_names_a_file(reader: Reader, kind: str, settings: Settings) -> None:
    settings.HAND_OVER = kind
    for client in (Client(), builders.sign_in(Client(), builders.make_user("eve"))):
        answer = client.get(f"/read/acne/{queries.upcoming(reader)[0].public_id}/image/")
        assert answer.status_code in {302, 404}
        assert not {"X-Accel-Redirect", "X-Sendfile"} & set(answer.headers)


def test_object_storage_is_asked_by_an_address_that_is_good_for_a_minute_and_padded_for_readers(
    study: Study, as_ana: Client, reader: Reader, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in object_storage.KEYS.items():
        monkeypatch.setenv(name, value)
    assignment = queries.upcoming(reader)[0]
    picture = study.grade_levels.all()[0].atlas_pictures.create(file="example")
    rendition = next(iter(preprocessing.prepare(photograph("JPEG")).renditions.values()))
    with object_storage.serve() as address:
        bucket = object_storage.bucket(address, "files")
        bucket.put_object(Key="example", Body=b"a picture")
        bucket.put_object(Key=f"{assignment.image.rendition}-full", Body=rendition)
        options = {"bucket_name": "files", "endpoint_url": address}
        s3 = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
        settings.STORAGES = settings.STORAGES | {"default": s3}
        settings.HAND_OVER, settings.MEDIA_BUCKET = "x-accel-redirect", "files"
        told = as_ana.get(f"/read/acne/atlas/{picture.pk}/").headers["X-Accel-Redirect"]
        padded = body(as_ana.get(f"/read/acne/{assignment.public_id}/image/"))  # type: ignore[arg-type]
    assert re.fullmatch(r"/object-storage/http/127\.0\.0\.1:\d+/files/example\?.*", told)
    query = parse_qs(urlsplit(told).query)
    assert query.keys() & {"X-Amz-Signature", "Signature"}
    assert query.get("X-Amz-Expires", ["60"]) == ["60"]
    assert padded[8:].startswith(rendition[8:])
    assert len(padded) > len(rendition)
