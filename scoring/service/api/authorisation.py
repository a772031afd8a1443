"""Authorisation of API requests: token, scope and rate limit."""

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest
from ninja.security import HttpBearer

from scoring.models import ApiToken, Scope
from scoring.service import idempotency, tokens
from scoring.service.api.problems import ProblemError

KEY = "Idempotency-Key"
KEY_PARAMETER = {
    "in": "header",
    "name": KEY,
    "required": False,
    "description": "Yours, new for each request: sent again, it is answered alike for 24 hours, and done once.",
    "schema": {"type": "string", "pattern": f"^{idempotency.KEY}$"},
}


class AuthedRequest(HttpRequest):
    """A request that `BearerToken` let through."""

    auth: ApiToken


class BearerToken(HttpBearer):
    """A token that has a scope, and something left in its bucket."""

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self.scope = scope

    def authenticate(self, request: HttpRequest, token: str) -> ApiToken | None:
        found = tokens.find(token)
        if found is None:
            return None
        require(found, self.scope)
        spend(request, found, 1)
        return found


def require(token: ApiToken, scope: Scope) -> None:
    """Raises ProblemError where the token lacks a scope."""
    if scope not in token.scopes:
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            f"This token lacks the scope {scope}. Ask who runs the study for one that has it.",
            {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
        )


def spend(request: HttpRequest, token: ApiToken, photographs: int) -> None:
    """Let as many photographs pass as the token may send, and tell where it stands. Raises ProblemError."""
    allowance = tokens.spend(token, photographs)
    told = {
        "RateLimit-Limit": str(allowance.limit),
        "RateLimit-Remaining": str(allowance.remaining),
        "RateLimit-Reset": str(allowance.reset),
    }
    add_headers(request, told)
    if allowance.retry_after:
        raise ProblemError(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"This token may send {allowance.limit} photographs a minute. Wait {allowance.retry_after} seconds.",
            {"Retry-After": str(allowance.retry_after)},
        )


def add_headers(request: HttpRequest, headers: dict[str, str]) -> None:
    """Have the answer, whatever it will be, carry these headers (scoring/service/api/middleware.py)."""
    request.api_headers = getattr(request, "api_headers", {}) | headers  # type: ignore[attr-defined]


def once(request: AuthedRequest, digest: str, answer: Callable[[], Any]) -> Any:
    """Answer a request, or as before if it comes again under its key."""
    key = request.headers.get(KEY)
    if key is None:
        return answer()
    if not re.fullmatch(idempotency.KEY, key):
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "An idempotency key is 1 to 255 visible ASCII characters.")
    content, is_stored = idempotency.once(request.auth, key, digest, answer)
    if is_stored:
        add_headers(request, {"Idempotent-Replayed": "true"})
    return content
