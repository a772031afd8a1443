"""manage.py serve"""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from labeler.server import supervisor


class Command(BaseCommand):
    help = "Migrate, then run web, scorer, workers and beat until Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, help="the first free one from 8000 unless given")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        try:
            port = supervisor.choose_port(options["host"], options["port"])
        except supervisor.PortTakenError as error:
            raise CommandError(str(error)) from error
        call_command("migrate", interactive=False, verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        self.prepare(options)
        connections.close_all()
        status = supervisor.run(host=options["host"], port=port, on_ready=self.announce)
        if status:
            raise CommandError("A process ended by itself; its last lines are above.", returncode=status)

    def prepare(self, options: dict[str, Any]) -> None:
        """Do what is wanted before the processes begin; the demo makes its study here."""

    def announce(self, url: str) -> None:
        self.stdout.write(self.style.SUCCESS(f"\n  {url}\n"))
        sys.stdout.flush()
