"""manage.py verify_ledger [--known HASH] [--anchors FILE] [--without-files]"""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeler.record import anchors, ledger, ledger_check


class Command(BaseCommand):
    help = (
        "Compare labels, audit log, facts and photographs with the ledger. "
        "Exit status: 0 untouched, 1 with each row that is not."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--known",
            action="append",
            default=[],
            metavar="HASH",
            help="hash of a block that was noted elsewhere: it must be there; may be given several times",
        )
        parser.add_argument(
            "--anchors",
            action="append",
            default=[],
            type=Path,
            metavar="FILE",
            help="file with hashes of blocks that were noted elsewhere, beside those of LEDGER_ANCHORS",
        )
        parser.add_argument("--without-files", action="store_true", help="do not read the photographs in storage")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        known = [*options["known"], *anchors.noted()]
        for file in options["anchors"]:
            known += anchors.read(file)
        inspection = ledger_check.inspect(known=known, files=not options["without_files"])
        for finding in inspection.findings:
            self.stdout.write(finding)
        counted = f"{inspection.rows:,} rows in {inspection.blocks:,} blocks"
        if inspection.findings:
            raise CommandError(f"{len(inspection.findings)} findings in {counted}.")
        self.stdout.write(f"Untouched: {counted}; {inspection.waiting:,} newer ones wait to be sealed.")
        for name, (number, digest) in sorted(ledger.newest().items()):
            self.stdout.write(f"{name}: block {number}, {digest}")
