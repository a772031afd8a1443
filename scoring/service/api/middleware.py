"""Middleware of every request: a request id, and problem documents in place of error pages for the API."""

import logging
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.log import log_response

from scoring.platform import log_context, request_ids, telemetry
from scoring.service.api.authorisation import Caller
from scoring.service.api.problems import PROBLEM_JSON, problem

HEADER = "X-Request-ID"
PREFIXES = ("/api/", "/url/")
DETAILS = {
    HTTPStatus.NOT_FOUND: "There is nothing at this address. The documentation is at /api/v1/docs.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address does not take this method. The header Allow says which it takes.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something went wrong here. The operator finds it by the X-Request-ID.",
}

logger = logging.getLogger(__name__)
GetResponse = Callable[[HttpRequest], HttpResponseBase]


class RequestIds:
    """Gives each request a number, which its answer and its lines in the log carry."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        number = request_ids.choose(request.headers.get(HEADER, ""))
        before, nobody = request_ids.current.set(number), log_context.reader.set("")
        try:
            response = self.get_response(request)
            if response.status_code >= HTTPStatus.BAD_REQUEST:  # Django would after us, of nobody's request
                told: Any = response  # the stubs leave streams out
                log_response("%s: %s", response.reason_phrase, request.path, response=told, request=request)
        finally:
            request_ids.current.reset(before)
            log_context.reader.reset(nobody)
        response[HEADER] = number
        return response


class ApiAnswers:
    """Answers in JSON whatever went wrong, says what the caller's token may still send, and logs one line."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path.startswith(PREFIXES):
            return self.get_response(request)
        begun = time.monotonic()
        response = _as_problem(self.get_response(request))
        caller: Caller | None = getattr(request, "auth", None)
        if caller is not None:
            for name, value in caller.allowance.headers().items():
                response.setdefault(name, value)
        response._has_been_logged = True  # type: ignore[attr-defined]  # by us; Django would name an address again
        seconds = time.monotonic() - begun
        telemetry.score_seconds.labels(response.status_code).observe(seconds)
        token = caller.token.pk if caller is not None else "none"
        # A legacy request's path holds the address of somebody's photograph: it is not written down.
        path = "/url/" if request.path.startswith("/url/") else request.path
        logger.info("%s %s %s in %.0f ms, token %s", request.method, path, response.status_code, 1000 * seconds, token)
        return response


def _as_problem(response: HttpResponseBase) -> HttpResponseBase:
    if response.status_code < HTTPStatus.BAD_REQUEST or response.get("Content-Type") == PROBLEM_JSON:
        return response
    status = HTTPStatus(response.status_code)
    said = problem(status, DETAILS.get(status, f"{status.description or status.phrase}."))
    for name in ("Allow", "Retry-After", "WWW-Authenticate"):
        if name in response:
            said[name] = response[name]
    return said
