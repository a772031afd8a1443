"""Responses to errors: 500, and 503 while the database cannot be reached.

Neither asks the database for anything: a session, a person, a message.
"""

import sys
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.views import defaults

from scoring.platform import outages
from scoring.service.api import problems
from scoring.service.api.middleware import PREFIXES


def answer_error(request: HttpRequest) -> HttpResponse:
    """Answer an error that no view handled; Django calls it while the error is at hand."""
    error = sys.exc_info()[1]
    if request.path.startswith(PREFIXES):
        return problems.answer_error(request)
    if not outages.is_away(error):
        return defaults.server_error(request)
    outages.note(error, request.method)
    response = _unavailable(request)
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def _unavailable(request: HttpRequest) -> HttpResponse:
    status, headers = HTTPStatus.SERVICE_UNAVAILABLE, outages.HEADERS
    if request.get_preferred_type(["text/html", "application/json"]) == "application/json":
        return JsonResponse({"error": outages.SENTENCE}, status=status, headers=headers)
    return HttpResponse(render_to_string("503.html"), status=status, headers=headers)
