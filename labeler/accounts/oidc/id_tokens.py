"""Validation of ID tokens: signature, issuer, audience, times, nonce, tenant."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any

import jwt

ALGORITHMS = ("RS256", "PS256", "ES256")  # signatures by a private key; never "none", never a secret that we know too
CLOCK_SKEW = 60  # seconds; servers that keep time by NTP are far closer
LONGEST_TOKEN = 16 * 2**10  # bytes; Entra's tokens with 200 groups have about 9,000
LONGEST_SUBJECT = 255  # characters, as the specification has it

Claims = dict[str, Any]
Keys = Callable[[str], jwt.PyJWK | None]


class UnbelievableError(Exception):
    """Why a token is not believed, as a sentence for the operator."""


def nonce_of(verifier: str) -> str:
    """Return the nonce that belongs to a PKCE verifier: both are drawn anew for each sign-in."""
    digest = hashlib.sha256(b"nonce of " + verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def verify(token: str, *, issuer: str, client_id: str, tenant: str, find_key: Keys) -> Claims:
    """Return the claims of a token that this issuer made for us and that is valid now. Raises UnbelievableError."""
    if len(token) > LONGEST_TOKEN:
        raise UnbelievableError("The ID token is longer than any that is meant well.")
    try:
        claims: Claims = jwt.decode(
            token,
            _key_of(token, find_key),
            algorithms=list(ALGORITHMS),
            audience=client_id,
            issuer=issuer,
            leeway=CLOCK_SKEW,
            options={"require": ["iss", "sub", "aud", "exp", "iat"], "enforce_minimum_key_length": True},
        )
    except jwt.PyJWTError as error:
        raise UnbelievableError(f"The ID token was refused: {error}.") from error
    _check_party(claims, client_id)
    _check_subject(claims)
    _check_tenant(claims, tenant)
    return claims


def check_nonce(claims: Mapping[str, Any], verifier: str) -> None:
    """Refuse a token that was made for another sign-in than this one. Raises UnbelievableError."""
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), nonce_of(verifier).encode()):
        raise UnbelievableError("The ID token's nonce is not the one of this sign-in.")


def _key_of(token: str, find_key: Keys) -> jwt.PyJWK:
    header = jwt.get_unverified_header(token)
    algorithm, name = header.get("alg"), header.get("kid")
    if algorithm not in ALGORITHMS:
        raise UnbelievableError(f"The ID token is signed by {algorithm}, not by one of {', '.join(ALGORITHMS)}.")
    key = find_key(name) if isinstance(name, str) else None
    if key is None:
        raise UnbelievableError("The ID token is signed by a key that the provider does not publish.")
    return key


def _check_party(claims: Claims, client_id: str) -> None:
    """Check `azp`, which a token for several audiences must have."""
    others = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if (others or "azp" in claims) and claims.get("azp") != client_id:
        raise UnbelievableError("The ID token was made for another application.")


def _check_subject(claims: Claims) -> None:
    if not (isinstance(claims["sub"], str) and 0 < len(claims["sub"]) <= LONGEST_SUBJECT):
        raise UnbelievableError("The ID token has no usable subject.")


def _check_tenant(claims: Claims, tenant: str) -> None:
    if tenant and claims.get("tid") != tenant:
        raise UnbelievableError("The ID token comes from another tenant.")
