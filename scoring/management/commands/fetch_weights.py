"""Bring the weight files here, once: `manage.py fetch_weights`."""

from typing import Any

from scoring.management.refusing_command import RefusingCommand
from scoring.weights import weight_files


class Command(RefusingCommand):
    help = "Fetch, verify and convert the weight files; what is here and whole stays."
    requires_system_checks = ()
    refusals = (weight_files.WeightsError,)

    def run(self, **options: Any) -> None:
        del options
        weight_files.fetch(self.stdout.write)
