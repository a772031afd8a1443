"""manage.py report STUDY"""

import json
from argparse import ArgumentParser
from typing import Any

from labeler.management.study_command import StudyCommand
from labeler.models import Study
from labeler.platform import typed_json
from training.reports import study_report
from training.statistics.intervals import Estimate


class Command(StudyCommand):
    help = "Print the numbers of the report page."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--json", action="store_true", help="everything, as the page's JSON has it")

    def handle_study(self, study: Study, **options: Any) -> None:
        report = study_report.current(study)
        if options["json"]:
            self.stdout.write(json.dumps(typed_json.dump(report), indent=2))
            return
        self.stdout.write(f"{study.title}{' (SIMULATED)' if report.is_simulated else ''}")
        for reader in report.readers:
            self._line(reader.code, reader.rmse)
        run = report.machine_run
        if run is None:
            self.stdout.write(f"No regressor yet: manage.py retrain {study.slug}")
            return
        self._line("machine", run.machine.golden_rmse)
        self.stdout.write(run.conclusion)

    def _line(self, name: str, rmse: Estimate) -> None:
        if rmse.value is None:
            self.stdout.write(f"{name:>8}  {rmse.reason}")
            return
        interval = f"{rmse.low:.3f} to {rmse.high:.3f}" if rmse.low is not None else rmse.reason
        self.stdout.write(f"{name:>8}  {rmse.value:.3f}  ({interval}, n = {rmse.n})")
