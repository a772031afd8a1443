"""A photograph's bytes by a web server in front: who may see it is asked here, and no browser learns where it lies."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from pytest_django import Settings

from labeler.grading import queries
from labeler.models import Reader
from tests import builders, object_storage


@pytest.fixture
def picture(reader: Reader) -> tuple[str, str]:
    """Return where ana's browser asks for her next image, and where that lies in storage."""
    assignment = queries.next_assignment(reader)
    assert assignment is not None
    return f"/read/acne/{assignment.public_id}/image/", f"{assignment.image.rendition}-full"


def test_nginx_is_told_of_a_file_in_the_folder(as_ana: Client, picture: tuple[str, str], settings: Settings) -> None:
    settings.HAND_OVER = "x-accel-redirect"
    answer = as_ana.get(picture[0])
    assert answer.headers["X-Accel-Redirect"] == f"/photographs/{picture[1]}"
    assert (answer.headers["Content-Type"], answer.content) == ("image/webp", b"")
    assert {"private", "no-store"} <= set(answer.headers["Cache-Control"].split(", "))


def test_apache_is_told_of_it_by_its_path(as_ana: Client, picture: tuple[str, str], settings: Settings) -> None:
    settings.HAND_OVER = "x-sendfile"
    assert as_ana.get(picture[0]).headers["X-Sendfile"] == default_storage.path(picture[1])


@pytest.mark.parametrize("kind", ["x-accel-redirect", "x-sendfile"])
def test_nobody_elses_request_names_a_file(picture: tuple[str, str], kind: str, settings: Settings) -> None:
    settings.HAND_OVER = kind
    for client in (Client(), builders.sign_in(Client(), builders.make_user("eve"))):
        answer = client.get(picture[0])
        assert answer.status_code in {302, 404}
        assert not {"X-Accel-Redirect", "X-Sendfile"} & set(answer.headers)


def test_object_storage_is_asked_by_an_address_that_is_good_for_a_minute(
    as_ana: Client, picture: tuple[str, str], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in object_storage.KEYS.items():
        monkeypatch.setenv(name, value)
    with object_storage.serve() as address:
        object_storage.bucket(address, "files").put_object(Key=picture[1], Body=b"a picture")
        options = {"bucket_name": "files", "endpoint_url": address}
        s3 = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
        settings.STORAGES = settings.STORAGES | {"default": s3}
        settings.HAND_OVER, settings.MEDIA_BUCKET = "x-accel-redirect", "files"
        told = as_ana.get(picture[0]).headers["X-Accel-Redirect"]
    assert re.fullmatch(rf"/object-storage/http/127\.0\.0\.1:\d+/files/{picture[1]}\?.*", told)
    query = parse_qs(urlsplit(told).query)
    assert query.keys() & {"X-Amz-Signature", "Signature"}
    assert query.get("X-Amz-Expires", ["60"]) == ["60"]
