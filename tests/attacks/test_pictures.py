"""Pictures that mean harm, through every door that takes one. tests/scoring/photograph has more of them."""

import io
import struct
from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image as PillowImage

from labeler.intake import importing
from labeler.models import AtlasPicture, Study
from scoring.photograph import decoding
from tests import builders

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>'
HTML = b"<!doctype html><script>alert(1)</script>"
Door = Callable[[bytes, str], str]


def segment(kind: int, content: bytes) -> bytes:
    return bytes((0xFF, kind)) + struct.pack(">H", len(content) + 2) + content


def many_scans(number: int, side: int = 256) -> bytes:
    """Return a progressive JPEG of one grey in which every scan after the first says again that nothing follows.

    A scan costs as much time as the picture has blocks, and a dozen bytes.
    """
    tables = segment(0xDB, bytes([0, *[1] * 64])) + segment(
        0xC2, struct.pack(">BHHB", 8, side, side, 1) + b"\x01\x11\x00"
    )
    codes = segment(0xC4, bytes([0x00, 1, *[0] * 15, 0])) + segment(0xC4, bytes([0x10, 1, *[0] * 15, 0xA0]))
    first = segment(0xDA, bytes([1, 1, 0, 0, 0, 0])) + bytes((side // 8) ** 2 // 8)
    nothing = segment(0xDA, bytes([1, 1, 0, 1, 1, 0])) + bytes(2)
    return b"\xff\xd8" + tables + codes + first + nothing * number + b"\xff\xd9"


def test_a_jpeg_of_endless_scans_is_refused_before_it_is_unpacked() -> None:
    assert decoding.decode(many_scans(decoding.MAX_SCANS - 1)).shape == (256, 256, 3)
    with pytest.raises(decoding.ImageError, match="made to take long"):
        decoding.decode(many_scans(decoding.MAX_SCANS))


def test_what_looks_like_scans_behind_a_photograph_costs_nothing() -> None:
    """A motion photo carries its film behind its end."""
    assert decoding.decode(builders.make_jpeg(1) + b"\xff\xda\x00\x02" * 1000).shape == (128, 96, 3)


def test_a_progressive_photograph_of_a_camera_is_taken() -> None:
    stream = io.BytesIO()
    PillowImage.open(io.BytesIO(builders.make_jpeg(1))).save(stream, "JPEG", progressive=True)
    assert decoding.decode(stream.getvalue()).shape == (128, 96, 3)


@pytest.mark.parametrize("data", [SVG, HTML, b"GIF89a" + HTML, b"\xff\xd8\xff" + HTML, b"%PDF-1.7", b"PK\x03\x04"])
@pytest.mark.parametrize("name", ["a.svg", "a.jpg", "a.html", "a.jpg.php", "a.jpg\x00.svg", "a.htaccess"])
def test_what_is_no_photograph_gets_in_by_no_name(as_olga: Client, study: Study, data: bytes, name: str) -> None:
    with pytest.raises(decoding.ImageError):
        importing.import_photograph(study=study, data=data, name=name.replace("\x00", ""))
    level = study.grade_levels.all()[0]
    sent = SimpleUploadedFile(name, data, content_type="image/svg+xml")
    answer = as_olga.post("/studies/acne/atlas/", {"level": level.pk, "picture": sent, "caption": ""})
    assert answer.status_code == 422
    assert not AtlasPicture.objects.exists()


def test_a_picture_that_is_also_a_page_is_made_anew(study: Study, as_olga: Client) -> None:
    """A polyglot: a JPEG with a page in its comment and behind its end. What a browser gets was drawn by us."""
    polyglot = builders.make_jpeg(5)
    polyglot = polyglot[:2] + segment(0xFE, b"*/" + HTML) + polyglot[2:] + HTML
    importing.import_photograph(study=study, data=polyglot, name="a.html")
    image = study.images.latest("pk")
    answer = as_olga.get(f"/studies/acne/images/{image.pk}/picture/")
    served = b"".join(answer)
    assert served.startswith(b"RIFF")
    assert b"script" not in served
    assert answer.headers["Content-Type"] == "image/webp"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "sandbox"
