"""manage.py serve_demo"""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management import call_command

from demo import study
from labeler.management.commands import serve


class Command(serve.Command):
    """Run the whole installation with the demo study, and print its accounts."""

    help = "Make the demo study and its accounts, then do what `serve` does."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--selfies", type=int, default=study.SELFIES)

    def prepare(self, options: dict[str, Any]) -> None:
        call_command("make_demo_study", selfies=options["selfies"], stdout=self.stdout)

    def announce(self, url: str) -> None:
        rows = [f"{account.role:<28} {account.username:<8} {account.password}" for account in study.accounts()]
        lines = ["", f"  Open {url}", "", *(f"  {row}" for row in rows), "", "  Ctrl-C stops everything.", ""]
        self.stdout.write(self.style.SUCCESS("\n".join(lines)))
        sys.stdout.flush()
