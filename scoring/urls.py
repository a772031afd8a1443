"""Addresses of the scoring API."""

from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.urls import path
from ninja import NinjaAPI

from scoring.service.api import api, legacy, pages


def of_apps(ours: NinjaAPI) -> tuple[Any, ...]:
    """Return the addresses of an API: apps bring a token, and never sign in."""
    patterns, *names = ours.urls
    for pattern in patterns:
        login_not_required(pattern.callback)
    return patterns, *names


urlpatterns = [
    path("api/v1/docs", pages.documentation, name="api_documentation"),
    path("api/v1/", of_apps(api)),
    path("url/", of_apps(legacy)),
]
