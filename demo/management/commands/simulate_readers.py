"""manage.py simulate_readers STUDY"""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from demo import selfies, simulated_readers
from labeler.management.study_command import StudyCommand
from labeler.models import Study


class Command(StudyCommand):
    """Let the study's simulated readers grade their lists."""

    help = "SIMULATED: programs grade a study of made selfies, whose true severity is known, as dermatologists would."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--truth", type=Path, required=True, help="the folder that make_demo_selfies filled")
        parser.add_argument("--profile", choices=sorted(simulated_readers.PROFILES), default="published")

    def handle_study(self, study: Study, **options: Any) -> None:
        if not study.is_simulated:
            raise CommandError(f"Study {study.slug} is not a simulated one; programs do not grade real images.")
        if not study.readers.filter(is_simulated=True).exists():
            raise CommandError(f"Study {study.slug} has no simulated readers.")
        made = selfies.read_severities(options["truth"])
        missing = study.images.exclude(source_name__in=[selfie.file for selfie in made]).count()
        if missing:
            raise CommandError(f"{missing} images of the study are not in {options['truth']}; give their own folder.")
        labels = simulated_readers.simulate(study=study, made=made, profile=options["profile"])
        self.stdout.write(f"{labels} SIMULATED labels.")
