"""Response headers that no Django setting covers.

Other sites get nothing of ours, our pages get nothing of the device, and a browser keeps only what says that it may.
"""

from collections.abc import Callable
from functools import partial

from allauth.account.adapter import get_adapter
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from labeler.record import request_origin

# What a page of ours never asks a browser for.
NEVER = ("camera", "microphone", "geolocation", "payment", "usb", "serial", "midi", "display-capture")
PERMISSIONS = ", ".join(f"{feature}=()" for feature in NEVER)


class IsolatePages:
    """The outermost middleware, so that static files and redirects have these headers too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        response.headers.setdefault("Cache-Control", "private, no-store")
        return response


class RememberOrigin:
    """Lets the audit log say where an act came from."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        before = request_origin.current.set(partial(_origin, request))
        try:
            return self.get_response(request)
        finally:
            request_origin.current.reset(before)


class LetAdminBe:
    """Django's own admin draws itself with jQuery, which makes pages of text; superusers alone see it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.path.startswith("/admin/"):
            response._csp_replace = {"require-trusted-types-for": None, "trusted-types": None}  # type: ignore[attr-defined]
        return response


def _origin(request: HttpRequest) -> str:
    if not request.META.get("REMOTE_ADDR"):  # by a socket of this machine
        return ""
    return request_origin.kept(get_adapter().get_client_ip(request), settings.AUDIT_ADDRESSES)
