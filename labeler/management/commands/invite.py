"""manage.py invite EMAIL --role reader"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email
from django.forms import ValidationError

from labeler.accounts import people
from labeler.models import Role


class Command(BaseCommand):
    help = "Invite a person; the first identity with this address, verified by the provider, takes the account."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--role", choices=Role.values, default=Role.READER.value)

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        email = options["email"]
        try:
            validate_email(email)
        except ValidationError as error:
            raise CommandError(f"{email} is no e-mail address.") from error
        if people.is_invited(email):
            raise CommandError(f"{email} is invited already.")
        invitation = people.invite(email=email, role=Role(options["role"]), by=None)
        self.stdout.write(f"{email} is invited; the account is {invitation.user.username}.")
