"""Errors of the API as problem documents (RFC 9457), each with one sentence that says what to do."""

import json
import logging
import sys
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.views import defaults
from ninja import NinjaAPI, Schema
from ninja.errors import AuthenticationError, ValidationError

from scoring.photograph.decoding import ImageError
from scoring.platform import outages
from scoring.regressor.regressors import ArtefactError, NoActiveRegressor
from scoring.service.fetching import FetchError
from scoring.service.idempotency import InProgressError, KeyReusedError
from scoring.weights.weight_files import WeightsError

PROBLEM_JSON = "application/problem+json"
MALFORMED = "The body is not a well-formed multipart form."
OUT_OF_SERVICE = "Scoring is out of service; its operator finds the reason in the log."
UNAUTHORIZED = "Send a valid token: Authorization: Bearer <token>."
NOT_FOUND = "There is nothing here for this token."

logger = logging.getLogger(__name__)


class Problem(Schema):
    """RFC 9457: what went wrong, in one sentence."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class ProblemError(Exception):
    """An answer that is a problem."""

    def __init__(self, status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})


def problem(status: HTTPStatus, detail: str, headers: Mapping[str, str] | None = None) -> HttpResponse:
    body = Problem(title=status.phrase, status=status, detail=detail)
    return HttpResponse(json.dumps(body.dict()), status=status, content_type=PROBLEM_JSON, headers=headers)


def documented(*statuses: HTTPStatus) -> dict[int, dict[str, Any]]:
    """The OpenAPI of an operation's errors."""
    content = {PROBLEM_JSON: {"schema": Problem.model_json_schema()}}
    return {int(status): {"description": status.phrase, "content": content} for status in statuses}


ASKED = documented(
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.UNPROCESSABLE_ENTITY,
    HTTPStatus.TOO_MANY_REQUESTS,
)


def answer_all(api: NinjaAPI) -> None:
    """Have every exception of an API answered by a problem."""
    for error, answer in ANSWERS.items():
        api.add_exception_handler(error, answer)


def answer_error(request: HttpRequest) -> HttpResponse:
    """Answer an error that nothing here expects; Django calls it while the error is at hand."""
    error = sys.exc_info()[1]
    if not outages.is_away(error):
        return defaults.server_error(request)  # of which the middleware makes a problem
    outages.note(error, request.method)
    response = problem(HTTPStatus.SERVICE_UNAVAILABLE, outages.SENTENCE, outages.HEADERS)
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def _answers(status: HTTPStatus, sentence: str = "", **headers: str) -> Callable[[HttpRequest, Any], HttpResponse]:
    """An exception becomes a problem with this sentence, or else with its own."""

    def answer(request: HttpRequest, error: Any) -> HttpResponse:
        if sentence == OUT_OF_SERVICE:
            logger.error("Scoring is out of service: %s", error)  # it names paths: for the operator, not the caller
        del request
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return problem(status, sentence or str(error), named)

    return answer


def _answer_problem(request: HttpRequest, error: Any) -> HttpResponse:
    del request
    return problem(error.status, error.detail, error.headers)


ANSWERS: dict[type[Exception], Callable[[HttpRequest, Any], HttpResponse]] = {
    ProblemError: _answer_problem,
    AuthenticationError: _answers(HTTPStatus.UNAUTHORIZED, UNAUTHORIZED, WWW_Authenticate="Bearer"),
    ValidationError: _answers(HTTPStatus.UNPROCESSABLE_ENTITY, "A parameter is not what the documentation says."),
    Http404: _answers(HTTPStatus.NOT_FOUND, NOT_FOUND),
    MultiPartParserError: _answers(HTTPStatus.BAD_REQUEST, MALFORMED),
    RequestDataTooBig: _answers(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The text in this request is larger than 1 MB."),
    SuspiciousOperation: _answers(HTTPStatus.BAD_REQUEST, MALFORMED),
    ImageError: _answers(HTTPStatus.UNPROCESSABLE_ENTITY),
    FetchError: _answers(HTTPStatus.UNPROCESSABLE_ENTITY),
    KeyReusedError: _answers(HTTPStatus.UNPROCESSABLE_ENTITY),
    InProgressError: _answers(HTTPStatus.CONFLICT, Retry_After="5"),
    NoActiveRegressor: _answers(HTTPStatus.SERVICE_UNAVAILABLE),
    WeightsError: _answers(HTTPStatus.SERVICE_UNAVAILABLE, OUT_OF_SERVICE),
    ArtefactError: _answers(HTTPStatus.SERVICE_UNAVAILABLE, OUT_OF_SERVICE),
}
