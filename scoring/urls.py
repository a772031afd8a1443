"""Addresses of the scoring API."""

from django.urls import path

from scoring.service.api import api, legacy, pages

urlpatterns = [
    path("api/v1/docs", pages.documentation, name="api_documentation"),
    path("api/v1/", api.urls),
    path("url/", legacy.urls),
]
