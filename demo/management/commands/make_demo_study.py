"""manage.py make_demo_study"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from demo import public_domain_faces, study
from labeler.studies.studies import StudyError
from scoring.weights.weight_files import WeightsError
from training import tasks
from training.runs import retrain


class Command(BaseCommand):
    """Make the demo study and ask for its first regressor."""

    help = "SIMULATED: make selfies of no real person, ten readers who have graded them, and a place for you."

    def handle(self, *args: Any, **options: Any) -> None:
        del args, options
        try:
            made = study.make(say=self.stdout.write)
        except (public_domain_faces.FaceSourceError, StudyError, WeightsError) as error:
            raise CommandError(str(error)) from error
        if not made.training_runs.exists():
            tasks.send(retrain.request(study=made))
