"""manage.py verify_ledger [--known HASH]"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeler.models import LedgerBlock
from labeler.record import ledger, ledger_check


class Command(BaseCommand):
    help = "Hold labels and audit log against the ledger. Exit status: 0 untouched, 1 with each row that is not."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--known", default="", help="hash of a block that was noted elsewhere: it must be there")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        inspection = ledger_check.inspect(known=options["known"])
        for finding in inspection.findings:
            self.stdout.write(finding)
        counted = f"{inspection.rows:,} rows in {inspection.blocks:,} blocks"
        if inspection.findings:
            raise CommandError(f"{len(inspection.findings)} findings in {counted}.")
        self.stdout.write(f"Untouched: {counted}; {inspection.waiting:,} newer ones wait to be sealed.")
        for name, digest in sorted(_heads().items()):
            self.stdout.write(f"{name}: {digest}")


def _heads() -> dict[str, str]:
    """Return the newest block of each chain: note one elsewhere, and give it as --known later."""
    newest = {name: f"block {number}, {digest}" for name, (number, digest) in ledger.heads().items()}
    site = LedgerBlock.objects.filter(study=None).defer("rows").last()
    return newest | ({"site": f"block {site.number}, {site.digest}"} if site else {})
