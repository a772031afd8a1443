"""Addresses of the scorer process: the scoring API alone."""

from django.urls import path

from scoring.service.api import api, legacy

handler500 = "scoring.service.api.problems.answer_error"
urlpatterns = [path("api/v1/", api.urls), path("url/", legacy.urls)]
