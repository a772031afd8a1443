"""manage.py restore PLACE"""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeler.operations.backup import places, restoring, writing


class Command(BaseCommand):
    """Read a backup back."""

    help = "Read a backup into an installation that is empty but migrated: all of it, or nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("place", help="a file, or s3://bucket/name")
        parser.add_argument("--identity", type=Path, metavar="FILE", help="age secret key, where it is encrypted")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        try:
            manifest = restoring.restore(options["place"], identity=options["identity"])
        except places.BackupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(writing.summary(manifest))
