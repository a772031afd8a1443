"""The WSGI application that gunicorn serves: the site."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "labeler.settings")

django_application = get_wsgi_application()

# What knows models comes after Django's start.
from labeler import vitals  # noqa: E402
from labeler.crew import HANDS, WAITING, Crew  # noqa: E402
from labeler.telemetry import Installation  # noqa: E402
from scoring.health import ALIVE, READY, Health, Migrations, Seldom, database  # noqa: E402
from scoring.telemetry import METRICS, Telemetry  # noqa: E402

site = Health(
    Telemetry(django_application, collectors=lambda: [Installation()]),
    checks={"database": database, "migrations": Migrations()},
    told={"queue": Seldom(vitals.broker), "storage": Seldom(vitals.storage)},
)
application = Crew(site, hands=HANDS, waiting=WAITING, aside={ALIVE, READY, METRICS})
