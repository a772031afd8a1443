"""The settings of the scorer: those of the site, without its pages, sessions and accounts."""

from labeler.settings import *  # noqa: F403
from labeler.settings import INSTALLED_APPS as SITE_APPS

OF_PAGES = (
    "allauth",
    "django.contrib.admin",
    "django.contrib.messages",
    "django.contrib.sessions",
    "csp",
    "whitenoise",
)

INSTALLED_APPS = [app for app in SITE_APPS if not app.startswith(OF_PAGES)]
ROOT_URLCONF = "scoring.scorer_urls"
TEMPLATES = []  # it has no pages, also for errors
WSGI_APPLICATION = "scoring.wsgi.application"
MIDDLEWARE = [
    "labeler.server.headers.IsolatePages",
    "scoring.service.api.middleware.RequestIds",
    "scoring.service.api.middleware.ApiAnswers",
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
]
