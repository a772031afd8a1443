"""manage.py make_demo_selfies FOLDER"""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from demo import public_domain_faces, selfies
from labeler.management import progress_bar
from scoring.weights.weight_files import WeightsError


class Command(BaseCommand):
    """Make a folder of selfies to show to anyone."""

    help = "Make selfies of no real person with painted acne of known severity: JPEGs and severities.csv."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path)
        parser.add_argument("--count", type=int, default=150)
        parser.add_argument("--seed", type=int, default=2019, help="the same seed makes the same selfies")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        folder, count, seed = options["folder"], options["count"], options["seed"]
        if count < 1:
            raise CommandError("--count must be 1 at least.")
        try:
            with progress_bar.shown("Made") as on_selfie:
                made = selfies.make_selfies(folder=folder, count=count, seed=seed, on_selfie=on_selfie)
        except (public_domain_faces.FaceSourceError, WeightsError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{len(made)} simulated selfies in {folder}, their severities in {selfies.TABLE}.")
