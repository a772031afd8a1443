"""manage.py score_provisionally STUDY SOURCE"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from labeler.golden_set import provisional_scores
from labeler.management import progress_bar
from labeler.management.study_command import StudyCommand
from labeler.models import Study
from scoring.regressor.regressors import ArtefactError, NoActiveRegressor
from scoring.weights.weight_files import WeightsError


class Command(StudyCommand):
    help = "Score images by another study's regressor, so that draw_golden --by provisional:grade can spread over it."
    refusals = (NoActiveRegressor, ArtefactError, WeightsError)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("source", help="the study whose published regressor scores")

    def handle_study(self, study: Study, **options: Any) -> None:
        source = Study.objects.filter(slug=options["source"]).first()
        if source is None:
            raise CommandError(f"There is no study {options['source']}.")
        with progress_bar.shown("Scored") as on_image:
            scored = provisional_scores.score_missing(study=study, source=source, on_image=on_image)
        self.stdout.write(
            f"{scored} images scored. Next: manage.py draw_golden {study.slug} SIZE --by provisional:grade"
        )
