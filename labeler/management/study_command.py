"""The base of commands on one study: it finds the study by its slug."""

from abc import abstractmethod
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from labeler.models import Study
from scoring.management.refusing_command import RefusingCommand


class StudyCommand(RefusingCommand):
    """A command whose first argument names a study."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("study", help="the study's short name")

    def run(self, **options: Any) -> None:
        slug = options.pop("study")
        try:
            study = Study.objects.get(slug=slug)
        except Study.DoesNotExist:
            known = ", ".join(Study.objects.order_by("slug").values_list("slug", flat=True)) or "none yet"
            raise CommandError(
                f"There is no study {slug} (known: {known}). Make one: manage.py create_study."
            ) from None
        self.handle_study(study, **options)

    @abstractmethod
    def handle_study(self, study: Study, **options: Any) -> None:
        """Do the command's work on the study that its first argument names."""
