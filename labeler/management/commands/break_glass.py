"""manage.py break_glass USERNAME --reason ..."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

from labeler.accounts import break_glass


class Command(BaseCommand):
    """Let a superuser in when the identity provider can't."""

    help = "Print a path that signs a superuser in, once, within ten minutes. It is kept in the audit log."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--reason", required=True, help="why the usual way is closed; kept in the audit log")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        try:
            user, token = break_glass.make(options["username"], reason=options["reason"])
        except break_glass.NoLinkError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Open this on the site within ten minutes: {reverse('open_link', args=[user.pk, token])}")
