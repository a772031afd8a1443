"""manage.py remove_reader STUDY CODE --reason WHY"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from labeler.dealing import joining_and_leaving
from labeler.dealing.folds import DealError
from labeler.management.study_command import StudyCommand
from labeler.models import Study


class Command(StudyCommand):
    help = "Let a reader leave a running study: what they have not graded goes to the others."
    refusals = (DealError,)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("code", help="the reader's code, such as R03")
        parser.add_argument("--reason", required=True, help="kept in the audit log")

    def handle_study(self, study: Study, **options: Any) -> None:
        reader = study.readers.filter(code=options["code"]).first()
        if reader is None:
            known = ", ".join(study.readers.values_list("code", flat=True))
            raise CommandError(f"Study {study.slug} has no reader {options['code']} (there are: {known}).")
        act = joining_and_leaving.leave(reader=reader, reason=options["reason"])
        self.stdout.write(
            f"{act.assignments.count()} images handed over. Back: manage.py take_back_dealing {study.slug}"
        )
