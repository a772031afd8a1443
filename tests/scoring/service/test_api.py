"""The scoring API answers with numbers, or with one clear sentence."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.conf import settings
from django.test import Client
from django.utils.html import escape
from PIL import Image

from scoring.models import Regressor, Scope, StoredSelfie
from scoring.photograph import decoding, faces
from scoring.photograph.decoding import Selfie
from scoring.regressor import pipeline, regressors
from scoring.regressor.heads import Network
from scoring.service import tokens
from scoring.service.api.scores import MOST_PHOTOGRAPHS
from scoring.service.score_json import SelfieScoreOut
from tests.builders import make_jpeg
from tests.scoring.builders import App, make_fitted, publish_one, upload

pytestmark = pytest.mark.django_db
URL = "/api/v1/score"
UPLOADS = [URL, "/api/v1/batch", "/api/v1/overlay", "/api/v1/jobs"]


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def regressor() -> Regressor:
    return publish_one("acne", 21)


def post(app: App, data: bytes, **fields: str) -> tuple[int, dict[str, Any]]:
    response = app.post(URL, {"file": upload(data), **fields})
    return response.status_code, json.loads(response.content)


def test_a_selfie_gets_the_score_of_the_one_pipeline(app: App, regressor: Regressor, selfie_bytes: bytes) -> None:
    status, answer = post(app, selfie_bytes)
    assert status == 200
    expected = pipeline.score_image(Selfie.of(selfie_bytes), replace(make_fitted(21), id=regressor.pk))
    assert answer == SelfieScoreOut.of(expected).model_dump(mode="json") | {"stored": None}
    assert isinstance(answer["score"], float)
    assert isinstance(answer["grade"], int)


def test_the_answer_has_everything_a_score_has(app: App, regressor: Regressor, selfie_bytes: bytes) -> None:
    _, answer = post(app, selfie_bytes)
    known = {"score", "grade", "interval", "abstains", "reasons", "patches", "dropped", "mode", "face", "turned"}
    assert set(answer) == known | {"quality", "recipe", "regressor_id", "stored"}
    assert set(answer["quality"]) == {"exposure", "contrast", "sharpness", "short_side", "faces", "face_size"}
    assert {patch["region"] for patch in answer["patches"]} >= {"forehead", "chin"}
    assert answer["mode"] == "landmarks"
    assert answer["face"][0] < answer["face"][2]


def test_where_the_machine_abstains_it_says_why_and_gives_no_number(app: App, regressor: Regressor) -> None:
    status, answer = post(app, make_jpeg(1))
    assert status == 200
    assert (answer["score"], answer["grade"], answer["interval"]) == (None, None, None)
    assert [patch["score"] for patch in answer["patches"]] == [None] * len(answer["patches"])
    assert {reason["code"] for reason in answer["reasons"]} >= {"no_face", "too_small"}
    assert answer["abstains"] is True


def test_nothing_of_the_selfie_is_stored(app: App, regressor: Regressor, caplog: pytest.LogCaptureFixture) -> None:
    before = set(Path(settings.MEDIA_ROOT).rglob("*"))
    caplog.set_level("DEBUG", "scoring")
    post(app, make_jpeg(2) + bytes(3 * 2**20))  # larger than what Django would keep in memory by itself
    assert set(Path(settings.MEDIA_ROOT).rglob("*")) == before
    assert not StoredSelfie.objects.exists()
    assert "selfie" not in caplog.text


def test_the_upload_never_touches_the_disk(
    app: App, regressor: Regressor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(settings, "FILE_UPLOAD_TEMP_DIR", str(tmp_path / "there is no such folder"))
    assert post(app, make_jpeg(2) + bytes(3 * 2**20))[0] == 200


def test_a_selfie_stays_where_its_person_agreed_until_it_is_erased(app: App, regressor: Regressor) -> None:
    data = make_jpeg(2)
    status, answer = post(app, data, store="true", consent="You may keep it.")
    assert status == 200
    row = StoredSelfie.objects.get()
    path = Path(settings.MEDIA_ROOT) / row.file
    assert (row.consent, str(row.public_id)) == ("You may keep it.", answer["stored"]["id"])
    assert path.read_bytes() == data
    assert path.stat().st_mode & 0o777 == 0o600
    assert App(name="another").send("DELETE", answer["stored"]["erase"]).status_code == 404
    assert app.send("DELETE", answer["stored"]["erase"]).status_code == 204
    assert not path.exists()
    assert not StoredSelfie.objects.exists()


@pytest.mark.parametrize("consent", ["", "   "])
def test_without_a_consent_nothing_is_stored(app: App, regressor: Regressor, consent: str) -> None:
    status, answer = post(app, make_jpeg(2), store="true", consent=consent)
    assert status == 422
    assert "consent" in answer["detail"]
    assert not StoredSelfie.objects.exists()


def test_storing_is_a_scope_of_its_own(regressor: Regressor) -> None:
    status, answer = post(App(Scope.SCORE), make_jpeg(2), store="true", consent="You may keep it.")
    assert status == 403
    assert "scope store" in answer["detail"]
    assert not StoredSelfie.objects.exists()


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer wrong", "Basic dXNlcjpwYXNz", "Bearer \u00e9"])
@pytest.mark.parametrize("address", UPLOADS)
def test_without_a_token_nothing_opens(regressor: Regressor, address: str, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    response = Client().post(address, {"file": upload(make_jpeg(1))}, headers=headers)
    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"
    assert response["Content-Type"] == "application/problem+json"
    assert "token" in json.loads(response.content)["detail"]


@pytest.mark.parametrize(
    ("address", "scope"), list(zip(UPLOADS, (Scope.SCORE, Scope.BATCH, Scope.OVERLAY, Scope.BATCH), strict=True))
)
def test_a_token_opens_what_its_scopes_name(regressor: Regressor, address: str, scope: Scope) -> None:
    others = App(*(set(Scope) - {scope}))
    response = others.post(address, {})
    assert response.status_code == 403
    assert response["WWW-Authenticate"] == f'Bearer error="insufficient_scope", scope="{scope}"'
    assert App(scope, name="the right one").post(address, {}).status_code == 422


def test_a_revoked_token_opens_nothing(app: App, regressor: Regressor) -> None:
    tokens.revoke(app.token)
    assert post(app, make_jpeg(1))[0] == 401


@pytest.mark.parametrize("surplus", [1, 2**20])
def test_a_file_that_is_too_large_is_refused(app: App, regressor: Regressor, surplus: int) -> None:
    status, answer = post(app, bytes(decoding.MAX_SELFIE_BYTES + surplus))
    assert status == 413
    assert answer["detail"] == "The file is larger than 20 MB."


@pytest.mark.parametrize("form", [{}, {"photo": "x"}, {"file": "a text"}])
def test_a_missing_file_is_asked_for(app: App, regressor: Regressor, form: dict[str, str]) -> None:
    response = app.post(URL, form)
    assert response.status_code == 422
    assert "`file`" in json.loads(response.content)["detail"]


def test_what_nobody_asked_for_is_refused(app: App, regressor: Regressor) -> None:
    status, answer = post(app, make_jpeg(1), stroe="true")
    assert status == 422
    assert answer["detail"].startswith("stroe")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + bytes(2**21)),
    ],
)
def test_a_malformed_body_is_the_callers_fault(app: App, content_type: str, body: bytes) -> None:
    response = app.send("POST", URL, data=body, content_type=content_type)
    assert response.status_code in {400, 413}


def test_a_body_of_another_kind_is_named(app: App) -> None:
    response = app.send("POST", URL, data=make_jpeg(1), content_type="image/jpeg")
    assert response.status_code == 415
    assert "multipart/form-data" in json.loads(response.content)["detail"]


def test_an_address_is_not_fetched_unless_that_was_turned_on(app: App, regressor: Regressor) -> None:
    response = app.post_json(URL, {"url": "https://photos.example/a.jpg"})
    assert response.status_code == 422
    assert "fetches no addresses" in json.loads(response.content)["detail"]


def test_a_study_without_a_regressor_answers_that_it_is_not_ready(app: App) -> None:
    status, answer = post(app, make_jpeg(1))
    assert status == 503
    assert "Retrain" in str(answer["detail"])


def test_a_broken_installation_tells_the_operator_and_not_the_caller(
    app: App,
    regressor: Regressor,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("WEIGHTS_DIR", str(tmp_path))
    faces._dlib_models.cache_clear()
    status, answer = post(app, make_jpeg(1))
    faces._dlib_models.cache_clear()
    assert status == 503
    assert str(tmp_path) not in str(answer)
    assert "make weights" in caplog.text


def test_each_photograph_of_a_batch_is_answered_as_if_alone(
    app: App, regressor: Regressor, selfie_bytes: bytes
) -> None:
    files = [upload(selfie_bytes, "a.jpg"), upload(b"<svg/>", "b.svg"), upload(make_jpeg(3), "c.jpg")]
    response = app.post("/api/v1/batch", {"files": files})
    first, second, third = json.loads(response.content)["results"]
    assert (first["name"], first["status"], first["problem"]) == ("a.jpg", 200, None)
    assert {**first["answer"], "stored": None} == post(app, selfie_bytes)[1]
    assert (second["name"], second["status"], second["answer"]) == ("b.svg", 422, None)
    assert "not a JPEG" in second["problem"]["detail"]
    assert third["answer"]["abstains"] is True


def test_a_batch_has_its_limit(app: App, regressor: Regressor) -> None:
    files = [upload(b"x", f"{number}.jpg") for number in range(MOST_PHOTOGRAPHS + 1)]
    response = app.post("/api/v1/batch", {"files": files})
    assert response.status_code == 422
    assert "1 to 32" in json.loads(response.content)["detail"]


def test_the_overlay_is_a_picture_of_the_selfie(app: App, regressor: Regressor, selfie_bytes: bytes) -> None:
    response = app.post("/api/v1/overlay", {"file": upload(selfie_bytes)})
    assert response["Content-Type"] == "image/png"
    assert response["Cache-Control"] == "private, no-store"
    with Image.open(io.BytesIO(selfie_bytes)) as selfie, Image.open(io.BytesIO(response.content)) as picture:
        assert picture.size == selfie.size


def test_a_request_goes_by_the_callers_number_or_by_a_new_one(app: App, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "scoring")
    assert app.post(URL, {}, **{"X-Request-ID": "order-7"})["X-Request-ID"] == "order-7"
    assert "POST /api/v1/score 422" in caplog.text
    forged = app.post(URL, {}, **{"X-Request-ID": "a\tERROR all is lost"})["X-Request-ID"]
    assert len(forged) == 32


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [("GET", "/api/v1/nothing", 404), ("GET", "/api/", 404), ("GET", URL, 405), ("PUT", URL, 405)],
)
def test_whatever_is_wrong_is_told_as_a_problem(app: App, method: str, address: str, status: int) -> None:
    response = app.send(method, address)
    told = json.loads(response.content)
    assert (response.status_code, told["status"]) == (status, status)
    assert told["detail"].endswith(".")
    assert ("Allow" in response) == (status == 405)


def test_a_fault_of_ours_is_a_problem_that_tells_nothing_of_us(app: App) -> None:
    too_narrow = Network(((np.zeros((7, 1), np.float32), np.zeros(1, np.float32)),))
    broken = replace(make_fitted(), predictor=too_narrow)
    regressors.publish(regressors.save(broken, study="acne", provenance={}))
    client = Client(raise_request_exception=False)
    response = client.post(URL, {"file": upload(make_jpeg(1))}, headers={"Authorization": f"Bearer {app.key}"})
    assert response.status_code == 500
    assert response["Content-Type"] == "application/problem+json"
    assert "matmul" not in response.content.decode()


def test_the_documentation_shows_every_operation() -> None:
    page = Client().get("/api/v1/docs").content.decode()
    document = Client().get("/api/v1/openapi.json").json()
    for path, methods in document["paths"].items():
        assert path in page
        for operation in methods.values():
            assert escape(operation["summary"]) in page
    assert "It needs the scope <code>store</code>." in page
    assert "`" not in page


def test_the_openapi_document_states_every_error_as_a_problem() -> None:
    document = Client().get("/api/v1/openapi.json").json()
    for methods in document["paths"].values():
        for operation in methods.values():
            errors = {int(status): answer for status, answer in operation["responses"].items() if int(status) >= 400}
            assert {401, 403, 429} <= set(errors)
            assert all(list(answer["content"]) == ["application/problem+json"] for answer in errors.values())
