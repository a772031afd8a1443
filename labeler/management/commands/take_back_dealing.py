"""manage.py take_back_dealing STUDY --reason WHY"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from labeler.dealing import changes, undo
from labeler.dealing.folds import DealError
from labeler.management.study_command import StudyCommand
from labeler.models import Study


class Command(StudyCommand):
    help = "Undo the latest change of a study's lists. Images with a label stay where they are."
    refusals = (DealError,)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--reason", required=True, help="kept in the audit log")

    def handle_study(self, study: Study, **options: Any) -> None:
        latest = changes.latest(study)
        if latest is None:
            raise CommandError(f"Nothing was dealt in study {study.slug}.")
        undo.take_back(dealing=latest, reason=options["reason"])
        self.stdout.write(f"Taken back: {latest}.")
