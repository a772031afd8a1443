"""manage.py prescreen_images STUDY [--limit MEASURE SMALLEST LARGEST ...] [--reason WHY]"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from labeler.images import measurements
from labeler.management import progress_bar
from labeler.management.study_command import StudyCommand
from labeler.models import Study
from labeler.screening import prescreen


class Command(StudyCommand):
    help = "Measure images that have no measures yet, set limits where some are given, and say how many are dropped."
    refusals = (prescreen.PrescreenError,)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--limit",
            nargs=3,
            action="append",
            default=[],
            metavar=("MEASURE", "SMALLEST", "LARGEST"),
            help=f"one of {', '.join(prescreen.NAMES)}; - is no limit; all limits are set anew",
        )
        parser.add_argument("--reason", default="", help="why, for the audit log")

    def handle_study(self, study: Study, **options: Any) -> None:
        with progress_bar.shown("Measured") as on_image:
            measured = measurements.save_missing(study, on_image=on_image)
        self.stdout.write(f"{measured} images measured.")
        limits = {name: (_number(low), _number(high)) for name, low, high in options["limit"]}
        if limits:
            prescreen.set_limits(study=study, limits=limits, by=None, reason=options["reason"])
        dropped = prescreen.apply(study)
        self.stdout.write(f"{dropped} images are dropped, with {prescreen.in_words(prescreen.current_limits(study))}.")


def _number(text: str) -> float | None:
    try:
        return None if text == "-" else float(text)
    except ValueError:
        raise CommandError(f"{text} is not a number; give one, or - for no limit.") from None
