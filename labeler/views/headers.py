"""Headers that no setting of Django knows.

Other sites get nothing of ours, our pages get nothing of the device, and a browser keeps only what says that it may.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

# What a page of ours never asks a browser for.
NEVER = ("camera", "microphone", "geolocation", "payment", "usb", "serial", "bluetooth", "midi", "display-capture")
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


class LetAdminBe:
    """Django's own admin draws itself with jQuery, which makes pages of text; superusers alone see it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.path.startswith("/admin/"):
            response._csp_replace = {"require-trusted-types-for": None, "trusted-types": None}  # type: ignore[attr-defined]
        return response
