"""The scoring API. A selfie is held in memory while it is scored; nothing of it is stored or logged."""

import json
import logging
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.http import HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from ninja import File, NinjaAPI, Schema, UploadedFile
from ninja.decorators import decorate_view
from ninja.errors import AuthenticationError, ValidationError
from ninja.security import HttpBearer

from scoring import pipeline, regressors, tokens
from scoring.images import MAX_SELFIE_BYTES, ImageError, Selfie
from scoring.models import ApiToken
from scoring.patches import Mode
from scoring.regressors import ArtefactError, NoActiveRegressor
from scoring.weights import WeightsError

MAX_BODY_BYTES = MAX_SELFIE_BYTES + 64 * 2**10  # a multipart body wraps the file in boundaries and headers
TOO_LARGE = f"The file is larger than {MAX_SELFIE_BYTES // 2**20} MB."
MALFORMED = "The body is not a well-formed multipart form with one file."
OUT_OF_SERVICE = "Scoring is out of service; its operator finds the reason in the log."
PROBLEM_JSON = "application/problem+json"

logger = logging.getLogger(__name__)
View = Callable[..., HttpResponse]


class Problem(Schema):
    """RFC 9457: what went wrong, in one sentence."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class PatchScoreOut(Schema):
    region: str
    box: tuple[int, int, int, int]
    score: float


class DroppedOut(Schema):
    region: str
    box: tuple[int, int, int, int]
    reason: str


class SelfieScoreOut(Schema):
    """Boxes are x_min, y_min, x_max, y_max in pixels of the upright picture, end-exclusive."""

    score: float
    grade: int
    patches: list[PatchScoreOut]
    dropped: list[DroppedOut]
    mode: Mode
    recipe: str
    regressor_id: int


class BearerToken(HttpBearer):
    def authenticate(self, request: HttpRequest, token: str) -> ApiToken | None:
        del request
        return tokens.find(token)


class AuthedRequest(HttpRequest):
    """A request that `BearerToken` let through."""

    auth: ApiToken


class InMemoryUpload(MemoryFileUploadHandler):
    """Keeps the selfie off the disk: Django spools what is over 2.5 MB to a temporary file."""

    def handle_raw_input(self, *args: Any, **kwargs: Any) -> None:
        del args, kwargs
        self.activated = True  # its size is bounded before it is read


def problem(status: HTTPStatus, detail: str) -> HttpResponse:
    body = Problem(title=status.phrase, status=status, detail=detail)
    return HttpResponse(json.dumps(body.dict()), status=status, content_type=PROBLEM_JSON)


def small_and_in_memory(view: View) -> View:
    """Refuse a body that is too large before reading it, and read it without touching the disk."""

    @wraps(view)
    def bounded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BODY_BYTES:
            return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, TOO_LARGE)
        request.upload_handlers = [InMemoryUpload(request)]
        return view(request, *args, **kwargs)

    return bounded


def documented(*statuses: HTTPStatus) -> dict[str, Any]:
    """The OpenAPI of an operation's errors: all problems, none ninja's default shape."""
    content = {PROBLEM_JSON: {"schema": Problem.model_json_schema()}}
    return {"responses": {int(status): {"description": status.phrase, "content": content} for status in statuses}}


api = NinjaAPI(
    title="Acne scoring",
    version="1.0.0",
    urls_namespace="api",
    docs_url=None,  # its page loads scripts from elsewhere; the content security policy forbids that, rightly
    auth=BearerToken(),
)


@api.post(
    "/score",
    response=SelfieScoreOut,
    summary="Score one selfie",
    openapi_extra=documented(
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
        HTTPStatus.SERVICE_UNAVAILABLE,
    ),
)
@decorate_view(small_and_in_memory)
def score_selfie(request: AuthedRequest, file: File[UploadedFile]) -> dict[str, Any] | HttpResponse:
    """A JPEG, PNG, WebP, HEIC or TIFF photograph of one face, 20 MB at most. Nothing of it is kept."""
    if (file.size or 0) > MAX_SELFIE_BYTES:
        return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, TOO_LARGE)
    selfie = Selfie.of(file.read())
    return pipeline.score_image(selfie, regressors.active(request.auth.study)).as_json()


def answers(status: HTTPStatus, sentence: str = "") -> Callable[[HttpRequest, Any], HttpResponse]:
    """An exception becomes a problem with this sentence, or else with its own."""

    def answer(request: HttpRequest, error: Any) -> HttpResponse:
        if sentence == OUT_OF_SERVICE:
            logger.error("Scoring is out of service: %s", error)  # it names paths: for the operator, not the caller
        del request
        response = problem(status, sentence or str(error))
        if status == HTTPStatus.UNAUTHORIZED:
            response["WWW-Authenticate"] = "Bearer"
        return response

    return answer


for error, answer in {
    AuthenticationError: answers(HTTPStatus.UNAUTHORIZED, "Send a valid token: Authorization: Bearer <token>."),
    ValidationError: answers(
        HTTPStatus.UNPROCESSABLE_ENTITY, "Send the photograph as the multipart form field `file`."
    ),
    MultiPartParserError: answers(HTTPStatus.BAD_REQUEST, MALFORMED),
    SuspiciousOperation: answers(HTTPStatus.BAD_REQUEST, MALFORMED),
    ImageError: answers(HTTPStatus.UNPROCESSABLE_ENTITY),
    NoActiveRegressor: answers(HTTPStatus.SERVICE_UNAVAILABLE),
    WeightsError: answers(HTTPStatus.SERVICE_UNAVAILABLE, OUT_OF_SERVICE),
    ArtefactError: answers(HTTPStatus.SERVICE_UNAVAILABLE, OUT_OF_SERVICE),
}.items():
    api.add_exception_handler(error, answer)
