"""Local accounts and their second factors in headless Chromium, with its virtual authenticator for passkeys."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from django.core.management import call_command
from playwright.sync_api import CDPSession, Page, expect

from labeler.models import AuditEvent
from tests import builders, processes
from tests.processes import Web

PASSWORD = "correct horse battery staple"
SETTING_UP = re.compile("/accounts/second-factor/totp/activate/")


@pytest.fixture(scope="module")
def lasting_web(django_db_setup: None, media: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """Serve a site that has accounts of its own and asks for a second factor."""
    log = tmp_path_factory.mktemp("web") / "log"
    with processes.web(log, MEDIA_ROOT=str(media), LOCAL_PASSWORDS="1", REQUIRE_MFA="1") as served:
        yield served


@pytest.fixture
def site(server: Web) -> str:
    """A passkey belongs to a name; browsers make none for an address in numbers."""
    cache.clear()
    builders.make_user("ana", password=PASSWORD)
    return server.address.replace("127.0.0.1", "localhost")


@pytest.fixture
def device(page: Page) -> CDPSession:
    """Return a device that holds passkeys and recognises its owner."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    about = {"protocol": "ctap2", "transport": "internal", "automaticPresenceSimulation": True}
    able = {"hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True}
    session.send("WebAuthn.addVirtualAuthenticator", {"options": about | able})
    return session


def give_password(page: Page) -> None:
    page.goto("/accounts/login/")
    page.get_by_label("User name").fill("ana")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/accounts/second-factor/**")


def sign_out(page: Page) -> None:
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/accounts/login/")


def set_up_app(page: Page) -> pyotp.TOTP:
    """Set up an authenticator app as a user does, and return it."""
    app = pyotp.TOTP(page.get_by_label("Key, to type in").input_value())
    page.get_by_label("Code that the app shows now").fill(app.now())
    page.get_by_role("button", name="Set it up").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    return app


def later(app: pyotp.TOTP) -> str:
    """Return the code of the next half minute, which is taken too: a code counts once, and the first one is used."""
    return app.at(int(time.time()), counter_offset=1)


def test_nothing_opens_before_there_is_a_second_factor(page: Page) -> None:
    give_password(page)
    for address in ("/", "/accounts/password/", "/accounts/second-factor/", "/studies/new/", "/admin/"):
        page.goto(address)
        expect(page).to_have_url(SETTING_UP)
    set_up_app(page)
    page.get_by_label("I have kept them").check()
    page.get_by_role("link", name="Go on").click()
    expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()


def test_a_password_alone_signs_nobody_in(page: Page) -> None:
    give_password(page)
    app = set_up_app(page)
    page.get_by_label("I have kept them").check()
    sign_out(page)
    give_password(page)
    for address in ("/", "/accounts/second-factor/", "/accounts/second-factor/totp/activate/", "/accounts/password/"):
        page.goto(address)
        expect(page.get_by_role("heading", name="And something that you have")).to_be_visible()
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("Incorrect code")).to_be_visible()
    page.get_by_label("Code").fill(later(app))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()


def test_a_recovery_code_opens_once(page: Page) -> None:
    give_password(page)
    set_up_app(page)
    code = page.get_by_label("Your codes").input_value().split()[0]
    page.get_by_label("I have kept them").check()
    sign_out(page)
    for is_first in (True, False):
        give_password(page)
        page.get_by_label("Code").fill(code)
        page.get_by_role("button", name="Sign in").click()
        if is_first:
            expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
            sign_out(page)
    expect(page.get_by_text("Incorrect code")).to_be_visible()


def add_passkey(page: Page, *, alone: bool) -> None:
    page.get_by_role("link", name="passkey").first.click()
    page.get_by_label("Name").fill("This laptop")
    page.get_by_label("Sign in by it alone").set_checked(alone)
    page.get_by_role("button", name="Add it").click()
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    page.get_by_label("I have kept them").check()


def test_a_passkey_is_a_second_factor(page: Page, device: CDPSession) -> None:
    give_password(page)
    add_passkey(page, alone=False)
    sign_out(page)
    give_password(page)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()


def test_a_passkey_that_knows_its_owner_signs_in_alone(page: Page, device: CDPSession) -> None:
    give_password(page)
    add_passkey(page, alone=True)
    sign_out(page)
    page.get_by_role("button", name="Sign in with a passkey").click()
    expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
    page.get_by_role("link", name="ana").click()
    page.get_by_role("link", name="See and change them").click()
    expect(page.get_by_role("term")).to_have_text("This laptop")


def test_who_takes_the_last_one_away_sets_up_another(page: Page, device: CDPSession) -> None:
    give_password(page)
    add_passkey(page, alone=False)
    page.goto("/accounts/second-factor/webauthn/")
    page.get_by_role("link", name="Remove This laptop").click()
    page.get_by_role("button", name="Remove it").click()
    expect(page).to_have_url(SETTING_UP)
    assert not Authenticator.objects.exists()


def test_a_device_that_gives_none_is_told_of_on_the_page(page: Page, device: CDPSession) -> None:
    give_password(page)
    add_passkey(page, alone=False)
    page.goto("/accounts/second-factor/webauthn/add/")
    page.get_by_role("button", name="Add it").click()  # it has given its passkey for this account already
    expect(page.get_by_role("alert")).to_contain_text("No passkey came")


def test_who_lost_everything_is_helped_by_the_operator(page: Page) -> None:
    give_password(page)
    set_up_app(page)
    page.get_by_label("I have kept them").check()
    call_command("reset_second_factor", "ana", "--reason", "came by in person with her passport")
    page.goto("/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    give_password(page)
    expect(page).to_have_url(SETTING_UP)
    event = AuditEvent.objects.get(action="second factor reset")
    assert (event.detail, event.reason) == ("ana", "came by in person with her passport")
