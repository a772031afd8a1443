"""manage.py deal_images STUDY"""

from argparse import ArgumentParser
from typing import Any

from labeler.dealing import new_images
from labeler.dealing.folds import DealError
from labeler.management.study_command import StudyCommand
from labeler.models import Study


class Command(StudyCommand):
    help = "Spread the kept images that are in no list over the lists of a running study."
    refusals = (DealError,)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--reason", default="Images that came later", help="kept in the audit log")

    def handle_study(self, study: Study, **options: Any) -> None:
        act = new_images.add_images(study=study, reason=options["reason"])
        self.stdout.write(f"{act.assignments.count()} images went into the lists.")
