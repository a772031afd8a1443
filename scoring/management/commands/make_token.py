"""Make a token for an app that calls the scoring API: `manage.py make_token STUDY NAME`."""

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_slug

from scoring import tokens
from scoring.models import Regressor


class Command(BaseCommand):
    help = "Make an API token and print it, once: it can't be read again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("study", help="slug of the study whose regressor answers")
        parser.add_argument("name", help="the app it is for")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        study, name = options["study"], options["name"]
        try:
            validate_slug(study)
        except ValidationError as error:
            raise CommandError(f"{study!r} is not a study's slug: letters, digits, - and _ only.") from error
        _, plaintext = tokens.make(name, study, None)
        self.stdout.write(plaintext)
        if not Regressor.objects.filter(study=study, is_active=True).exists():
            self.stderr.write(f"Study {study} has no published regressor yet: the API answers 503 until it has.")
