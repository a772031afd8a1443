"""manage.py plan_study"""

import json
from argparse import ArgumentParser
from dataclasses import fields
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeler.platform import typed_json
from training.statistics import planning
from training.statistics.planning import Design, Expected, Plan

HELP = {
    "readers": "dermatologists who read",
    "golden": "images that all of them grade",
    "repeats": "images that each of them meets a second time",
    "drop_out": "share of the readers who stop on the way",
    "noise": "standard deviation of one grade, before rounding",
    "bias": "standard deviation of the readers' biases",
    "machine": "standard deviation of the score around the true severity",
    "grades": "steps of the grading scale",
    "margin": "grades of RMSE that the machine may be farther off than the worst reader",
    "power": "the chance that what is so will be established",
}


class Command(BaseCommand):
    help = (
        "SIMULATED: how wide the report's intervals would be, by the size of the golden set and the number of readers."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        for field in fields(Design):
            low, high = planning.LIMITS[field.name]
            about = f"{HELP[field.name]}, {low:g} to {high:g} (default {field.default})"
            flag = f"--{field.name.replace('_', '-')}"
            parser.add_argument(flag, type=type(field.default), default=field.default, help=about)
        parser.add_argument("--json", action="store_true", help="everything, in full precision")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        try:
            design = Design(**{field.name: options[field.name] for field in fields(Design)})
        except planning.DesignError as error:
            raise CommandError(f"--{str(error).replace('_', '-', 1)}") from error
        plan = planning.plan(design)
        if options["json"]:
            self.stdout.write(json.dumps(typed_json.dump(plan), indent=2))
        else:
            self._write(plan)

    def _write(self, plan: Plan) -> None:
        self.stdout.write("SIMULATED: no such study has taken place.\n")
        for sentence in planning.in_words(plan):
            self.stdout.write(sentence)
        self.stdout.write("\nWidth of the 95 % interval of\n")
        self.stdout.write(f"{'golden':>8}{'reader RMSE':>14}{'golden RMSE':>14}{'machine - reader':>19}")
        for size, widths in plan.by_golden:
            cells = (widths.reader_rmse, widths.golden_rmse, widths.machine_minus_reader)
            self.stdout.write(f"{size:>8}" + "".join(map(_cell, cells, (14, 14, 19))))
        self.stdout.write(f"\n{'repeats':>8}{'own differences':>18}")
        for size, expected in plan.by_repeats:
            self.stdout.write(f"{size:>8}" + _cell(expected, 18))


def _cell(expected: Expected, width: int) -> str:
    return f"{'none' if expected.width is None else f'{expected.width:.3f}':>{width}}"
