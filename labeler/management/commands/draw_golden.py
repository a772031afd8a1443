"""manage.py draw_golden STUDY SIZE"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from labeler import golden
from labeler.management.study_command import StudyCommand
from labeler.models import Study


class Command(StudyCommand):
    """Draw the golden set."""

    help = "Draw the images that every reader will grade and no regressor is trained on. Once per study."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("size", type=int, help="how many images (the published study had 230 of 4,700)")

    def handle_study(self, study: Study, **options: Any) -> None:
        try:
            drawn = golden.draw(study=study, size=options["size"])
        except golden.GoldenError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Drew {len(drawn)} golden images. Next: manage.py deal_folds {study.slug}")
