"""The scoring API answers with numbers, or with one clear sentence."""

import json
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from scoring import faces, images, pipeline, tokens
from scoring.images import Selfie
from scoring.models import ApiToken, Regressor
from tests.builders import make_jpeg
from tests.scoring.builders import make_fitted, publish_one

pytestmark = pytest.mark.django_db
URL = "/api/v1/score"


@pytest.fixture
def plaintext() -> str:
    return tokens.make("an app", "acne", None)[1]


@pytest.fixture
def regressor() -> Regressor:
    return publish_one("acne", 21)


def post(data: bytes, token: str) -> tuple[int, dict[str, object]]:
    upload = SimpleUploadedFile("selfie.jpg", data, "image/jpeg")
    response = Client().post(URL, {"file": upload}, headers={"Authorization": f"Bearer {token}"})
    if response.status_code >= 400:
        assert response["Content-Type"] == "application/problem+json"
    return response.status_code, json.loads(response.content)


def test_a_selfie_gets_the_score_of_the_one_pipeline(plaintext: str, regressor: Regressor) -> None:
    data = make_jpeg(1)
    status, answer = post(data, plaintext)
    assert status == 200
    expected = pipeline.score_image(Selfie.of(data), make_fitted(21)).as_json()
    expected = json.loads(json.dumps({**expected, "regressor_id": regressor.pk}))
    assert answer == {name: expected[name] for name in answer}
    assert isinstance(answer["score"], float)
    assert isinstance(answer["grade"], int)


def test_nothing_of_the_selfie_is_kept(plaintext: str, regressor: Regressor, caplog: pytest.LogCaptureFixture) -> None:
    before = set(Path(settings.MEDIA_ROOT).rglob("*"))
    caplog.set_level("DEBUG", "scoring")
    post(make_jpeg(2) + bytes(3 * 2**20), plaintext)  # larger than what Django would keep in memory by itself
    assert set(Path(settings.MEDIA_ROOT).rglob("*")) == before
    assert "selfie" not in caplog.text


def test_the_upload_never_touches_the_disk(
    plaintext: str, regressor: Regressor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(settings, "FILE_UPLOAD_TEMP_DIR", str(tmp_path / "there is no such folder"))
    assert post(make_jpeg(2) + bytes(3 * 2**20), plaintext)[0] == 200


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer wrong", "Basic dXNlcjpwYXNz", "Bearer \u00e9"])
def test_without_a_token_nothing_opens(regressor: Regressor, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    response = Client().post(URL, {"file": SimpleUploadedFile("a.jpg", make_jpeg(1))}, headers=headers)
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"
    assert "token" in json.loads(response.content)["detail"]


def test_a_revoked_token_opens_nothing(plaintext: str, regressor: Regressor) -> None:
    tokens.revoke(ApiToken.objects.get())
    assert post(make_jpeg(1), plaintext)[0] == 401


def test_a_token_is_stored_as_a_hash_only(plaintext: str) -> None:
    row = ApiToken.objects.get()
    assert plaintext not in str(vars(row))
    assert tokens.find(plaintext) == row


def test_a_bad_image_is_refused_with_its_sentence(plaintext: str, regressor: Regressor) -> None:
    status, answer = post(b"<svg/>", plaintext)
    assert status == 422
    assert answer["detail"] == "This file is not a JPEG, PNG, WebP, HEIC or TIFF image."


@pytest.mark.parametrize("surplus", [1, 2**20])
def test_a_file_that_is_too_large_is_refused(plaintext: str, regressor: Regressor, surplus: int) -> None:
    status, answer = post(bytes(images.MAX_SELFIE_BYTES + surplus), plaintext)
    assert status == 413
    assert answer["detail"] == "The file is larger than 20 MB."


def test_a_missing_file_is_asked_for(plaintext: str, regressor: Regressor) -> None:
    response = Client().post(URL, {"photo": "x"}, headers={"Authorization": f"Bearer {plaintext}"})
    assert response.status_code == 422
    assert "`file`" in json.loads(response.content)["detail"]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + bytes(2**21)),
    ],
)
def test_a_malformed_body_is_the_callers_fault(plaintext: str, content_type: str, body: bytes) -> None:
    response = Client().post(URL, body, content_type=content_type, headers={"Authorization": f"Bearer {plaintext}"})
    assert response.status_code == 400
    assert "well-formed" in json.loads(response.content)["detail"]


def test_a_study_without_a_regressor_answers_that_it_is_not_ready(plaintext: str) -> None:
    status, answer = post(make_jpeg(1), plaintext)
    assert status == 503
    assert "Retrain" in str(answer["detail"])


def test_a_broken_installation_tells_the_operator_and_not_the_caller(
    plaintext: str,
    regressor: Regressor,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:

    monkeypatch.setenv("WEIGHTS_DIR", str(tmp_path))
    faces._dlib_models.cache_clear()
    status, answer = post(make_jpeg(1), plaintext)
    faces._dlib_models.cache_clear()
    assert status == 503
    assert str(tmp_path) not in str(answer)
    assert "make weights" in caplog.text


def test_the_openapi_document_states_every_error_as_a_problem() -> None:
    document = Client().get("/api/v1/openapi.json").json()
    responses = document["paths"]["/api/v1/score"]["post"]["responses"]
    assert set(responses) == {"200", "400", "401", "413", "422", "503"}
    assert all(
        list(answer["content"]) == ["application/problem+json"]
        for status, answer in responses.items()
        if status != "200"
    )


def test_there_is_no_page_that_loads_scripts_from_elsewhere() -> None:
    assert Client().get("/api/v1/docs").status_code == 404
