"""The WSGI application that gunicorn serves: the site."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "labeler.settings")

django_application = get_wsgi_application()

from scoring.health import Health, Migrations, database  # noqa: E402  knows models: after Django's start

application = Health(django_application, checks={"database": database, "migrations": Migrations()})
