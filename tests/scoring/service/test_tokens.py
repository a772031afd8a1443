"""Tokens: hashed, scoped, limited, expiring, revoked."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from scoring.models import ApiToken, Scope
from scoring.service import tokens
from tests.scoring.builders import App

URL = "/api/v1/score"


def make(name: str = "an app", per_minute: int = 60) -> ApiToken:
    return tokens.make(name=name, study="acne", made_by=None, per_minute=per_minute)[0]


def wait(token: ApiToken, seconds: float) -> None:
    """Let time pass for a token's bucket."""
    token.refresh_from_db()
    assert token.full_at is not None
    ApiToken.objects.filter(pk=token.pk).update(full_at=token.full_at - timedelta(seconds=seconds))


@pytest.mark.django_db
def test_a_token_is_stored_as_a_hash_only() -> None:
    row, plaintext = tokens.make(name="an app", study="acne", made_by=None)
    assert plaintext not in str(vars(row))
    assert tokens.find(plaintext) == row


@pytest.mark.django_db
def test_an_app_has_one_token_at_a_time() -> None:
    first = make()
    with pytest.raises(tokens.TokenError, match="an app has a token already"):
        make()
    tokens.revoke(first)
    assert make().pk != first.pk


@pytest.mark.django_db
def test_an_expired_token_opens_nothing() -> None:
    app = App()
    assert app.post(URL, {}).status_code == 422
    ApiToken.objects.update(expires_at=timezone.now())
    assert app.post(URL, {}).status_code == 401


@pytest.mark.django_db
def test_a_token_tells_when_it_was_last_used() -> None:
    app = App()
    assert app.token.last_used_at is None
    app.post(URL, {})
    app.token.refresh_from_db()
    assert app.token.last_used_at is not None


@pytest.mark.django_db
def test_a_bucket_empties_and_fills_evenly() -> None:
    token = make(per_minute=3)
    assert [tokens.spend(token, 1).remaining for _ in range(3)] == [2, 1, 0]
    refused = tokens.spend(token, 1)
    assert (refused.retry_after, refused.remaining, refused.reset) == (20, 0, 60)
    wait(token, 20)
    assert tokens.spend(token, 1).retry_after == 0
    assert tokens.spend(token, 1).retry_after == 20


@pytest.mark.django_db
def test_a_batch_costs_as_many_as_it_has_and_at_most_all() -> None:
    token = make(per_minute=10)
    assert tokens.spend(token, 8).remaining == 2
    assert tokens.spend(token, 8).retry_after == 36
    wait(token, 48)
    assert tokens.spend(token, 500).retry_after == 0


@pytest.mark.django_db
def test_what_is_left_stands_in_every_answer() -> None:
    app = App(per_minute=2)
    answers = [app.post(URL, {}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [422, 422, 429]
    assert [answer["RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert {answer["RateLimit-Limit"] for answer in answers} == {"2"}
    assert answers[2]["Retry-After"] == "30"
    assert "Retry-After" not in answers[1]


@pytest.mark.django_db
def test_one_apps_requests_cost_another_nothing() -> None:
    busy, quiet = App(per_minute=1), App(name="a quiet app", per_minute=1)
    busy.post(URL, {})
    assert busy.post(URL, {}).status_code == 429
    assert quiet.post(URL, {}).status_code == 422


def test_all_processes_share_one_bucket(transactional_db: None) -> None:
    """The database decides, so connections at once are what processes at once are."""
    token, start, passed = make(per_minute=5), threading.Barrier(12), []

    def compete() -> None:
        start.wait()
        passed.append(tokens.spend(token, 1).retry_after == 0)
        connection.close()

    threads = [threading.Thread(target=compete) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(passed), sum(passed)) == (12, 5)


@pytest.mark.django_db
def test_a_token_of_before_can_do_what_it_could() -> None:
    """A row that knows no time at which it is full, as the migration leaves it."""
    row, plaintext = tokens.make(name="an old app", study="acne", made_by=None, scopes=[Scope.SCORE])
    assert (row.full_at, row.expires_at, row.scopes) == (None, None, ["score"])
    assert tokens.spend(row, 1).remaining == 59
    assert tokens.find(plaintext) is not None
    assert ApiToken.objects.filter(full_at__gt=Now()).exists()
