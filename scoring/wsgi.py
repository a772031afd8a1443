"""The WSGI application of the scorer, which gunicorn serves in its own process."""

import os

from django.core.wsgi import get_wsgi_application

os.environ["DJANGO_SETTINGS_MODULE"] = "labeler.scorer_settings"  # also where the site's are already named

django_application = get_wsgi_application()

# What knows models comes after Django's start.
from django.conf import settings  # noqa: E402

from scoring.network import cpu_cores  # noqa: E402
from scoring.photograph import decoding_slots  # noqa: E402
from scoring.platform.probes import ALIVE, READY, Health, Migrations, database  # noqa: E402
from scoring.platform.request_limiter import RequestLimiter  # noqa: E402
from scoring.platform.telemetry import METRICS, Telemetry  # noqa: E402
from scoring.service.api import problems  # noqa: E402
from scoring.service.warm_up import Warmth  # noqa: E402

decoding_slots.limit(cpu_cores.share())
warmth = Warmth()
warmth.begin()
scorer = Health(
    Telemetry(django_application),
    checks={"database": database, "migrations": Migrations(), "weights": warmth},
)
application = RequestLimiter(
    scorer,
    places=cpu_cores.share() + settings.SCORER_WAITING,
    aside={ALIVE, READY, METRICS},
    refuse=problems.problem,
)
