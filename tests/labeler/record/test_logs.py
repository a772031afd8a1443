"""No face, and no name of a photograph, gets into a log or an error page, whatever goes wrong with an image."""

import base64
import logging
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from labeler import tasks
from labeler.models import Study, User
from labeler.privacy import erasing
from scoring.models import Regressor, Scope
from scoring.service import tokens
from tests import builders

NAME = "Grace Hopper, left cheek.jpg"
PIECE = 24  # bytes: no text of ours holds so many of a photograph's by chance


def shown_in(text: str, data: bytes) -> bool:
    """Whether any piece of the bytes stands in the text, as they are or as programs write bytes."""
    pieces = [data[start : start + PIECE] for start in range(len(data) // 2, len(data) - PIECE, PIECE)]
    whole = base64.b64encode(data).decode()
    encoded = [whole[start : start + 32] for start in range(len(whole) // 2, len(whole) - 32, 32)]
    plain = [piece.decode("latin-1") for piece in pieces] + [repr(piece)[2:-1] for piece in pieces]
    return any(piece in text for piece in [*plain, *(piece.hex() for piece in pieces), *encoded])


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog


@pytest.fixture
def photographed(study: Study, tmp_path: Path) -> Study:
    builders.import_photographs(study, {NAME: builders.make_jpeg(1)}, tmp_path)
    return study


def test_the_check_itself_finds_bytes() -> None:
    data = builders.make_jpeg(1)
    for text in (data.decode("latin-1"), repr(data), data.hex(), base64.b64encode(data).decode()):
        assert shown_in(text, data)
    assert not shown_in("The image can't be read.", data)


def test_a_photograph_that_can_not_be_read_is_not_quoted(
    study: Study, tmp_path: Path, log: pytest.LogCaptureFixture
) -> None:
    data = builders.make_jpeg(1)[:-900]
    report = builders.import_photographs(study, {NAME: data}, tmp_path)
    (refusal,) = report.refused
    assert not shown_in(log.text + refusal.reason, data)
    assert NAME not in log.text


def test_a_view_that_fails_over_a_photograph_tells_the_log_no_more_than_its_random_name(
    photographed: Study, olga: User, log: pytest.LogCaptureFixture
) -> None:
    image = photographed.images.get(source_name=NAME)
    data = builders.make_jpeg(1)
    default_storage.delete(f"{image.rendition}-full")
    client = builders.sign_in(Client(raise_request_exception=False), olga)
    answer = client.get(f"/studies/acne/images/{image.pk}/picture/")
    assert answer.status_code == 500
    assert "FileNotFoundError" in log.text
    assert not shown_in(log.text + answer.content.decode(), data)
    assert NAME not in log.text + answer.content.decode()


def test_an_app_that_sends_a_photograph_to_a_broken_scorer_leaves_none_in_the_log(
    study: Study, log: pytest.LogCaptureFixture
) -> None:
    _, token = tokens.make(name="Phone", study="acne", made_by=None, scopes=tuple(Scope))
    Regressor.objects.create(study="acne", recipe={}, artefact="regressors/gone", is_active=True)
    client = Client(raise_request_exception=False, headers={"Authorization": f"Bearer {token}"})
    for data in (builders.make_jpeg(1), builders.make_jpeg(1)[:-900]):
        answer = client.post("/api/v1/score", {"file": SimpleUploadedFile(NAME, data, "image/jpeg")})
        assert answer.status_code >= 400
        assert not shown_in(log.text + answer.content.decode(), data)
    assert "scoring" in log.text
    assert NAME not in log.text


def test_an_erasure_logs_neither_face_nor_name(photographed: Study, log: pytest.LogCaptureFixture) -> None:
    chosen = photographed.images.filter(source_name=NAME)
    erasure = erasing.request(study=photographed, images=chosen, reason="They asked for it.", by=None)
    default_storage.delete(chosen.get().original)  # somebody was there before
    tasks.erase(erasure.pk)
    assert not shown_in(log.text, builders.make_jpeg(1))
    assert NAME not in log.text
