"""Limits on the size of request bodies, checked before Django writes a form's files to disk."""

from collections.abc import Callable
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import Resolver404, ResolverMatch, resolve

from labeler.accounts import access
from labeler.intake import uploads
from labeler.platform import spreadsheets
from scoring.photograph import decoding

WRAPPING = 64 * 2**10  # bytes: of a form around its files
# What takes more than fields: only from people who may run studies.
LARGEST = {
    "intake": uploads.MAX_ZIP_BYTES,
    "upload": uploads.PIECE,
    "join_metadata": spreadsheets.MAX_BYTES,
    "study_atlas": decoding.MAX_SELFIE_BYTES,
}
# scoring.service.api looks for a token first, then at the size, and keeps files off the disk.
LOOK_THEMSELVES = {"api", "legacy"}


class LimitBodies:
    """Middleware: refuses what is larger than the page at this address takes from this person, unread."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        size = int(request.META.get("CONTENT_LENGTH") or 0)
        if size > settings.DATA_UPLOAD_MAX_MEMORY_SIZE + WRAPPING and size > _most(request):
            return render(request, "413.html", status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        return self.get_response(request)


def _most(request: HttpRequest) -> float:
    found = _resolve(request.path_info)
    if found is None:
        return 0
    if found.namespace in LOOK_THEMSELVES:
        return float("inf")
    user = request.user
    is_trusted = found.view_name in LARGEST and user.is_authenticated and access.may_make_studies(user)
    return LARGEST[found.view_name] + WRAPPING if is_trusted else 0


def _resolve(path: str) -> ResolverMatch | None:
    try:
        return resolve(path)
    except Resolver404:
        return None
