"""manage.py make_demo_study"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from demo import public_domain_faces, study
from labeler.studies.studies import StudyError
from scoring.platform.jobs import send
from scoring.weights.weight_files import WeightsError
from training import tasks
from training.runs import retrain


class Command(BaseCommand):
    """Make the demo study and ask for its first regressor."""

    help = "SIMULATED: make selfies of no real person, ten readers who have graded them, and a place for you."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--selfies", type=int, default=study.SELFIES)

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        try:
            made = study.make(count=options["selfies"], say=self.stdout.write)
        except (public_domain_faces.FaceSourceError, StudyError, WeightsError) as error:
            raise CommandError(str(error)) from error
        if not made.training_runs.exists():
            send(tasks.retrain, retrain.request(study=made).pk)
