"""manage.py end_access USERNAME --reason ..."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeler.accounts import people
from labeler.models import User


class Command(BaseCommand):
    help = "Take an invitation back, and end a person's sessions at their next request."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--reason", required=True, help="kept in the audit log")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        user = User.objects.filter(username=options["username"]).first()
        if user is None:
            raise CommandError(f"There is no account {options['username']}.")
        people.end_access(user, by=None, reason=options["reason"])
        self.stdout.write(f"{user.username} is out. A role that the identity provider gives is taken there.")
