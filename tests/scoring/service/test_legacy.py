"""The published service's address answers in its shape, where it is on."""

import ast
import json
from collections.abc import Iterator
from typing import Any

import pytest

from scoring.models import Scope
from scoring.photograph.decoding import Selfie
from scoring.regressor.pipeline import score_image
from tests.builders import make_jpeg
from tests.scoring.builders import App, make_fitted, publish_one
from tests.scoring.photograph import hostile
from tests.scoring.photograph.hostile import Hostile

pytestmark = pytest.mark.django_db


@pytest.fixture
def app(settings: Any) -> App:
    settings.LEGACY_API = settings.OUTBOUND = True
    settings.OUTBOUND_NETWORKS = [hostile.NETWORK]
    publish_one("acne")
    return App(Scope.LEGACY)


@pytest.fixture
def server(selfie_bytes: bytes) -> Iterator[Hostile]:
    hostile.REPLIES["/selfie.jpg"] = hostile.whole(selfie_bytes)
    hostile.REPLIES["/noise.jpg"] = hostile.whole(make_jpeg(1))
    with hostile.server() as running:
        yield running


@pytest.mark.parametrize("path", ["/selfie.jpg", "/selfie.jpg?size=large&v=2"])
def test_everything_in_the_answer_is_a_string(app: App, server: Hostile, selfie_bytes: bytes, path: str) -> None:
    response = app.get(f"/url/ImageURL=http://127.0.0.1:{server.port}{path}")
    answer = json.loads(response.content)
    assert list(answer) == ["face_loc", "image_dim", "image_score", "patch_score"]
    assert all(isinstance(value, str) for value in answer.values())
    selfie = Selfie.of(selfie_bytes)
    expected = score_image(selfie, make_fitted(1))
    height, width = selfie.pixels.shape[:2]
    assert ast.literal_eval(answer["image_dim"]) == [height, width]
    patches = ast.literal_eval(answer["patch_score"])
    for patch, (x_min, x_max, y_min, y_max, score) in zip(expected.patches, patches, strict=True):
        assert patch.box == (x_min, y_min, x_max, y_max)
        assert score == round(patch.score, 2)
    assert float(answer["image_score"]) == pytest.approx(expected.score, abs=0.011)
    left, right, top, bottom = ast.literal_eval(answer["face_loc"])
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height
    assert path.encode() in server.requests[0]


def test_a_proxy_that_merges_slashes_does_no_harm(app: App, server: Hostile) -> None:
    assert app.get(f"/url/ImageURL=http:/127.0.0.1:{server.port}/selfie.jpg").status_code == 200


def test_where_the_machine_abstains_it_says_so(app: App, server: Hostile) -> None:
    response = app.get(f"/url/ImageURL=http://127.0.0.1:{server.port}/noise.jpg")
    assert response.status_code == 422
    assert "No face was found" in json.loads(response.content)["detail"]


@pytest.mark.parametrize("target", ["http://127.0.0.2/", "file:///etc/passwd", "http://169.254.169.254/", "x", ""])
def test_it_fetches_nothing_that_may_not_be_fetched(app: App, target: str) -> None:
    assert app.get(f"/url/ImageURL={target}").status_code == 422


def test_it_is_not_there_unless_it_is_on(app: App, settings: Any) -> None:
    settings.LEGACY_API = False
    assert app.get("/url/ImageURL=https://photos.example/a.jpg").status_code == 404


def test_it_needs_its_scope(app: App) -> None:
    assert App(Scope.SCORE, name="another").get("/url/ImageURL=https://photos.example/a.jpg").status_code == 403


def test_the_address_of_a_photograph_is_not_in_the_log(
    app: App, server: Hostile, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    app.get(f"/url/ImageURL=http://127.0.0.1:{server.port}/noise.jpg?patient=7")
    assert "GET /url/ 422" in caplog.text
    assert "patient" not in caplog.text
