"""manage.py retrain STUDY"""

from typing import Any

from django.core.management.base import CommandError

from labeler import jobs
from labeler.management.study_command import StudyCommand
from labeler.models import Study
from training import retrain
from training.models import TrainingRun


class Command(StudyCommand):
    """Retrain now, in this process."""

    help = "Fit a regressor on the current labels, judge it on the golden set, publish it if it passes."

    def handle_study(self, study: Study, **options: Any) -> None:
        del options
        requested = retrain.request(study=study)
        run = jobs.claim(TrainingRun, requested.pk)
        if run is None:
            raise CommandError(f"Run {requested.pk} of study {study.slug} is at work already. Wait until it is done.")
        try:
            retrain.retrain(run)
        except jobs.JobError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Run {run.pk}. {run.conclusion}")
