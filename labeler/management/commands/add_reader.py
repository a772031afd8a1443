"""manage.py add_reader STUDY USERNAME"""

from argparse import ArgumentParser
from typing import Any

from django.db import transaction

from labeler.dealing import joining_and_leaving
from labeler.dealing.folds import DealError
from labeler.management.study_command import StudyCommand
from labeler.models import Study, User
from labeler.studies import studies


class Command(StudyCommand):
    help = "Give a person a place in a study, running or not; a new name gets a local account, its password shown once."
    refusals = (studies.StudyError, DealError)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("username")
        parser.add_argument("--capacity", type=int, help="longest list they take; golden images and repeats included")

    @transaction.atomic
    def handle_study(self, study: Study, **options: Any) -> None:
        username = options["username"]
        user, password = User.objects.filter(username=username).first(), ""
        if user is None:
            user, password = studies.create_account(username=username)
        reader = joining_and_leaving.admit(study=study, user=user, capacity=options["capacity"])
        self.stdout.write(f"{username} is reader {reader.code} of {study.slug}.")
        if password:
            self.stdout.write(f"A new account; its password, shown this once: {password}")
