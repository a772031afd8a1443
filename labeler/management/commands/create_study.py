"""manage.py create_study SLUG TITLE"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from labeler.models import User
from labeler.studies import studies
from scoring.management.refusing_command import RefusingCommand


class Command(RefusingCommand):
    help = "Make an empty study with the acne grades."
    refusals = (studies.StudyError,)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("slug", help="a short name for addresses and commands, such as acne-2026")
        parser.add_argument("title", help="the name that people see")
        parser.add_argument("--admin", help="the account that runs it")

    def run(self, **options: Any) -> None:
        admin = self._account(options["admin"]) if options["admin"] else None
        study = studies.create(slug=options["slug"], title=options["title"])
        if admin:
            study.admins.add(admin)
        self.stdout.write(f"Made study {study.slug}. Next: manage.py import_images {study.slug} FOLDER")

    def _account(self, username: str) -> User:
        try:
            return User.objects.get(username=username)
        except User.DoesNotExist:
            raise CommandError(f"There is no account {username}. Make it: manage.py createsuperuser.") from None
