"""Bodies that would fill the disk: refused by their length, before a page looks who sends them."""

from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from labeler.intake import uploads
from labeler.models import Reader, Study, User

LARGE = settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 2 * 2**20


class Unread:
    """A body of which no byte may be read."""

    def read(self, size: int = -1) -> bytes:
        raise AssertionError(f"{size} bytes of the body were asked for.")

    readline = read


def send(client: Client, address: str, size: int) -> int:
    """Send so large a form of one file, which must not be opened."""
    client.get("/accounts/login/")  # with a cookie for forms in hand, Django would look for the token in the body
    sent: dict[str, Any] = {"CONTENT_LENGTH": str(size), "wsgi.input": Unread()}
    return client.generic("POST", address, b"", "multipart/form-data; boundary=b", **sent).status_code


@pytest.mark.parametrize(
    "address", ["/", "/accounts/login/", "/nowhere/", "/studies/acne/images/", "/studies/acne/atlas/"]
)
def test_a_stranger_fills_no_disk(study: Study, address: str) -> None:
    assert send(Client(), address, LARGE) == 413


@pytest.mark.parametrize("address", ["/studies/acne/images/", "/studies/acne/images/metadata/", "/read/acne/"])
def test_nor_does_a_reader(as_ana: Client, reader: Reader, address: str) -> None:
    assert send(as_ana, address, LARGE) == 413


def test_nor_does_an_admin_where_nothing_large_belongs(as_olga: Client, study: Study) -> None:
    assert send(as_olga, "/studies/new/", LARGE) == 413
    assert send(as_olga, "/studies/acne/images/metadata/", 10**9) == 413


def test_an_admin_sends_a_piece_of_a_file(as_olga: Client, olga: User, study: Study) -> None:
    into = uploads.begin(study=study, by=olga)
    piece = bytes(4 * 2**20)
    address = f"/studies/acne/imports/{into.pk}/upload/?name=a.zip&size=9000000&offset=0"
    answer = as_olga.post(address, piece, content_type="application/octet-stream")
    assert answer.json() == {"here": len(piece)}
