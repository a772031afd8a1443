"""manage.py restore PLACE"""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from labeler.operations.backup import places, restoring, writing
from scoring.management.refusing_command import RefusingCommand


class Command(RefusingCommand):
    help = "Read a backup into an installation that is empty but migrated: all of it, or nothing."
    refusals = (places.BackupError,)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("place", help="a file, or s3://bucket/name")
        parser.add_argument("--identity", type=Path, metavar="FILE", help="age secret key, where it is encrypted")

    def run(self, **options: Any) -> None:
        self.stdout.write(writing.summary(restoring.restore(options["place"], identity=options["identity"])))
