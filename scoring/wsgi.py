"""The scorer: the WSGI application that gunicorn serves in a process of its own, with torch, dlib and the weights."""

import os

from django.core.wsgi import get_wsgi_application

os.environ["DJANGO_SETTINGS_MODULE"] = "labeler.scorer_settings"  # also where the site's are already named

django_application = get_wsgi_application()

# What knows models comes after Django's start.
from django.conf import settings  # noqa: E402

from scoring import cores, turns  # noqa: E402
from scoring.admission import Admission  # noqa: E402
from scoring.health import Health, Migrations, database  # noqa: E402
from scoring.telemetry import Telemetry  # noqa: E402
from scoring.warming import Warmth  # noqa: E402

turns.limit(cores.share())
warmth = Warmth()
warmth.begin()
application = Health(
    Telemetry(Admission(django_application, places=cores.share() + settings.SCORER_WAITING)),
    checks={"database": database, "migrations": Migrations(), "weights": warmth},
)
