"""Headers, cookies, limits and secrets, asked of the real settings and of every kind of answer."""

import os
import subprocess
import sys

import pytest
from django.conf import settings as real
from django.core.cache import cache
from django.test import Client
from django.urls import NoReverseMatch, reverse
from pytest_django import Settings

from labeler.models import Study, User
from tests import builders
from tests.labeler.test_environment import PRODUCTION
from tests.processes import REPOSITORY

PASSWORD = "correct horse battery staple"


def check(**changed: str) -> subprocess.CompletedProcess[str]:
    """Run `manage.py check --deploy` on an installation's environment."""
    kept = {name: os.environ[name] for name in ("PATH", "VAR_DIR") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        env=kept | {name: value for name, value in (PRODUCTION | changed).items() if value},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_deployment_check_is_clean_and_ignores_nothing() -> None:
    done = check()
    assert done.returncode == 0, done.stderr
    assert "no issues (0 silenced)" in done.stdout


def test_a_bad_setting_stops_the_start() -> None:
    done = check(SECRET_KEY="", SCORER_WAITING="some")
    assert done.returncode != 0
    assert "SECRET_KEY is not set. Make one with" in done.stderr
    assert "SCORER_WAITING cannot be 'some'" in done.stderr


HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@pytest.mark.parametrize("address", ["/", "/accounts/login/", "/nowhere/", "/studies/acne/", "/api/v1/openapi.json"])
def test_every_answer_has_the_headers(as_olga: Client, study: Study, address: str) -> None:
    answer = as_olga.get(address)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert "camera=()" in answer.headers["Permissions-Policy"]
    assert {"private", "no-store"} <= set(answer.headers["Cache-Control"].split(", "))
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in answer.headers["Content-Security-Policy"]


def test_static_files_have_them_too(client: Client) -> None:
    answer = client.get("/static/site/site.js")
    assert b"serviceWorker" in b"".join(answer)
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "max-age" in answer.headers["Cache-Control"]


def test_behind_tls_everything_is_said_by_tls_alone(settings: Settings, client: Client, db: None) -> None:
    settings.SECURE_SSL_REDIRECT, settings.SECURE_HSTS_SECONDS = True, 31_536_000
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    assert client.get("/").headers["Location"] == "https://testserver/"
    said = client.get("/accounts/login/", secure=True).headers["Strict-Transport-Security"]
    assert said == "max-age=31536000; includeSubDomains"


def test_cookies_are_strict(client: Client, db: None) -> None:
    cache.clear()
    builders.make_user("ana", password=PASSWORD)
    client.post("/accounts/login/", {"login": "ana", "password": PASSWORD})
    assert set(client.cookies) == {real.SESSION_COOKIE_NAME, real.CSRF_COOKIE_NAME}
    for cookie in client.cookies.values():
        assert (cookie["samesite"], cookie["path"], cookie["domain"]) == ("Lax", "/", "")
    assert client.cookies[real.SESSION_COOKIE_NAME]["httponly"]


def test_behind_tls_cookies_are_bound_to_the_host() -> None:
    names = "s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME, s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE"
    done = subprocess.run(
        [sys.executable, "-c", f"from django.conf import settings as s; print({names})"],
        env={**PRODUCTION, "DJANGO_SETTINGS_MODULE": "labeler.settings", "PATH": os.environ["PATH"]},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["__Host-session", "__Host-csrf", "True", "True"]


def test_guessing_a_password_is_stopped(client: Client, db: None) -> None:
    cache.clear()
    builders.make_user("ana", password=PASSWORD)
    for _ in range(5):
        page = client.post("/accounts/login/", {"login": "ana", "password": "wrong"}).content
        assert b"not correct" in page
    answer = client.post("/accounts/login/", {"login": "ana", "password": PASSWORD})
    assert b"Too many failed login attempts" in answer.content
    assert "_auth_user_id" not in client.session


def test_guessing_from_one_address_is_stopped(client: Client, db: None) -> None:
    cache.clear()
    pages = [
        client.post("/accounts/login/", {"login": f"person{number}", "password": "wrong"}).content
        for number in range(11)
    ]
    assert b"not correct" in pages[9]
    assert b"Too many failed login attempts" in pages[10]


def test_a_made_up_address_does_not_help_who_guesses(client: Client, db: None) -> None:
    cache.clear()
    for number in range(11):
        page = client.post(
            "/accounts/login/",
            {"login": f"person{number}", "password": "wrong"},
            headers={"X-Forwarded-For": f"192.0.2.{number}"},
        ).content
    assert b"Too many failed login attempts" in page


def test_a_wrong_password_and_an_unknown_name_look_alike(client: Client, db: None) -> None:
    cache.clear()
    builders.make_user("ana", password=PASSWORD)

    def page(name: str) -> str:
        answer = client.post("/accounts/login/", {"login": name, "password": "wrong"})
        token = str(answer.context["csrf_token"])
        return answer.content.decode().replace(token, "").replace(name, "NAME")

    assert page("ana") == page("nobody")


NOT_THERE = ["account_signup", "account_email", "account_reset_password", "socialaccount_connections"]


@pytest.mark.parametrize("name", NOT_THERE)
def test_what_nobody_needs_is_not_there(name: str) -> None:
    with pytest.raises(NoReverseMatch):
        reverse(name)


def test_a_form_without_its_token_is_refused(olga: User, study: Study) -> None:
    client = builders.sign_in(Client(enforce_csrf_checks=True), olga)
    for address in ("/studies/new/", "/studies/acne/close/", "/accounts/logout/"):
        assert client.post(address).status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "acne.clinic.org.evil.example", "localhost@evil.example"])
def test_another_host_is_refused(client: Client, settings: Settings, db: None, host: str) -> None:
    settings.ALLOWED_HOSTS = ["localhost"]
    assert client.get("/accounts/login/", headers={"Host": host}).status_code == 400


def test_a_form_that_is_too_large_is_refused(as_olga: Client, study: Study) -> None:
    assert as_olga.post("/studies/new/", {"title": "x" * 2**21}).status_code == 413
    assert as_olga.post("/studies/new/", {"title": "x" * (2**20 + 1)}).status_code == 400


def test_researchers_are_told_whom_to_write_to(client: Client, settings: Settings) -> None:
    assert client.get("/.well-known/security.txt").status_code == 404
    settings.SECURITY_CONTACT = "mailto:security@clinic.org"
    answer = client.get("/.well-known/security.txt")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.content.decode().startswith("Contact: mailto:security@clinic.org\nExpires: 20")
