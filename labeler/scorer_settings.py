"""The settings of the scorer: those of the site, without its pages, sessions and accounts."""

from labeler.settings import *  # noqa: F403

ROOT_URLCONF = "scoring.scorer_urls"
WSGI_APPLICATION = "scoring.wsgi.application"
MIDDLEWARE = [
    "scoring.api.middleware.RequestIds",
    "scoring.api.middleware.ApiAnswers",
    "labeler.views.headers.IsolatePages",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
]
