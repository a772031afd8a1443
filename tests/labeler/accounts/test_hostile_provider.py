"""A provider that lies, and requests that would add something: none of it signs anybody in."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from allauth.socialaccount.models import SocialAccount
from cryptography.hazmat.primitives import serialization
from django.core.cache import cache
from django.http import HttpResponse
from django.test import Client
from pytest_django import Settings

from labeler.models import AuditEvent, User
from tests import hostile_provider
from tests.hostile_provider import KID, HostileProvider, new_key
from tests.identity_provider import CLIENT_ID, CLIENT_SECRET, TENANT

OTHER_TENANT = "99999999-2222-3333-4444-555555555555"
pytestmark = pytest.mark.django_db


@pytest.fixture
def provider(settings: Settings) -> Iterator[HostileProvider]:
    """Return an honest provider, which the site trusts."""
    cache.clear()
    with hostile_provider.running() as found:
        settings.OIDC_ISSUER = found.issuer
        settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = CLIENT_ID, CLIENT_SECRET
        settings.OIDC_TENANT = TENANT
        app = {"provider_id": "oidc", "name": "the clinic", "client_id": CLIENT_ID, "secret": CLIENT_SECRET}
        settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"OAUTH_PKCE_ENABLED": True, "APPS": [app]}}
        yield found


def begin(client: Client, provider: HostileProvider, query: str = "", **fields: str) -> dict[str, str]:
    """Press the button, and return what the provider is asked."""
    answer = client.post(f"/accounts/oidc/login/{query}", fields)
    assert answer.status_code == 302, answer.content
    asked = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).query).items()}
    provider.nonce = asked["nonce"]
    return asked


def come_back(client: Client, asked: dict[str, str], **more: str) -> HttpResponse:
    answer = client.get("/accounts/oidc/callback/", {"code": "any", "state": asked["state"], **more})
    assert isinstance(answer, HttpResponse)
    return answer


def sign_in(client: Client, provider: HostileProvider) -> HttpResponse:
    return come_back(client, begin(client, provider))


def is_signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_an_honest_provider_signs_somebody_in(client: Client, provider: HostileProvider) -> None:
    answer = sign_in(client, provider)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    assert is_signed_in(client)


def by_public_key(provider: HostileProvider) -> str:
    """Return the public key as a PEM, which a confused verifier takes for a shared secret."""
    pem = serialization.PublicFormat.SubjectPublicKeyInfo
    return provider.key.public_key().public_bytes(serialization.Encoding.PEM, pem).decode()


def hmac_token(claims: dict[str, Any], secret: str) -> str:
    """Sign by hand: PyJWT itself refuses to sign by what looks like a public key."""

    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    signed = f"{part({'alg': 'HS256', 'typ': 'JWT', 'kid': KID})}.{part(claims)}"
    digest = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def says(**claims: Any) -> Callable[[HostileProvider], None]:
    return lambda provider: provider.claims.update(claims)


def says_at(**offsets: int) -> Callable[[HostileProvider], None]:
    """Let times be so many seconds from now."""
    return lambda provider: provider.claims.update({name: int(time.time()) + by for name, by in offsets.items()})


def signs(sign: Callable[[HostileProvider, dict[str, Any]], str]) -> Callable[[HostileProvider], None]:
    return lambda provider: setattr(provider, "sign", lambda claims: sign(provider, claims))


def answers(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[HostileProvider], None]:
    return lambda provider: setattr(provider, "answer", change)


LIES: dict[str, Callable[[HostileProvider], None]] = {
    "a wrong tenant": says(tid=OTHER_TENANT),
    "no tenant": says(tid=None),
    "a wrong audience": says(aud="another application"),
    "no audience": says(aud=None),
    "several audiences and no party": says(aud=[CLIENT_ID, "another application"]),
    "a wrong party": says(azp="another application"),
    "a wrong issuer": says(iss="https://evil.example"),
    "no issuer": says(iss=None),
    "expired": says_at(exp=-90),
    "without an end": says(exp=None),
    "not yet valid": says_at(nbf=90),
    "made in the future": says_at(iat=90),
    "a wrong nonce": says(nonce="another"),
    "no nonce": says(nonce=None),
    "a nonce that is a list": says(nonce=["another"]),
    "no subject": says(sub=None),
    "an empty subject": says(sub=""),
    "an endless subject": says(sub="s" * 256),
    "alg none": signs(lambda _, claims: jwt.encode(claims, "", algorithm="none", headers={"kid": KID})),
    "HS256 by the public key": signs(lambda provider, claims: hmac_token(claims, by_public_key(provider))),
    "HS256 by the client's secret": signs(lambda _, claims: hmac_token(claims, CLIENT_SECRET)),
    "RS512": signs(lambda p, claims: jwt.encode(claims, p.key, algorithm="RS512", headers={"kid": KID})),
    "another's key under the same name": signs(
        lambda _, claims: jwt.encode(claims, new_key(), algorithm="RS256", headers={"kid": KID})
    ),
    "a key that is not published": signs(
        lambda _, claims: jwt.encode(claims, new_key(), algorithm="RS256", headers={"kid": "unknown"})
    ),
    "a key without a name": signs(lambda p, claims: jwt.encode(claims, p.key, algorithm="RS256")),
    "a key that the token brings": signs(
        lambda _, claims: jwt.encode(
            claims, new_key(), algorithm="RS256", headers={"jku": "https://evil.example/keys", "kid": "evil"}
        )
    ),
    "a changed payload": signs(lambda p, claims: p.sign_honestly(claims)[:-8] + "AAAAAAAA"),
    "no ID token": answers(lambda honest: {name: value for name, value in honest.items() if name != "id_token"}),
    "an ID token that is none": answers(lambda honest: honest | {"id_token": "rubbish"}),
    "an endless ID token": answers(lambda honest: honest | {"id_token": "x" * 20_000}),
    "another issuer's description": lambda provider: provider.discovery.update(issuer="https://evil.example"),
    "an endpoint of no web address": lambda provider: provider.discovery.update(jwks_uri="file:///etc/passwd"),
    "a token endpoint that sends on": lambda provider: setattr(provider, "sends_on", f"{provider.issuer}/elsewhere"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_signs_nobody_in(client: Client, provider: HostileProvider, lie: str) -> None:
    tell = LIES[lie]
    if lie in {"another issuer's description", "an endpoint of no web address"}:
        tell(provider)
        assert client.post("/accounts/oidc/login/").status_code == 401
    else:
        asked = begin(client, provider)
        tell(provider)
        assert come_back(client, asked).status_code == 401
    assert not is_signed_in(client)
    assert not User.objects.exists()
    assert provider.asked["elsewhere"] == 0


@pytest.mark.parametrize("lie", [says_at(exp=-30), says_at(nbf=30, iat=30)], ids=["slow", "fast"])
def test_a_clock_may_be_half_a_minute_off(
    client: Client, provider: HostileProvider, lie: Callable[[HostileProvider], None]
) -> None:
    lie(provider)
    sign_in(client, provider)
    assert is_signed_in(client)


def test_a_token_of_another_sign_in_is_no_use(client: Client, provider: HostileProvider) -> None:
    sign_in(client, provider)
    stolen = provider.last_token
    thief = Client()
    asked = begin(thief, provider)
    provider.answer = lambda honest: honest | {"id_token": stolen}
    assert come_back(thief, asked).status_code == 401
    assert not is_signed_in(thief)


def test_an_answer_counts_once(client: Client, provider: HostileProvider) -> None:
    asked = begin(client, provider)
    come_back(client, asked)
    client.logout()
    assert come_back(client, asked).status_code == 401


def test_an_answer_counts_in_the_browser_that_asked(client: Client, provider: HostileProvider) -> None:
    """A link can't sign a user in to the attacker's account (login CSRF)."""
    asked = begin(client, provider)
    victim = Client()
    begin(victim, provider)
    assert come_back(victim, asked).status_code == 401
    assert not is_signed_in(victim)


def test_an_answer_of_another_issuer_is_refused(client: Client, provider: HostileProvider) -> None:
    assert come_back(client, begin(client, provider), iss="https://evil.example").status_code == 401


def test_what_the_request_adds_does_not_reach_the_provider(client: Client, provider: HostileProvider) -> None:
    query = "?scope=everything&auth_params=prompt%3Dnone%26claims%3Dall&process=connect&prompt=none&acr_values=0"
    asked = begin(client, provider, query)
    assert set(asked) == {
        *("client_id", "redirect_uri", "scope", "response_type", "state"),
        *("code_challenge", "code_challenge_method", "nonce"),
    }
    assert set(asked["scope"].split()) == {"openid", "profile", "email", "offline_access"}
    assert asked["code_challenge_method"] == "S256"


def test_nothing_is_linked_to_whoever_is_signed_in(as_ana: Client, ana: User, provider: HostileProvider) -> None:
    come_back(as_ana, begin(as_ana, provider, "?process=connect"))
    assert not SocialAccount.objects.filter(user=ana).exists()
    assert as_ana.session["_auth_user_id"] != str(ana.pk)


def test_a_sign_in_begins_by_a_form_alone(client: Client, provider: HostileProvider) -> None:
    assert client.get("/accounts/oidc/login/").status_code == 405
    assert Client(enforce_csrf_checks=True).post("/accounts/oidc/login/").status_code == 403


def test_a_session_gets_a_new_name_at_sign_in(client: Client, provider: HostileProvider) -> None:
    asked = begin(client, provider)
    fixed = client.session.session_key
    come_back(client, asked)
    assert is_signed_in(client)
    assert client.session.session_key != fixed


def test_a_new_key_is_fetched_once(client: Client, provider: HostileProvider) -> None:
    sign_in(client, provider)
    sign_in(Client(), provider)
    assert provider.asked["jwks_uri"] == 1
    provider.key = new_key()
    provider.published = {"the next key": provider.key}
    provider.sign = lambda claims: jwt.encode(claims, provider.key, algorithm="RS256", headers={"kid": "the next key"})
    for _ in range(2):
        newcomer = Client()
        sign_in(newcomer, provider)
        assert is_signed_in(newcomer)
    assert provider.asked["jwks_uri"] == 2


@pytest.mark.parametrize("key", ["oct", "enc"])
def test_a_key_that_signs_nothing_is_not_taken(client: Client, provider: HostileProvider, key: str) -> None:
    shared = base64.urlsafe_b64encode(b"k" * 32).decode()
    keys = {
        "oct": {"kty": "oct", "kid": KID, "k": shared},
        "enc": {**provider.keys()["keys"][0], "use": "enc"},
    }
    provider.keys = lambda: {"keys": [keys[key]]}  # type: ignore[method-assign]
    assert sign_in(client, provider).status_code == 401


GROUPS = {"group-a": "admin", "group-r": "reader"}


def test_groups_give_roles(client: Client, provider: HostileProvider, settings: Settings) -> None:
    settings.OIDC_GROUPS = GROUPS
    provider.claims = {"roles": None, "groups": ["group-a", "some other"]}
    sign_in(client, provider)
    assert User.objects.get().roles == ["admin"]


@pytest.mark.parametrize("overage", [{"_claim_names": {"groups": "src1"}}, {"hasgroups": True}])
def test_too_many_groups_let_nobody_in(
    client: Client, provider: HostileProvider, settings: Settings, overage: dict[str, Any]
) -> None:
    settings.OIDC_GROUPS = GROUPS
    sign_in(client, provider)
    provider.claims = {"groups": None, **overage}
    elsewhere = Client()
    answer = sign_in(elsewhere, provider)
    assert answer.status_code == 403
    assert b"app roles instead of groups" in answer.content
    assert client.get("/").headers["Location"] == "/accounts/login/?next=/"  # and who was in is out


@pytest.mark.parametrize("roles", ["admin", ["superuser"], [["admin"]], {"admin": True}, ["Admin"], None])
def test_what_is_no_role_gives_none(client: Client, provider: HostileProvider, roles: Any) -> None:
    provider.claims = {"roles": roles}
    assert sign_in(client, provider).status_code == 403
    assert not User.objects.exists()


def test_no_role_makes_a_superuser(client: Client, provider: HostileProvider) -> None:
    provider.claims = {"roles": ["admin", "superuser", "staff"], "is_superuser": True, "is_staff": True}
    sign_in(client, provider)
    person = User.objects.get()
    assert (person.roles, person.is_superuser, person.is_staff) == (["admin"], False, False)


@pytest.mark.parametrize("verified", [None, False, "true", 1])
def test_an_address_counts_only_where_it_is_verified(
    client: Client, provider: HostileProvider, verified: object
) -> None:
    from labeler.accounts import people
    from labeler.models import Role

    people.invite(email="chief@clinic.example", role=Role.ADMIN, by=None)
    provider.claims = {"roles": None, "email": "chief@clinic.example", "email_verified": verified}
    assert sign_in(client, provider).status_code == 403
    assert AuditEvent.objects.first().action == "sign-in refused"  # type: ignore[union-attr]


def test_another_issuers_person_of_the_same_number_is_another(
    client: Client, provider: HostileProvider, settings: Settings
) -> None:
    sign_in(client, provider)
    with hostile_provider.running() as other:
        settings.OIDC_ISSUER = other.issuer
        sign_in(Client(), other)
    assert User.objects.count() == 2


def test_a_closed_account_stays_closed(client: Client, provider: HostileProvider) -> None:
    sign_in(client, provider)
    User.objects.update(is_active=False)
    assert sign_in(Client(), provider).status_code == 403
    assert client.get("/").status_code == 302


@pytest.mark.parametrize("seen", [None, "now", 0, True])
def test_a_fresh_sign_in_is_one_that_the_provider_dates(
    client: Client, provider: HostileProvider, seen: object
) -> None:
    provider.claims = {"auth_time": 0}
    sign_in(client, provider)
    asked = begin(client, provider)
    assert (asked["prompt"], asked["max_age"]) == ("login", "0")
    provider.claims = {"auth_time": seen}
    assert come_back(client, asked).status_code == 403


def test_where_no_date_can_be_had_choosing_the_account_again_counts(
    client: Client, provider: HostileProvider, settings: Settings
) -> None:
    settings.OIDC_REAUTHENTICATION = "select_account"
    provider.claims = {"auth_time": None}
    sign_in(client, provider)
    asked = begin(client, provider)
    assert asked["prompt"] == "select_account"
    assert "max_age" not in asked
    assert come_back(client, asked).status_code == 302
