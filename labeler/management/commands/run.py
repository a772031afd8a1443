"""Be one process of the installation: `manage.py run web|scorer|worker|intake|beat`."""

import os
from argparse import ArgumentParser
from contextlib import suppress
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection

from labeler.operations import memory
from labeler.server import supervisor


class Command(BaseCommand):
    help = "Be one process of the installation, on servers that DATABASE_URL and REDIS_URL name."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", choices=supervisor.commands(site="", scorer=""))
        parser.add_argument("--bind", default="0.0.0.0:8000", help="where web and scorer listen (%(default)s)")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        if os.environ.get("LOCAL") == "1":
            raise CommandError("LOCAL=1 is for a machine of your own: `manage.py serve` runs everything there.")
        command = supervisor.commands(site=options["bind"], scorer=options["bind"])[options["name"]]
        os.environ |= supervisor.counting(options["name"])
        with suppress(DatabaseError):  # it need not be there yet: the processes wait for it
            if said := memory.note(options["name"]):
                self.stderr.write(self.style.WARNING(said))
        connection.close()
        os.execv(command[0], command)  # noqa: S606  so that it gets the signals itself
