"""The commands say one clear thing per file and fail where something failed."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from PIL import Image as PillowImage

from scoring.models import ApiToken
from scoring.photograph.decoding import Selfie
from scoring.regressor import pipeline
from scoring.service import tokens, webhooks
from scoring.service.score_json import SelfieScoreOut
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
    expected = pipeline.score_image(Selfie.of(make_jpeg(1)), replace(make_fitted(31), id=row.pk))
    assert not failure
    assert json.loads(out) == {"file": photo, **SelfieScoreOut.of(expected).model_dump(mode="json")}


def test_score_without_json_is_a_sentence(photo: str) -> None:
    publish_one("acne", 31)
    out, _, _ = run("score", photo)
    assert "no score. No face was found" in out


def test_a_bad_file_gets_a_sentence_and_the_good_one_its_score(photo: str, tmp_path: Path) -> None:
    publish_one("acne", 31)
    bad, missing = tmp_path / "bad.jpg", tmp_path / "missing.jpg"
    bad.write_bytes(b"no image")
    out, err, failure = run("score", str(bad), photo, str(missing), "--json")
    assert json.loads(out)["file"] == photo
    assert "bad.jpg: This file is not a JPEG, PNG, WebP, HEIC or TIFF image." in err
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


def test_a_token_is_made_with_what_was_said_and_revoked() -> None:
    wanted = ("--scopes", "score", "batch", "--per-minute", "5", "--days", "30")
    _, said, _ = run("make_token", "acne", "the phone app", *wanted)
    token = ApiToken.objects.get()
    assert webhooks.secret(token) in said
    assert (token.scopes, token.per_minute) == (["batch", "score"], 5)
    assert token.expires_at is not None
    assert "has a token already" in run("make_token", "acne", "the phone app")[2]
    assert "Tokens of study acne: the phone app." in run("revoke_token", "acne", "another app")[2]
    run("revoke_token", "acne", "the phone app")
    token.refresh_from_db()
    assert token.revoked_at is not None


def test_make_token_warns_where_nothing_would_answer_yet() -> None:
    assert "503" in run("make_token", "acne", "the phone app")[1]
    assert "slug" in run("make_token", "not a slug", "the phone app")[2]


@pytest.fixture
def selfie(selfie_bytes: bytes, tmp_path: Path) -> str:
    path = tmp_path / "selfie.jpg"
    path.write_bytes(selfie_bytes)
    return str(path)


def test_patches_prints_the_published_geometry_in_the_agreed_shape(selfie: str, tmp_path: Path) -> None:
    overlay = tmp_path / "out.png"
    out, _, failure = run("patches", selfie, "--json", "--overlay", str(overlay))
    assert not failure
    layout = json.loads(out)
    assert list(layout) == ["mode", "patches", "dropped", "landmarks"]
    assert layout["mode"] == "landmarks"
    assert len(layout["landmarks"]) == 68
    assert all(list(patch) == ["region", "box"] for patch in layout["patches"])
    with PillowImage.open(overlay) as picture, PillowImage.open(selfie) as original:
        assert (picture.format, picture.size) == ("PNG", original.size)
    assert run("patches", selfie, "--json")[0] == out


def test_patches_shows_our_own_geometry_too(selfie: str) -> None:
    layout = json.loads(run("patches", selfie, "--json", "--geometry", "upright2026")[0])
    ours = {patch["region"]: patch["box"] for patch in layout["patches"]}
    published = {patch["region"]: patch["box"] for patch in json.loads(run("patches", selfie, "--json")[0])["patches"]}
    assert {"right_cheek", "left_cheek"} <= ours.keys() & published.keys()
    assert ours != published


def test_patches_says_what_is_wrong_with_a_file(tmp_path: Path, selfie: str) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no image")
    assert run("patches", str(bad))[2] == f"{bad}: This file is not a JPEG, PNG, WebP, HEIC or TIFF image."
    assert run("patches", str(tmp_path / "none.jpg"))[2] == f"{tmp_path / 'none.jpg'}: No such file or directory."
    nowhere = tmp_path / "nowhere" / "out.png"
    assert run("patches", selfie, "--overlay", str(nowhere))[2] == f"{nowhere}: No such file or directory."


def test_score_draws_which_region_drives_the_score(selfie: str, tmp_path: Path) -> None:
    publish_one("acne", 31)
    overlay = tmp_path / "out.png"
    out, _, failure = run("score", selfie, "--overlay", str(overlay))
    assert not failure
    assert "grade" in out
    with PillowImage.open(overlay) as picture:
        assert picture.format == "PNG"
    assert "Name one file" in run("score", selfie, selfie, "--overlay", str(overlay))[2]
    assert "can't be written" in run("score", selfie, "--overlay", str(tmp_path / "nowhere" / "out.png"))[2]
