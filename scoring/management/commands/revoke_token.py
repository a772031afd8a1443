"""Take a token back: `manage.py revoke_token STUDY NAME`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from scoring.management.refusing_command import RefusingCommand
from scoring.models import ApiToken
from scoring.service import tokens


class Command(RefusingCommand):
    help = "Revoke an app's API token: from now on it opens nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("study", help="slug of its study")
        parser.add_argument("name", help="the app it is for")

    def run(self, **options: Any) -> None:
        live = ApiToken.objects.filter(study=options["study"], revoked_at=None)
        token = live.filter(name=options["name"]).first()
        if token is None:
            names = ", ".join(live.values_list("name", flat=True)) or "none"
            raise CommandError(f"{options['name']} has no token. Tokens of study {options['study']}: {names}.")
        tokens.revoke(token)
        self.stdout.write(f"The token of {token} opens nothing any more.")
