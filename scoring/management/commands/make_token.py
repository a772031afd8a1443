"""Make a token for an app that calls the scoring API: `manage.py make_token STUDY NAME`."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.core.validators import validate_slug
from django.utils import timezone

from scoring.management.refusing_command import RefusingCommand
from scoring.models import Regressor, Scope
from scoring.service import tokens, webhooks


class Command(RefusingCommand):
    help = "Make an API token and print it, once: it can't be read again."
    refusals = (tokens.TokenError,)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("study", help="slug of the study whose regressor answers")
        parser.add_argument("name", help="the app it is for")
        parser.add_argument("--scopes", nargs="+", choices=Scope.values, default=[Scope.SCORE.value], metavar="SCOPE")
        parser.add_argument("--per-minute", type=int, default=60, help="photographs a minute (60)")
        parser.add_argument("--days", type=int, help="until it expires; never unless given")

    def run(self, **options: Any) -> None:
        study = options["study"]
        try:
            validate_slug(study)
        except ValidationError as error:
            raise CommandError(f"{study!r} is not a study's slug: letters, digits, - and _ only.") from error
        if options["per_minute"] < 1:
            raise CommandError("A token that may send no photograph opens nothing. Give --per-minute 1 or more.")
        token, plaintext = tokens.make(
            name=options["name"],
            study=study,
            made_by=None,
            scopes=options["scopes"],
            per_minute=options["per_minute"],
            expires_at=timezone.now() + timedelta(days=options["days"]) if options["days"] else None,
        )
        self.stdout.write(plaintext)
        if Scope.BATCH in token.scopes:
            self.stderr.write(f"Its webhooks are signed with {webhooks.secret(token)}")
        if not Regressor.objects.filter(study=study, is_active=True).exists():
            self.stderr.write(f"Study {study} has no published regressor yet: the API answers 503 until it has.")
