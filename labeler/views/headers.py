"""Headers that no setting of Django knows: other sites get nothing of ours, and our pages get nothing of the device."""

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
        return response
