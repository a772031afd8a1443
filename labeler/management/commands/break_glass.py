"""manage.py break_glass USERNAME --reason ..."""

from argparse import ArgumentParser
from typing import Any

from django.urls import reverse

from labeler.accounts import break_glass
from scoring.management.refusing_command import RefusingCommand


class Command(RefusingCommand):
    help = "Print a path that signs a superuser in, once, within ten minutes. It is kept in the audit log."
    refusals = (break_glass.NoLinkError,)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--reason", required=True, help="why the usual way is closed; kept in the audit log")

    def run(self, **options: Any) -> None:
        user, token = break_glass.make(options["username"], reason=options["reason"])
        self.stdout.write(f"Open this on the site within ten minutes: {reverse('open_link', args=[user.pk, token])}")
