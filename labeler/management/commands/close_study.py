"""manage.py close_study STUDY --reason WHY"""

from argparse import ArgumentParser
from typing import Any

from labeler.management.study_command import StudyCommand
from labeler.models import Study
from labeler.studies import closing


class Command(StudyCommand):
    help = "Close a study for good: grading ends, and the commitment to its golden set is opened."
    refusals = (closing.ClosingError,)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--reason", required=True, help="kept in the audit log")

    def handle_study(self, study: Study, **options: Any) -> None:
        closing.close(study=study, reason=options["reason"])
        self.stdout.write(f"Study {study.slug} is closed.")
