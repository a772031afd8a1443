"""The commands say one clear thing per file and fail where something failed."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from scoring import pipeline, tokens
from scoring.images import Selfie
from scoring.models import ApiToken
from tests.builders import make_jpeg
from tests.scoring.builders import make_fitted, publish_one

pytestmark = pytest.mark.django_db


def run(*args: str) -> tuple[str, str, str]:
    """Run a command; return what it wrote, what it complained of and why it failed, if it did."""
    out, err = StringIO(), StringIO()
    try:
        call_command(*args, stdout=out, stderr=err)
    except CommandError as error:
        return out.getvalue(), err.getvalue(), str(error)
    return out.getvalue(), err.getvalue(), ""


@pytest.fixture
def photo(tmp_path: Path) -> str:
    path = tmp_path / "photo.jpg"
    path.write_bytes(make_jpeg(1))
    return str(path)


def test_score_prints_the_same_numbers_as_the_pipeline(photo: str) -> None:
    row = publish_one("acne", 31)
    out, _, failure = run("score", photo, "--json")
    expected = pipeline.score_image(Selfie.of(make_jpeg(1)), make_fitted(31)).as_json()
    assert not failure
    assert json.loads(out) == json.loads(json.dumps({"file": photo, **expected, "regressor_id": row.pk}))


def test_score_without_json_is_a_sentence(photo: str) -> None:
    publish_one("acne", 31)
    out, _, _ = run("score", photo)
    assert "grade" in out
    assert "whole" in out


def test_a_bad_file_gets_a_sentence_and_the_good_one_its_score(photo: str, tmp_path: Path) -> None:
    publish_one("acne", 31)
    bad, missing = tmp_path / "bad.jpg", tmp_path / "missing.jpg"
    bad.write_bytes(b"no image")
    out, err, failure = run("score", str(bad), photo, str(missing), "--json")
    assert json.loads(out)["file"] == photo
    assert "bad.jpg: This file is not a JPEG, PNG or WebP image." in err
    assert "missing.jpg: can't be read (No such file or directory)." in err
    assert failure == "2 of 3 files could not be scored."


def test_score_asks_which_study_where_there_are_two(photo: str) -> None:
    publish_one("acne", 31)
    publish_one("other", 32)
    assert "--study" in run("score", photo)[2]
    assert not run("score", photo, "--study", "other")[2]


def test_score_without_a_regressor_says_what_to_do(photo: str) -> None:
    assert "Retrain" in run("score", photo)[2]
    assert "Retrain" in run("score", photo, "--study", "acne")[2]


def test_make_token_prints_a_token_that_opens_the_api() -> None:
    publish_one("acne", 31)
    out, err, _ = run("make_token", "acne", "the phone app")
    token = tokens.find(out.strip())
    assert token == ApiToken.objects.get(name="the phone app", study="acne")
    assert not err


def test_make_token_warns_where_nothing_would_answer_yet() -> None:
    assert "503" in run("make_token", "acne", "the phone app")[1]
    assert "slug" in run("make_token", "not a slug", "the phone app")[2]
