"""A request that is sent again under its key is done once."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from scoring.models import BulkJob, StoredAnswer, StoredSelfie
from scoring.service import idempotency
from scoring.service.idempotency import Attempt
from tests.builders import make_jpeg
from tests.scoring.builders import App, publish_one, upload

pytestmark = pytest.mark.django_db
URL = "/api/v1/score"
KEY = {"Idempotency-Key": "a-key-of-mine"}


@pytest.fixture
def app() -> App:
    publish_one("acne")
    return App()


def store(app: App, data: bytes, consent: str = "You may keep it.", **headers: str) -> tuple[int, dict[str, Any]]:
    form = {"file": upload(data), "store": "true", "consent": consent}
    response = app.post(URL, form, **headers)
    return response.status_code, json.loads(response.content)


def test_the_same_request_gets_the_same_answer_and_is_done_once(app: App) -> None:
    first, second = (store(app, make_jpeg(1), **KEY) for _ in range(2))
    assert first == second
    assert StoredSelfie.objects.count() == 1


def test_the_second_answer_says_that_it_is_one(app: App) -> None:
    first, second = (app.post(URL, {"file": upload(make_jpeg(1))}, **KEY) for _ in range(2))
    assert "Idempotent-Replayed" not in first
    assert second["Idempotent-Replayed"] == "true"


def test_without_a_key_each_request_is_its_own(app: App) -> None:
    assert store(app, make_jpeg(1))[1]["stored"] != store(app, make_jpeg(1))[1]["stored"]


@pytest.mark.parametrize("consent", ["You may keep it.", "Other words."])
def test_one_key_for_two_requests_is_refused(app: App, consent: str) -> None:
    store(app, make_jpeg(1), **KEY)
    data = make_jpeg(2) if consent == "You may keep it." else make_jpeg(1)
    status, answer = store(app, data, consent, **KEY)
    assert status == 422
    assert answer["detail"] == idempotency.REUSED


def test_another_apps_key_is_another_key(app: App) -> None:
    store(app, make_jpeg(1), **KEY)
    assert store(App(name="another"), make_jpeg(2), **KEY)[0] == 200


def test_a_request_that_failed_may_be_sent_again(app: App) -> None:
    assert store(app, b"<svg/>", **KEY)[0] == 422
    assert not StoredAnswer.objects.exists()
    assert store(app, make_jpeg(1), **KEY)[0] == 200


def test_while_the_first_is_being_answered_the_second_waits(app: App) -> None:
    with idempotency.once(app.token, "k", "d") as first:
        with pytest.raises(idempotency.InProgressError), idempotency.once(app.token, "k", "d"):
            pass
        first.answer = {"done": "first"}
    with idempotency.once(app.token, "k", "d") as second:
        assert second == Attempt({"done": "first"}, is_repeated=True)


def test_who_comes_after_a_lost_process_takes_its_place(app: App) -> None:
    StoredAnswer.objects.create(token=app.token, key="k", digest="d", lease_until=Now() - timedelta(seconds=1))
    with idempotency.once(app.token, "k", "d") as taken_over:
        assert taken_over == Attempt()
        taken_over.answer = "done"
    assert StoredAnswer.objects.get().answer == "done"


def test_an_answer_is_forgotten_after_a_day(app: App) -> None:
    store(app, make_jpeg(1), **KEY)
    StoredAnswer.objects.update(made_at=Now() - timedelta(hours=25))
    assert store(app, make_jpeg(2), **KEY)[0] == 200
    StoredAnswer.objects.update(made_at=Now() - timedelta(hours=25))
    idempotency.forget()
    assert not StoredAnswer.objects.exists()


@pytest.mark.parametrize("key", ["x" * 256, "\u00e9"])
def test_a_key_is_short_and_plain(app: App, key: str) -> None:
    assert app.post(URL, {"file": upload(make_jpeg(1))}, **{"Idempotency-Key": key}).status_code == 422


def test_a_job_is_taken_once(app: App) -> None:
    answers = [app.post("/api/v1/jobs", {"files": [upload(make_jpeg(1))]}, **KEY) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].content == answers[1].content
    assert answers[0]["Location"] == answers[1]["Location"]
    assert BulkJob.objects.count() == 1
