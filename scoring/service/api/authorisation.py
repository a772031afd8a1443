"""Authorisation of API requests: token, scope, rate limit and idempotency key."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse
from ninja.security import HttpBearer

from scoring.models import ApiToken, Scope
from scoring.service import idempotency, tokens
from scoring.service.api.problems import ProblemError
from scoring.service.idempotency import Attempt
from scoring.service.tokens import Allowance

IDEMPOTENCY_HEADER = "Idempotency-Key"
KEY_PARAMETER = {
    "in": "header",
    "name": IDEMPOTENCY_HEADER,
    "required": False,
    "description": "Yours, new for each request: sent again, it is answered alike for 24 hours, and done once.",
    "schema": {"type": "string", "pattern": f"^{idempotency.KEY_PATTERN}$"},
}


class Caller:
    """The app that sent a request: its token, and how many photographs that may send after this request."""

    allowance: Allowance

    def __init__(self, token: ApiToken) -> None:
        self.token = token

    def require(self, scope: Scope) -> None:
        """Raises ProblemError where the token lacks the scope."""
        if scope not in self.token.scopes:
            raise ProblemError(
                HTTPStatus.FORBIDDEN,
                f"This token lacks the scope {scope}. Ask who runs the study for one that has it.",
                {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
            )

    def spend(self, photographs: int) -> None:
        """Take so many photographs out of what the token may send. Raises ProblemError where that is less."""
        self.allowance = tokens.spend(self.token, photographs)
        if self.allowance.retry_after:
            wait = str(self.allowance.retry_after)
            raise ProblemError(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"This token may send {self.allowance.limit} photographs a minute. Wait {wait} seconds.",
                {"Retry-After": wait, **self.allowance.headers()},
            )


class AuthedRequest(HttpRequest):
    """A request that `BearerToken` let through; Ninja sets `auth`."""

    auth: Caller


class BearerToken(HttpBearer):
    """Authorises a token that has the scope and may still send a photograph."""

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self.scope = scope

    def authenticate(self, request: HttpRequest, token: str) -> Caller | None:
        del request
        found = tokens.find(token)
        if found is None:
            return None
        caller = Caller(found)
        caller.require(self.scope)
        caller.spend(1)
        return caller


@contextmanager
def once(request: AuthedRequest, response: HttpResponse, digest: str) -> Iterator[Attempt]:
    """Hold the request's idempotency key while the block answers, and mark an answer that was given before."""
    key = request.headers.get(IDEMPOTENCY_HEADER)
    if key is not None and not re.fullmatch(idempotency.KEY_PATTERN, key):
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "An idempotency key is 1 to 255 visible ASCII characters.")
    with idempotency.once(request.auth.token, key, digest) as attempt:
        if attempt.is_repeated:
            response["Idempotent-Replayed"] = "true"
        yield attempt
