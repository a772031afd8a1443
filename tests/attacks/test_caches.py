"""Nothing of one person's is kept for another: not by a cache that is led astray, nor by a header of the request."""

from collections.abc import Iterable

import pytest
from django.core.exceptions import SuspiciousFileOperation
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client

from labeler.grading import queries
from labeler.models import Reader, Study, User
from tests import builders

# What servers before us have taken a page's address and host from, against all advice.
ASTRAY = {
    "X-Forwarded-Host": "evil.example",
    "X-Host": "evil.example",
    "X-Original-URL": "/log/",
    "X-Rewrite-URL": "/log/",
    "X-HTTP-Method-Override": "POST",
    "Forwarded": "host=evil.example",
    "X-Forwarded-Prefix": "//evil.example",
    "X-Script-Name": "//evil.example",
}


@pytest.fixture
def picture(reader: Reader) -> str:
    """Return where ana's browser gets her next image."""
    assignment = queries.next_assignment(reader)
    assert assignment is not None
    default_storage.save(f"{assignment.image.rendition}-full", ContentFile(builders.make_jpeg(7)))
    return f"/read/acne/{assignment.public_id}/image/"


def read(answer: Iterable[bytes]) -> bytes:
    return b"".join(answer)


def test_a_readers_image_is_nobody_elses(as_ana: Client, ben: User, olga: User, picture: str) -> None:
    answer = as_ana.get(picture)
    assert read(answer)
    assert {"private", "no-store"} <= set(answer.headers["Cache-Control"].split(", "))
    assert "ETag" not in answer.headers
    for other in (Client(), builders.sign_in(Client(), ben), builders.sign_in(Client(), olga)):
        assert other.get(picture).status_code in {302, 404, 410}
        assert other.get(picture, headers={"Range": "bytes=0-10", "If-None-Match": "*"}).status_code in {302, 404, 410}


@pytest.mark.parametrize("tail", ["a.css", "x.jpg", ";.css", "%2e.css", "..%2fstatic/site/site.css", "?/site.css"])
def test_an_address_that_looks_like_a_static_file_is_none(as_ana: Client, picture: str, tail: str) -> None:
    """Web cache deception: a cache in front keeps what ends in .css, for every user."""
    answer = as_ana.get(picture + tail)
    if answer.status_code != 404:
        assert "no-store" in answer.headers["Cache-Control"]
        read(answer)


@pytest.mark.parametrize("address", ["/", "/accounts/login/", "/read/acne/", "/nowhere/", "/.well-known/security.txt"])
@pytest.mark.parametrize("header", ASTRAY)
def test_no_header_leads_a_page_astray(as_ana: Client, reader: Reader, address: str, header: str) -> None:
    answer = as_ana.get(address, headers={header: ASTRAY[header]})
    assert answer.status_code == as_ana.get(address).status_code
    assert b"evil.example" not in answer.content
    assert "evil.example" not in str(answer.headers)


NAMES = [
    "../labeler/settings.py",
    "..%2flabeler/settings.py",
    "%2e%2e/manage.py",
    "css/..%5c..%5cmanage.py",
    "/etc/passwd",
]


@pytest.mark.parametrize("name", NAMES)
def test_no_name_climbs_out_of_the_static_files(client: Client, study: Study, name: str) -> None:
    assert client.get(f"/static/{name}").status_code == 404


@pytest.mark.parametrize("name", ["../settings.py", "/etc/passwd", "originals/../../x"])
def test_no_name_climbs_out_of_the_storage(name: str) -> None:
    with pytest.raises(SuspiciousFileOperation):
        default_storage.save(name, ContentFile(b"x"))
