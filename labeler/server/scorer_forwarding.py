"""Forwarding of scoring requests from the site to the scorer, where no proxy in front does it."""

import threading
from collections.abc import Callable, Iterable
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from scoring.platform import request_ids
from scoring.service.api.middleware import HEADER, PREFIXES
from scoring.service.api.problems import problem

DOCUMENTATION = ("/api/v1/docs", "/api/v1/openapi.json")  # what of the API are pages
BUSY = "The scorer is busy. Send this again in a moment."
MOST_FORWARDED = 2  # at a time, of WEB_THREADS: pages are answered while photographs are scored
BATCH_SECONDS = 120  # for a batch of photographs
# What concerns one connection (RFC 9110), and what Django sets itself.
OF_A_CONNECTION = frozenset({"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "expect"})

Answer = Callable[[HttpRequest], HttpResponseBase]

_places = threading.BoundedSemaphore(MOST_FORWARDED)


class ToScorer:
    """Middleware: where there is a scorer, the API's requests go there, so that the site never loads a network."""

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        is_scored = request.path.startswith(PREFIXES) and request.path not in DOCUMENTATION
        if not (is_scored and settings.SCORER_URL):
            return self.get_response(request)
        if not _places.acquire(blocking=False):
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, BUSY, {"Retry-After": "2"})
        try:
            return _forward(request)
        except (OSError, HTTPException):
            return problem(HTTPStatus.BAD_GATEWAY, "The scorer does not answer. Send this again in a moment.")
        finally:
            _places.release()


def _forward(request: HttpRequest) -> HttpResponse:
    scorer = urlsplit(settings.SCORER_URL)
    with closing(HTTPConnection(str(scorer.hostname), scorer.port, timeout=BATCH_SECONDS)) as connection:
        body = request if request.headers.get("Content-Length") else None
        headers = _kept(request.headers.items()) | {HEADER: request_ids.current.get()}
        connection.request(str(request.method), request.get_full_path(), body=body, headers=headers)
        answer = connection.getresponse()
        return HttpResponse(answer.read(), status=answer.status, headers=_kept(answer.getheaders()))


def _kept(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name: value for name, value in headers if value and name.lower() not in OF_A_CONNECTION}
