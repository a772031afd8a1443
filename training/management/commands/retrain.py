"""manage.py retrain STUDY"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from labeler.management.study_command import StudyCommand
from labeler.models import Study
from scoring.platform import jobs
from training.models import TrainingRun
from training.runs import retrain


class Command(StudyCommand):
    help = "Fit a regressor on the current labels, judge it on the golden set, publish it if it passes."
    refusals = (jobs.JobError,)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--force", action="store_true", help="also when nothing is new since the last run")

        parser.add_argument(
            "--ms2019", action="store_true", help="fit the published recipe too, though it was within the last week"
        )

    def handle_study(self, study: Study, **options: Any) -> None:
        requested = retrain.request(study=study, fits_ms2019=options["ms2019"])
        run = jobs.claim(TrainingRun, requested.pk)
        if run is None:
            raise CommandError(f"Run {requested.pk} of study {study.slug} is at work already. Wait until it is done.")
        retrain.retrain(run, force=options["force"])
        self.stdout.write(f"Run {run.pk}. {run.conclusion}")
