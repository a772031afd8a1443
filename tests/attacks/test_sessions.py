"""Sessions that are fixed, kept or guessed, and tokens that are guessed."""

import time
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client

from labeler.accounts.sessions import NOTED, SignIn
from labeler.grading import label_store, queries
from labeler.models import AuditEvent, Label, Reader, Study, User
from scoring.models import ApiToken
from scoring.service import tokens
from tests import builders
from tests.scoring.builders import App

PASSWORD = "correct horse battery staple"


@pytest.fixture
def eve(db: None) -> User:
    cache.clear()
    return builders.make_user("eve", password=PASSWORD)


def sign_in(client: Client) -> Client:
    client.post("/accounts/login/", {"login": "eve", "password": PASSWORD})
    return client


def test_a_session_that_somebody_gave_is_not_the_one_one_gets(eve: User) -> None:
    client = Client()
    client.get("/accounts/login/")
    client.cookies["session"] = given = "a" * 32
    sign_in(client)
    assert client.session["_auth_user_id"] == str(eve.pk)
    assert client.cookies["session"].value != given


def test_a_session_that_is_over_stays_so(eve: User) -> None:
    client = sign_in(Client())
    kept = client.cookies["session"].value
    client.post("/accounts/logout/")
    thief = Client()
    thief.cookies["session"] = kept
    assert thief.get("/").headers["Location"] == "/accounts/login/?next=/"


def test_a_grade_whose_session_another_request_ends_is_stored_and_asks_for_a_sign_in(
    as_ana: Client, ana: User, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 400 would tell the page that it was not taken."""
    session = as_ana.session
    came = time.time() - 2 * NOTED  # so long ago that this request notes in the session that she is here
    SignIn(began=came, seen=came, role_version=ana.role_version).keep(session)
    session.save()
    assignment = queries.upcoming(reader)[0]
    store = label_store.record_label

    def store_meanwhile(**act: Any) -> Label:
        Session.objects.all().delete()
        return store(**act)

    monkeypatch.setattr(label_store, "record_label", store_meanwhile)
    address = f"/read/acne/{assignment.public_id}/label/"
    fields = {"submission": str(uuid4()), "version": 0, "grade": 3}
    answer = as_ana.post(address, fields, headers={"accept": "application/json"})
    assert answer.headers["Location"] == "/accounts/login/?next=/"
    assert Label.objects.get().grade == 3


def test_another_password_ends_all_other_sessions(eve: User) -> None:
    here, elsewhere = sign_in(Client()), sign_in(Client())
    asked = {"oldpassword": PASSWORD, "password1": "another horse battery", "password2": "another horse battery"}
    here.post("/accounts/password/", asked)
    assert elsewhere.get("/").headers["Location"] == "/accounts/login/?next=/"


def test_a_password_that_another_read_opens_the_page_that_changes_it(eve: User) -> None:
    User.objects.update(password_is_given=True)
    client = sign_in(Client())
    for address in ("/", "/studies/new/", "/accounts/second-factor/", "/log/"):
        assert client.get(address).headers["Location"] == "/accounts/password/"
    asked = {"oldpassword": PASSWORD, "password1": "another horse battery", "password2": "another horse battery"}
    assert client.post("/accounts/password/", asked | {"next": "/"}).headers["Location"] == "/"
    assert client.get("/").status_code == 200


def test_wrong_passwords_are_written_down_and_no_name_that_nobody_has(eve: User) -> None:
    for name in ("EVE", PASSWORD):
        Client().post("/accounts/login/", {"login": name, "password": "wrong"})
    failed = AuditEvent.objects.filter(action="sign-in failed").order_by("pk")
    assert list(failed.values_list("detail", flat=True)) == ["eve", "an unknown name"]


@pytest.mark.django_db
def test_a_token_is_of_256_bits_and_all_guesses_are_answered_alike(study: Study) -> None:
    plaintext = {tokens.make(name=str(number), study="acne", made_by=None)[1] for number in range(5)}
    assert all(len(token) == len(tokens.PREFIX) + 43 for token in plaintext)  # 32 bytes in base 64
    revoked = ApiToken.objects.get(name="0")
    app = App()
    guesses = ["", "x", "acne_", app.key[:-1], app.key.upper(), f"{app.key}x", "acne_" + "a" * 43]
    tokens.revoke(revoked)
    answers = {_ask(guess) for guess in guesses} | {_ask(f"' OR '1'='1{n}") for n in range(3)}
    assert len(answers) == 1
    assert b"Send a valid token" in answers.pop()


def _ask(token: str) -> bytes:
    answer = Client().post("/api/v1/score", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    return answer.content


def test_a_token_is_taken_from_its_header_alone(study: Study) -> None:
    app = App()
    for address in (f"/api/v1/score?token={app.key}", f"/api/v1/score?access_token={app.key}"):
        assert Client().post(address).status_code == 401
    client = Client()
    client.cookies["token"] = app.key
    assert client.post("/api/v1/score").status_code == 401
