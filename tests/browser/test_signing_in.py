"""People sign in at a certified provider in headless Chromium, and get what their roles give."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from allauth.socialaccount.models import SocialAccount
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.core.management import call_command
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, expect

from labeler.accounts import people
from labeler.models import AuditEvent, Invitation, ProviderSession, Role, User
from tests import builders, identity_provider
from tests.identity_provider import TENANT, IdentityProvider
from tests.processes import Web

pytestmark = pytest.mark.provokes("status of 403", "status of 404", "status of 401")


@pytest.fixture(scope="module")
def lasting_provider(tmp_path_factory: pytest.TempPathFactory) -> IdentityProvider:
    return IdentityProvider(tmp_path_factory.mktemp("provider"))


@pytest.fixture(scope="module")
def lasting_web(
    django_db_setup: None, lasting_provider: IdentityProvider, media: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Web]:
    """Serve a site that knows passwords no more, beside its provider."""
    minutes = {"OIDC_RECHECK_MINUTES": "0", "SESSION_IDLE_MINUTES": "5"}
    told = identity_provider.environment(lasting_provider.issuer) | minutes
    served = Web(tmp_path_factory.mktemp("web") / "log", MEDIA_ROOT=str(media), **told)
    lasting_provider.start(served.address)
    try:
        served.start()
        yield served
    finally:
        served.stop()
        lasting_provider.stop()


@pytest.fixture
def provider(lasting_provider: IdentityProvider, server: Web) -> IdentityProvider:
    """Return a provider without accounts, and a site that has not fetched its keys."""
    cache.clear()
    lasting_provider.people.write_text("{}")
    if lasting_provider.process.poll() is not None:
        lasting_provider.start(server.address)
    return lasting_provider


def sign_in(page: Page, sub: str, *, onto: str = "/") -> None:
    page.goto(onto)
    page.get_by_role("button", name="Sign in with the clinic").click()
    give_name(page, sub)


def give_name(page: Page, sub: str) -> None:
    """Fill in the provider's own page."""
    page.locator("[name=login]").fill(sub)
    page.locator("[name=password]").fill("any")
    page.get_by_role("button", name="Sign-in").click()


def test_an_admin_makes_a_study(page: Page, provider: IdentityProvider) -> None:
    provider.knows("sub-olga", roles=["admin"], preferred_username="olga@clinic.example", given_name="Olga")
    sign_in(page, "sub-olga", onto="/studies/new/")
    page.get_by_label("Title").fill("Acne in town")
    page.get_by_label("Name").fill("town")
    page.get_by_role("button", name="Make").click()
    page.wait_for_url("**/studies/town/")
    olga = User.objects.get()
    assert (olga.username, olga.roles, olga.is_superuser) == ("olga", ["admin"], False)
    account = SocialAccount.objects.get()
    assert account.extra_data == {"iss": provider.issuer, "sub": "sub-olga", "oid": "oid-sub-olga", "tid": TENANT}
    assert list(AuditEvent.objects.filter(study=None).values_list("action", flat=True)) == [
        "signed in",
        "roles changed",
    ]


def test_a_reader_gets_their_list_and_nothing_else(page: Page, provider: IdentityProvider) -> None:
    provider.knows("sub-ana", roles=["reader"], preferred_username="ana")
    sign_in(page, "sub-ana")
    expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
    builders.make_study(readers=(User.objects.get(username="ana"),), images=6, golden_size=2)
    page.reload()
    expect(page.get_by_role("heading", name="Your reading lists")).to_be_visible()
    for address in ("/studies/acne/", "/studies/acne/log/", "/log/", "/admin/", "/studies/new/"):
        answer = page.goto(address)
        assert answer is not None
        assert answer.status == 404


def test_a_stranger_is_told_whom_to_ask(page: Page, provider: IdentityProvider) -> None:
    provider.knows("sub-eve", roles=["something else"], email="eve@clinic.example", email_verified=True)
    sign_in(page, "sub-eve")
    expect(page.get_by_role("heading", name="You have no access here")).to_be_visible()
    expect(page.get_by_text("you have no invitation")).to_be_visible()
    assert not User.objects.exists()
    assert AuditEvent.objects.get().action == "sign-in refused"


def test_an_auditor_sees_log_and_numbers_and_can_press_nothing(page: Page, provider: IdentityProvider) -> None:
    builders.make_study()
    provider.knows("sub-aud", roles=["auditor"])
    sign_in(page, "sub-aud")
    page.get_by_role("link", name="Report").click()
    expect(page.get_by_role("heading", name="How the readers grade")).to_be_visible()
    expect(page.get_by_role("button", name="Retrain")).to_have_count(0)
    page.get_by_role("link", name="Audit log").click()
    expect(page.get_by_role("heading", name="Audit log")).to_be_visible()
    page.goto("/log/")
    expect(page.get_by_role("cell", name="signed in")).to_be_visible()


def test_an_unverified_address_equal_to_an_admins_is_a_stranger(page: Page, provider: IdentityProvider) -> None:
    User.objects.create_superuser("boss", email="boss@clinic.example")
    people.invite(email="chief@clinic.example", role=Role.ADMIN, by=None)
    for number, email in enumerate(("boss@clinic.example", "chief@clinic.example")):
        provider.knows(f"sub-eve-{number}", email=email, preferred_username="boss")
        sign_in(page, f"sub-eve-{number}")
        expect(page.get_by_role("heading", name="You have no access here")).to_be_visible()
        page.context.clear_cookies()
    assert not SocialAccount.objects.exists()


def test_an_invitation_is_taken_once_by_a_verified_address(page: Page, provider: IdentityProvider) -> None:
    call_command("invite", "ana@clinic.example", "--role", "reader")
    provider.knows("sub-ana", email="Ana@clinic.example", email_verified=True)
    provider.knows("sub-eve", email="ana@clinic.example", email_verified=True)
    sign_in(page, "sub-ana")
    expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
    invitation = Invitation.objects.get()
    assert (invitation.issuer, invitation.subject) == (provider.issuer, "sub-ana")
    page.context.clear_cookies()
    sign_in(page, "sub-eve")
    expect(page.get_by_role("heading", name="You have no access here")).to_be_visible()


def test_a_role_that_is_taken_away_ends_the_session(page: Page, provider: IdentityProvider) -> None:
    provider.knows("sub-olga", roles=["admin", "reader"])
    sign_in(page, "sub-olga", onto="/studies/new/")
    expect(page.get_by_role("heading", name="New study")).to_be_visible()
    User.objects.update(is_superuser=True, is_staff=True)
    provider.knows("sub-olga", roles=["reader"])
    page.goto("/studies/new/")
    page.goto("/studies/new/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    olga = User.objects.get()
    assert (olga.roles, olga.is_superuser, olga.is_staff) == (["reader"], False, False)
    assert AuditEvent.objects.filter(action="roles changed").first().detail == "admin, reader -> reader"  # type: ignore[union-attr]


def test_whoever_is_put_out_is_out_at_the_next_request(page: Page, provider: IdentityProvider) -> None:
    call_command("invite", "ana@clinic.example")
    provider.knows("sub-ana", email="ana@clinic.example", email_verified=True)
    sign_in(page, "sub-ana")
    expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
    call_command("end_access", "ana", "--reason", "left the clinic")
    page.reload()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.get_by_role("button", name="Sign in with the clinic").click()
    expect(page.get_by_role("heading", name="You have no access here")).to_be_visible()


def test_the_provider_changes_its_keys(page: Page, server: Web, provider: IdentityProvider) -> None:
    provider.knows("sub-ana", roles=["reader"])
    sign_in(page, "sub-ana")
    expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
    page.context.clear_cookies()
    provider.stop()
    provider.start(server.address)
    sign_in(page, "sub-ana")
    expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()


def test_without_its_provider_a_session_goes_on_for_a_while(page: Page, provider: IdentityProvider) -> None:
    provider.knows("sub-ana", roles=["reader"])
    sign_in(page, "sub-ana")
    expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
    provider.stop()
    page.reload()
    expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
    ProviderSession.objects.update(confirmed_at=timezone.now() - timedelta(hours=2))
    page.reload()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_signing_out_ends_the_session_at_the_provider_too(page: Page, provider: IdentityProvider) -> None:
    provider.knows("sub-ana", roles=["reader"])
    sign_in(page, "sub-ana")
    with page.expect_response("**/accounts/logout/") as answer:
        page.get_by_role("button", name="Sign out").click()
    assert answer.value.all_headers()["clear-site-data"] == '"cache"'
    page.get_by_role("button", name="Yes, sign me out").click()
    page.wait_for_url("**/accounts/login/*")
    assert not ProviderSession.objects.exists()
    page.get_by_role("button", name="Sign in with the clinic").click()
    expect(page.locator("[name=login]")).to_be_visible()  # the provider has forgotten them too


def test_nobody_is_led_to_another_site(page: Page, provider: IdentityProvider) -> None:
    provider.knows("sub-ana", roles=["reader"])
    for wanted in ("https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil.example"):
        page.goto("/accounts/login/")
        page.locator("form").first.evaluate(
            "(form, next) => form.append(Object.assign(document.createElement('input'), {name: 'next', value: next}))",
            wanted,
        )
        page.get_by_role("button", name="Sign in with the clinic").click()
        if "/v2.0/" in page.url:
            give_name(page, "sub-ana")
        expect(page.get_by_role("heading", name="Nothing here yet")).to_be_visible()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", page.url)
        page.get_by_role("button", name="Sign out").click()
        page.get_by_role("button", name="Yes, sign me out").click()


def test_unblinding_asks_for_a_fresh_sign_in(page: Page, provider: IdentityProvider) -> None:
    provider.knows("sub-olga", roles=["admin"], preferred_username="olga")
    sign_in(page, "sub-olga")
    expect(page.get_by_role("heading", name="Begin with a study")).to_be_visible()
    builders.make_study().admins.add(User.objects.get())
    make_old()
    page.goto("/studies/acne/export/")
    expect(page.get_by_role("heading", name="Confirm that it is you")).to_be_visible()
    page.get_by_role("button", name="Sign in with the clinic").click()
    give_name(page, "sub-olga")
    expect(page.get_by_role("heading", name="This tells which images are golden")).to_be_visible()
    assert AuditEvent.objects.filter(action="signed in").count() == 1  # the session is the one they had


def make_old() -> None:
    """Let the sign-in of the only session be an hour ago."""
    session = Session.objects.get()
    kept = session.get_decoded()
    kept["sign_in"]["proven"] -= 3600
    session.session_data = SessionStore().encode(kept)
    session.save()


def test_an_idle_session_ends(page: Page, provider: IdentityProvider) -> None:
    provider.knows("sub-ana", roles=["reader"])
    sign_in(page, "sub-ana")
    session = Session.objects.get()
    kept = session.get_decoded()
    kept["sign_in"]["seen"] -= 600
    session.session_data = SessionStore().encode(kept)
    session.save()
    page.goto("/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert AuditEvent.objects.first().reason == "nobody was there"  # type: ignore[union-attr]


def test_break_glass_lets_a_superuser_in_once(page: Page, browser: Browser, site: str) -> None:
    User.objects.create_superuser("root")
    path = builders.command_output("break_glass", "root", "--reason", "the provider is down").split()[-1]
    page.goto(path)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Begin with a study")).to_be_visible()
    other = browser.new_page(base_url=site)
    other.goto(path)
    expect(other.get_by_role("heading", name="This link is not good any more")).to_be_visible()
    other.close()
    acts = AuditEvent.objects.order_by("pk").values_list("action", "detail", "reason")
    assert list(acts) == [
        ("sign-in link made", "root", "the provider is down"),
        ("signed in", "by a link", ""),
    ]


def test_no_password_opens_anything(page: Page, context: BrowserContext) -> None:
    User.objects.create_superuser("root", password="correct horse battery staple")
    page.goto("/accounts/login/")
    expect(page.get_by_label("Password")).to_have_count(0)
    token = page.locator("[name=csrfmiddlewaretoken]").first.input_value()
    fields: dict[str, str | float | bool] = {
        "login": "root",
        "password": "correct horse battery staple",
        "csrfmiddlewaretoken": token,
    }
    assert context.request.post("/accounts/login/", form=fields).status == 404
    for address in ("totp/activate/", "webauthn/login/", "authenticate/"):
        assert context.request.get(f"/accounts/second-factor/{address}").status == 404
    page.goto("/admin/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
