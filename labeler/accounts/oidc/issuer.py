"""Requests to the identity provider: discovery document, signing keys, tokens for a code."""

import hashlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

import jwt
import requests
from django.conf import settings
from django.core.cache import cache

from labeler.accounts.oidc import id_tokens
from labeler.accounts.oidc.id_tokens import Claims, UnbelievableError

ANSWER_SECONDS = 10  # seconds for an answer; a person waits at the sign-in page
ENDPOINTS_KEPT = 3600  # seconds that endpoints and keys are remembered; a key that is not known is looked for at once
LONGEST_ANSWER = 2**20  # bytes of any answer
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")


class UnreachableError(Exception):
    """The provider does not answer, or not sensibly."""


class RefusedError(Exception):
    """The provider does not give tokens for what we showed it."""


@dataclass(frozen=True)
class Tokens:
    """What the provider gave for a code or for a refresh token."""

    claims: Claims
    id_token: str
    refresh_token: str


def tenant_of(issuer: str) -> str:
    """Return the tenant that tokens must name: Entra signs those of every tenant with the same keys."""
    parts = urlsplit(issuer)
    return parts.path.split("/")[1] if parts.hostname in settings.ENTRA_HOSTS else str(settings.OIDC_TENANT)


def discovery() -> dict[str, Any]:
    """Return the provider's own description. Raises UnreachableError, and UnbelievableError for another issuer's."""
    kept = cache.get(_place("discovery"))
    if kept is not None:
        return dict(kept)
    issuer = settings.OIDC_ISSUER
    found = _get_json(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    if found.get("issuer") != issuer:
        raise UnbelievableError("The discovery document names another issuer than OIDC_ISSUER. Set the one it names.")
    for name in (*ENDPOINTS, "end_session_endpoint"):
        _check_address(found, name, is_needed=name in ENDPOINTS)
    cache.set(_place("discovery"), found, ENDPOINTS_KEPT)
    return found


def find_key(name: str) -> jwt.PyJWK | None:
    """Return a signing key of the provider; one that is not known is asked for once, since keys are changed."""
    kept = cache.get(_place("keys"))
    key = _pick(kept, name) if kept is not None else None
    if key is None:
        fresh = _get_json(discovery()["jwks_uri"])
        cache.set(_place("keys"), fresh, ENDPOINTS_KEPT)
        key = _pick(fresh, name)
    return key


def verify(token: str) -> Claims:
    """Return the claims of one of this issuer's tokens for us. Raises UnbelievableError and UnreachableError."""
    issuer = settings.OIDC_ISSUER
    return id_tokens.verify(
        token, issuer=issuer, client_id=settings.OIDC_CLIENT_ID, tenant=tenant_of(issuer), find_key=find_key
    )


def redeem(code: str, *, verifier: str, callback: str) -> Tokens:
    """Return what the provider gives for a code, checked. Raises RefusedError, UnreachableError, UnbelievableError."""
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": callback, "code_verifier": verifier}
    answer = _post_for_tokens(fields)
    claims = verify(str(answer.get("id_token", "")))
    id_tokens.check_nonce(claims, verifier)
    return Tokens(claims, answer["id_token"], answer.get("refresh_token", ""))


def refresh(refresh_token: str, *, subject: str) -> Tokens:
    """Ask what the provider says of a person now.

    Raises RefusedError where it lets them in no more, UnreachableError, and UnbelievableError.
    """
    answer = _post_for_tokens({"grant_type": "refresh_token", "refresh_token": refresh_token})
    claims = verify(str(answer.get("id_token", "")))
    if claims["sub"] != subject:
        raise UnbelievableError("The provider answered with another person's token.")
    return Tokens(claims, answer["id_token"], answer.get("refresh_token") or refresh_token)


def sign_out_address(id_token: str, *, back: str) -> str:
    """Return where a browser ends the session at the provider too, or nothing where that knows no such thing."""
    endpoint = discovery().get("end_session_endpoint")
    if not endpoint:
        return ""
    what = {"id_token_hint": id_token, "client_id": settings.OIDC_CLIENT_ID, "post_logout_redirect_uri": back}
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(what)}"


def _post_for_tokens(fields: dict[str, str]) -> dict[str, Any]:
    found = discovery()
    identity = {"client_id": settings.OIDC_CLIENT_ID, "client_secret": settings.OIDC_CLIENT_SECRET}
    methods = found.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    if "client_secret_post" in methods:
        return _ask("POST", found["token_endpoint"], data=fields | identity)
    basic = (quote_plus(identity["client_id"]), quote_plus(identity["client_secret"]))
    return _ask("POST", found["token_endpoint"], data=fields, auth=basic)


def _get_json(address: str) -> dict[str, Any]:
    return _ask("GET", address)


def _ask(method: str, address: str, **what: Any) -> dict[str, Any]:
    """Send one request and return its JSON. Redirects are not followed: the provider's addresses are what it says."""
    try:
        with requests.Session() as session:
            answer = session.request(method, address, timeout=ANSWER_SECONDS, allow_redirects=False, **what)
    except requests.RequestException as error:
        raise UnreachableError(f"{urlsplit(address).hostname} does not answer.") from error
    if method == "POST" and answer.status_code in {400, 401, 403}:
        raise RefusedError("The provider gives no tokens for this session any more.")
    if answer.status_code != 200 or len(answer.content) > LONGEST_ANSWER:
        raise UnreachableError(f"{urlsplit(address).hostname} answered {answer.status_code}.")
    try:
        found = answer.json()
    except requests.JSONDecodeError as error:
        raise UnreachableError(f"{urlsplit(address).hostname} did not answer in JSON.") from error
    if not isinstance(found, dict):
        raise UnreachableError(f"{urlsplit(address).hostname} did not answer with a JSON object.")
    return found


def _check_address(found: dict[str, Any], name: str, *, is_needed: bool) -> None:
    """An endpoint is reached by TLS, like the issuer itself; plain HTTP is for a provider on this machine."""
    address = found.get(name)
    if address is None and not is_needed:
        return
    schemes = {"https", urlsplit(settings.OIDC_ISSUER).scheme}
    if not isinstance(address, str) or urlsplit(address).scheme not in schemes:
        raise UnbelievableError(f"The discovery document's {name} is no https address.")


def _pick(keys: dict[str, Any], name: str) -> jwt.PyJWK | None:
    """Return the signing key of this name, whose own word on its algorithm PyJWT then holds the token to."""
    for key in keys.get("keys", []):
        if key.get("kid") == name and key.get("kty") in {"RSA", "EC"} and key.get("use", "sig") == "sig":
            return jwt.PyJWK(key)
    return None


def _place(what: str) -> str:
    return f"oidc-{what}-{hashlib.sha256(settings.OIDC_ISSUER.encode()).hexdigest()}"
