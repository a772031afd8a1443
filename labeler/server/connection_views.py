"""Pages for a browser without a session or without a network."""

from datetime import timedelta

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_GET

from labeler.accounts.access import AuthedRequest


@require_GET
def signed_in(request: AuthedRequest) -> HttpResponse:
    """Tell the window that asked for a sign-in that it has happened, and close this one."""
    return render(request, "labeler/server/signed_in.html")


@login_not_required
@require_GET
def offline(request: HttpRequest) -> HttpResponse:
    """Answer the page that the service worker shows when the server can't be reached."""
    return render(request, "offline.html")


@login_not_required
@require_GET
@cache_control(no_cache=True)
def service_worker(request: HttpRequest) -> HttpResponse:
    """Answer from the root: a worker may only serve pages below its own address."""
    return render(request, "service-worker.js", content_type="text/javascript")


@login_not_required
@require_GET
def security_txt(request: HttpRequest) -> HttpResponse:
    """Return security.txt: where to report a vulnerability (RFC 9116)."""
    del request
    if not settings.SECURITY_CONTACT:
        raise Http404
    expires = timezone.now() + timedelta(days=180)
    text = f"Contact: {settings.SECURITY_CONTACT}\nExpires: {expires:%Y-%m-%dT00:00:00Z}\nPreferred-Languages: en\n"
    return HttpResponse(text, content_type="text/plain; charset=utf-8")
