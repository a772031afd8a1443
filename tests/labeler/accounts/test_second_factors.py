"""Second factors of local accounts, in the database and against guessing; tests/browser has them in a browser."""

import pyotp
import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP
from django.core.cache import cache
from django.test import Client
from pytest_django import Settings

from labeler.models import User
from tests import builders

PASSWORD = "correct horse battery staple"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@pytest.fixture
def dora(db: None) -> User:
    """Return a user with a password and an authenticator app."""
    cache.clear()
    user = builders.make_user("dora", password=PASSWORD)
    TOTP.activate(user, SECRET)
    return user


def give_password(client: Client) -> None:
    answer = client.post("/accounts/login/", {"login": "dora", "password": PASSWORD})
    assert answer.headers["Location"] == "/accounts/second-factor/authenticate/"


def test_what_codes_come_from_is_not_readable_in_the_database(dora: User) -> None:
    assert SECRET not in str(Authenticator.objects.get(user=dora).data)


def test_a_code_of_the_app_opens_once(dora: User) -> None:
    code = pyotp.TOTP(SECRET).now()
    for is_first in (True, False):
        client = Client()
        give_password(client)
        client.post("/accounts/second-factor/authenticate/", {"code": code})
        assert ("_auth_user_id" in client.session) is is_first


def test_guessing_a_code_is_stopped(dora: User, client: Client) -> None:
    give_password(client)
    pages = [client.post("/accounts/second-factor/authenticate/", {"code": f"{n:06}"}).content for n in range(6)]
    assert b"Incorrect code" in pages[4]
    assert b"Too many failed login attempts" in pages[5]
    assert "_auth_user_id" not in client.session


def test_under_another_secret_key_no_code_is_right(dora: User, client: Client, settings: Settings) -> None:
    settings.SECRET_KEY = "another key, as long as the one before, and nobody knows it either"
    give_password(client)
    answer = client.post("/accounts/second-factor/authenticate/", {"code": "123456"})
    assert b"Incorrect code" in answer.content


def test_where_passwords_are_switched_off_a_session_of_one_ends(dora: User, settings: Settings) -> None:
    client = builders.sign_in(Client(), dora)
    settings.LOCAL_PASSWORDS = False
    assert client.get("/").headers["Location"] == "/accounts/login/?next=/"
