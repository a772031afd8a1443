"""Bring the weight files here, once: `manage.py fetch_weights`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from scoring.weights import weight_files


class Command(BaseCommand):
    help = "Fetch, verify and convert the weight files; what is here and whole stays."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        del args, options
        try:
            weight_files.fetch(self.stdout.write)
        except weight_files.WeightsError as error:
            raise CommandError(str(error)) from error
