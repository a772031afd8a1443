"""manage.py draw_golden STUDY SIZE"""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from labeler.golden_set import golden_draw
from labeler.management.study_command import StudyCommand
from labeler.models import Study


class Command(StudyCommand):
    help = "Draw the images that every reader will grade and no regressor is trained on. Once per study."
    refusals = (golden_draw.GoldenError, OSError)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("size", type=int, nargs="?", help="how many images (the published study had 230 of 4,700)")
        parser.add_argument(
            "--by", default="", help="spread over a metadata column, or over quality:sharpness and such"
        )
        parser.add_argument("--names", type=Path, help="a file with the names of the images, one to a line, instead")

    def handle_study(self, study: Study, **options: Any) -> None:
        if options["names"]:
            drawn = golden_draw.choose(study=study, names=options["names"].read_text().splitlines())
        else:
            drawn = golden_draw.draw(study=study, size=options["size"] or 0, by=options["by"])
        self.stdout.write(f"{len(drawn)} golden images. Next: manage.py deal_folds {study.slug}")
        self.stdout.write(f"Publish this commitment to them: {study.commitment.digest}")
