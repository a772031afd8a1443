"""manage.py backup PLACE"""

from argparse import ArgumentParser
from typing import Any

from labeler.operations.backup import places, writing
from scoring.management.refusing_command import RefusingCommand


class Command(RefusingCommand):
    help = "Write all rows, as of one moment, and all files to a file or to s3://bucket/name, while the site is in use."
    refusals = (places.BackupError,)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("place", help="a file that does not exist yet, or s3://bucket/name")
        parser.add_argument("--encrypt-to", metavar="KEY", help="age public key (age1...); `age-keygen` makes a pair")

    def run(self, **options: Any) -> None:
        manifest = writing.write(options["place"], recipient=options["encrypt_to"])
        self.stdout.write(writing.summary(manifest))
        for name in manifest["erased_meanwhile"]:
            self.stdout.write(f"Erased while the backup was made, so not in it: {name}")
        if not options["encrypt_to"]:
            self.stderr.write("It is not encrypted and holds faces: keep it as you keep the database.")
