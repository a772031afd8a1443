"""The site sends the API's requests on, and keeps its own (tests/faults/test_scorer.py does it with a real scorer)."""

import json

import pytest
from django.test import Client
from pytest_django import Settings

from tests import processes


@pytest.fixture(autouse=True)
def _a_scorer_that_is_away(settings: Settings) -> None:
    settings.SCORER_URL = f"http://127.0.0.1:{processes.free_port()}"


@pytest.mark.parametrize("path", ["/api/v1/score", "/url/ImageURL=https://photos.example/a.jpg", "/api/"])
def test_a_scorer_that_is_away_is_one_sentence(client: Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 502
    assert response["Content-Type"] == "application/problem+json"
    assert json.loads(response.content)["detail"] == "The scorer does not answer. Send this again in a moment."


@pytest.mark.parametrize("path", ["/api/v1/docs", "/api/v1/openapi.json", "/accounts/login/"])
def test_pages_need_no_scorer(db: None, client: Client, path: str) -> None:
    assert client.get(path).status_code == 200
