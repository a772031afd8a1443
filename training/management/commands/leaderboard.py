"""manage.py leaderboard STUDY"""

import json
from argparse import ArgumentParser
from typing import Any

from labeler.management.study_command import StudyCommand
from labeler.models import Study
from labeler.platform import typed_json
from training.reports import leaderboard
from training.reports.leaderboard import Contestant


class Command(StudyCommand):
    help = "Print the numbers of the leaderboard's page."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--json", action="store_true", help="everything, for programs")

    def handle_study(self, study: Study, **options: Any) -> None:
        board = leaderboard.of(study)
        if options["json"]:
            self.stdout.write(json.dumps(typed_json.dump(board), indent=2))
            return
        if not board.recipes:
            self.stdout.write(f"No run has a report yet: manage.py retrain {study.slug}")
            return
        self.stdout.write(f"Run {board.run}{' (SIMULATED)' if board.is_simulated else ''}. {board.sentence}")
        self.stdout.write(f"{'recipe':16}  cross-validation  golden RMSE  (interval)        seconds to fit")
        for row in board.recipes:
            self.stdout.write(_line(row))


def _line(row: Contestant) -> str:
    golden = row.golden_rmse
    interval = f"({golden.low:.3f} to {golden.high:.3f})" if golden.low is not None else "(no interval)"
    mark = "  chosen" if row.is_chosen else f"  kept of run {row.from_run}" if row.from_run else ""
    mean = row.validation_rmse_by_seed.mean
    return f"{row.recipe:16}  {mean:16.3f}  {golden.value:11.3f}  {interval:17} {row.fit_seconds:8.1f}{mark}"
