"""Tokens of apps: made and revoked on a page, shown once, only by who runs the study and just signed in."""

import re

import pytest
from django.test import Client

from labeler.models import AuditEvent, Study, User
from scoring.models import ApiToken
from scoring.service import tokens, webhooks
from tests import builders

APPS = "/studies/acne/apps/"
ASKED = {"name": "Phone", "per_minute": 30, "days": 90, "scopes": ["score", "overlay"]}


def make(client: Client, **changed: object) -> str:
    """Ask for a token, and return the one that the answer shows, if any."""
    page = client.post(APPS, ASKED | changed).content.decode()
    found = re.search(rf"{tokens.PREFIX}[\w-]+", page)
    return found.group() if found else ""


def test_a_token_is_shown_once_and_opens_the_api(as_olga: Client, olga: User, study: Study) -> None:
    token = tokens.find(make(as_olga))
    assert token is not None
    assert (token.name, token.study, token.per_minute, token.scopes) == ("Phone", "acne", 30, ["overlay", "score"])
    assert token.made_by == olga
    assert tokens.PREFIX not in as_olga.get(APPS).content.decode()
    assert AuditEvent.objects.get(action="token made").detail == "Phone: overlay, score"


def test_who_may_send_jobs_is_told_what_their_webhooks_are_signed_with(as_olga: Client, study: Study) -> None:
    page = as_olga.post(APPS, ASKED | {"scopes": ["batch"]}).content.decode()
    assert webhooks.secret(ApiToken.objects.get()) in page
    assert "whsec_" not in as_olga.post(APPS, ASKED | {"name": "Other"}).content.decode()


def test_a_revoked_token_opens_nothing(as_olga: Client, study: Study) -> None:
    plaintext = make(as_olga)
    as_olga.post(f"{APPS}{ApiToken.objects.get().pk}/revoke/")
    assert tokens.find(plaintext) is None
    assert AuditEvent.objects.filter(action="token revoked", detail="Phone").exists()


def test_a_page_that_is_sent_twice_makes_one_token(as_olga: Client, study: Study) -> None:
    assert make(as_olga)
    assert not make(as_olga)
    assert ApiToken.objects.count() == 1


@pytest.mark.parametrize("wrong", [{"name": ""}, {"per_minute": 0}, {"days": 0}, {"scopes": []}, {"scopes": ["all"]}])
def test_a_token_that_makes_no_sense_is_refused(as_olga: Client, study: Study, wrong: dict[str, object]) -> None:
    assert as_olga.post(APPS, ASKED | wrong).status_code == 422
    assert not ApiToken.objects.exists()


def test_who_proved_nothing_lately_signs_in_again_first(olga: User, study: Study) -> None:
    long_ago = Client()
    long_ago.force_login(olga)
    assert long_ago.post(APPS, ASKED).status_code == 302
    assert not ApiToken.objects.exists()


def test_a_token_of_another_study_is_not_there(as_olga: Client, study: Study) -> None:
    builders.make_study("other")
    token, _ = tokens.make(name="Theirs", study="other", made_by=None)
    assert as_olga.post(f"{APPS}{token.pk}/revoke/").status_code == 404
    assert token.name not in as_olga.get(APPS).content.decode()
