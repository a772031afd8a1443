"""manage.py reset_second_factor USERNAME --reason ..."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeler.accounts import second_factors
from labeler.models import User


class Command(BaseCommand):
    help = "Forget a person's second factors and end their sessions. Make sure first that it is they who ask."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--reason", required=True, help="how you know that it is they; kept in the audit log")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(f"There is no account {options['username']}.")
        second_factors.reset(user, by=None, reason=options["reason"])
        self.stdout.write(f"{user.username} sets up a second factor at the next sign-in, which needs the password.")
