"""Every kind of file has a defined answer over HTTP."""

import io
import json
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from scoring.photograph.decoding import MAX_SELFIE_BYTES, turned
from tests.builders import make_jpeg
from tests.scoring.builders import App, publish_one, upload
from tests.scoring.photograph.test_decoding import REFUSED, saved

pytestmark = pytest.mark.django_db
URL = "/api/v1/score"


@pytest.fixture
def app() -> App:
    publish_one("acne")
    return App()


def score(app: App, data: bytes, name: str = "selfie.jpg", content_type: str = "image/jpeg") -> tuple[int, Any]:
    file = upload(data, name)
    file.content_type = content_type
    response = app.post(URL, {"file": file})
    return response.status_code, json.loads(response.content)


def rgb16(photo: Image.Image) -> bytes:
    """Return a TIFF of 16 bits a channel, as raw converters write it."""
    written, data = cv2.imencode(".tiff", np.asarray(photo)[..., ::-1].astype(np.uint16) * 257)
    assert written
    return data.tobytes()


def grey16(photo: Image.Image) -> bytes:
    return saved(Image.fromarray(np.asarray(photo.convert("L")).astype(np.uint16) * 257), "PNG")


TAKEN: dict[str, Callable[[Image.Image], bytes]] = {
    "PNG": lambda photo: saved(photo, "PNG"),
    "WebP": lambda photo: saved(photo, "WEBP", quality=95),
    "TIFF": lambda photo: saved(photo, "TIFF"),
    "HEIC": lambda photo: saved(photo, "HEIF", quality=95),
    "16-bit grey": grey16,
    "16-bit colour": rgb16,
    "CMYK": lambda photo: saved(photo.convert("CMYK"), "JPEG", quality=95),
    "palette": lambda photo: saved(photo.convert("P", palette=Image.Palette.ADAPTIVE), "PNG"),
    "alpha": lambda photo: saved(photo.convert("RGBA"), "PNG"),
    "grey with alpha": lambda photo: saved(photo.convert("LA"), "PNG"),
    "progressive": lambda photo: saved(photo, "JPEG", progressive=True, quality=95),
    "HTML behind it": lambda photo: saved(photo, "JPEG", quality=95) + b"<script>alert(1)</script>",
}


@pytest.fixture(scope="session")
def photo(selfie_bytes: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(selfie_bytes))
    picture.thumbnail((640, 640))
    return picture


@pytest.fixture
def face(app: App, photo: Image.Image) -> list[int]:
    """Return where the face is, as the API finds it in a JPEG."""
    box: list[int] = score(app, saved(photo, "JPEG", quality=95))[1]["face"]
    return box


@pytest.mark.parametrize("kind", TAKEN)
def test_the_face_is_the_same_in_every_kind_of_file(app: App, photo: Image.Image, face: list[int], kind: str) -> None:
    status, answer = score(app, TAKEN[kind](photo))
    assert status == 200
    assert answer["face"] == pytest.approx(face, abs=15)


@pytest.mark.parametrize("orientation", [2, 3, 6, 8])
def test_a_turned_camera_changes_nothing(app: App, photo: Image.Image, face: list[int], orientation: int) -> None:
    """The picture is stored turned, and its EXIF says how to turn it back."""
    back = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180}
    turn = back | {6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(photo.transpose(turn[orientation]), "JPEG", quality=95, exif=exif.tobytes())
    assert score(app, data)[1]["face"] == pytest.approx(face, abs=15)


@pytest.mark.parametrize(
    ("turn", "kind"), [(1, "PNG"), (2, "progressive"), (3, "HEIC"), (2, "16-bit colour"), (1, "TIFF"), (3, "WebP")]
)
def test_a_photograph_that_lies_is_scored_as_the_upright_one(
    app: App, photo: Image.Image, turn: int, kind: str
) -> None:
    lying = Image.fromarray(turned(np.asarray(photo), turn))
    sent, straight = score(app, TAKEN[kind](lying))[1], score(app, TAKEN[kind](photo))[1]
    assert (sent["turned"], straight["turned"]) == (360 - 90 * turn, 0)
    assert sent["score"] == pytest.approx(straight["score"], abs=0.05)
    assert sent["face"] == pytest.approx(straight["face"], abs=5)
    assert [patch["region"] for patch in sent["patches"]] == [patch["region"] for patch in straight["patches"]]
    for ours, theirs in zip(sent["patches"], straight["patches"], strict=True):
        assert ours["box"] == pytest.approx(theirs["box"], abs=8)


def test_an_overlay_shows_the_photograph_as_it_was_turned(app: App, photo: Image.Image) -> None:
    pictures = []
    for turn in (0, 1, 2):
        data = saved(Image.fromarray(turned(np.asarray(photo), turn)), "PNG")
        answer = app.post("/api/v1/overlay", {"file": upload(data)})
        pictures.append(np.asarray(Image.open(io.BytesIO(answer.content))))
    assert all(np.array_equal(picture, pictures[0]) for picture in pictures)


SMALL = {name: case for name, case in REFUSED.items() if len(case[0]) <= MAX_SELFIE_BYTES and case[0]}


@pytest.mark.parametrize(("data", "sentence"), SMALL.values(), ids=SMALL)
def test_a_hostile_file_is_refused_with_a_sentence(app: App, data: bytes, sentence: str) -> None:
    status, problem = score(app, data)
    assert status == 422
    assert sentence in problem["detail"]


@pytest.mark.parametrize("content_type", ["text/html", "image/svg+xml", "application/x-sh", "", "nonsense"])
def test_what_a_file_is_called_does_not_matter(app: App, content_type: str) -> None:
    assert score(app, make_jpeg(1), "../../etc/passwd.php", content_type)[0] == 200
    assert score(app, b"<script>alert(1)</script>", "selfie.jpg", content_type)[0] == 422


def test_an_empty_file_is_refused(app: App) -> None:
    status, problem = score(app, b"")
    assert status == 422
    assert problem["detail"] == "This file is empty."


def test_a_hostile_file_is_refused_as_an_overlay_too(app: App) -> None:
    response = app.post("/api/v1/overlay", {"file": upload(REFUSED["pixel flood"][0])})
    assert response.status_code == 422
    assert "65 million pixels" in response.content.decode()
