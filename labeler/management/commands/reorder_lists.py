"""manage.py reorder_lists STUDY"""

from argparse import ArgumentParser
from typing import Any

from labeler.dealing import remaining_lists
from labeler.dealing.folds import DealError
from labeler.management.study_command import StudyCommand
from labeler.models import Study


class Command(StudyCommand):
    help = (
        "Order what is still to grade anew, for each reader of a running study; nobody loses or gets an image. "
        "For a study that a release before 2026-12 dealt: those lists came of a number that can be found by trying."
    )
    refusals = (DealError,)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--reason", default="A new order by the secret", help="kept in the audit log")

    def handle_study(self, study: Study, **options: Any) -> None:
        remaining_lists.reorder(study=study, reason=options["reason"])
        self.stdout.write(
            f"The lists of {study.slug} are in another order, but for the next {remaining_lists.STAYS} images."
        )
