"""manage.py serve"""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from labeler import supervisor


class Command(BaseCommand):
    """Run the whole installation."""

    help = "Migrate, then run web, scorer, workers and beat until Ctrl-C. With --demo there is a study to look at."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, help="the first free one from 8000 unless given")
        parser.add_argument("--demo", action="store_true", help="make the demo study and its accounts first")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        try:
            port = supervisor.choose_port(options["host"], options["port"])
        except supervisor.PortTakenError as error:
            raise CommandError(str(error)) from error
        call_command("migrate", interactive=False, verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        if options["demo"]:
            call_command("make_demo_study", stdout=self.stdout)
        connections.close_all()
        announce = self._announce_demo if options["demo"] else self._announce
        status = supervisor.run(host=options["host"], port=port, on_ready=announce)
        if status:
            raise CommandError("A process ended by itself; its last lines are above.", returncode=status)

    def _announce(self, url: str) -> None:
        self.stdout.write(self.style.SUCCESS(f"\n  {url}\n"))
        sys.stdout.flush()

    def _announce_demo(self, url: str) -> None:
        from labeler.demo import study

        rows = [f"{account.role:<28} {account.username:<8} {account.password}" for account in study.accounts()]
        lines = ["", f"  Open {url}", "", *(f"  {row}" for row in rows), "", "  Ctrl-C stops everything.", ""]
        self.stdout.write(self.style.SUCCESS("\n".join(lines)))
        sys.stdout.flush()
