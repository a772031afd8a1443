"""The WSGI application of the site, which gunicorn serves."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "labeler.settings")
# No page needs longer, the dealing of a million images included; what hangs must not hold one of few threads for ever.
os.environ.setdefault("STATEMENT_SECONDS", "120")

django_application = get_wsgi_application()

# What knows models comes after Django's start.
from django.conf import settings  # noqa: E402
from django.urls import resolve  # noqa: E402
from django.utils.module_loading import import_string  # noqa: E402

from labeler.operations import health  # noqa: E402
from scoring.platform import request_limiter  # noqa: E402
from scoring.platform.probes import ALIVE, READY, Health, Migrations, Seldom, database  # noqa: E402
from scoring.platform.telemetry import METRICS, Telemetry  # noqa: E402

# Reading the addresses imports every view, which takes seconds: no reader waits for it after /readyz said yes.
resolve("/")

site = Health(
    Telemetry(django_application, collectors=lambda: [import_string(name)() for name in settings.METRICS]),
    checks={"database": database, "migrations": Migrations()},
    told={"queue": Seldom(health.broker), "storage": Seldom(health.storage)},
)
application = request_limiter.RequestLimiter(
    site,
    places=request_limiter.WEB_THREADS + request_limiter.WEB_WAITING,
    threads=request_limiter.WEB_THREADS,
    read_ahead=request_limiter.WEB_READ_AHEAD,
    body_seconds=request_limiter.WEB_BODY_SECONDS,
    aside={ALIVE, READY, METRICS},
)
