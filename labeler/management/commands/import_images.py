"""manage.py import_images STUDY FOLDER"""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from labeler import intake
from labeler.management.study_command import StudyCommand
from labeler.models import Study


class Command(StudyCommand):
    """Import a folder of photographs."""

    help = "Import every photograph in a folder or a zip; again adds only what is new, so an interrupted one goes on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("folder", type=Path, help="the folder, or the zip")

    def handle_study(self, study: Study, **options: Any) -> None:
        try:
            report = intake.import_folder(study=study, folder=options["folder"], on_file=self._show)
        except intake.IntakeError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{report.imported} imported, {report.known} known already, {len(report.refused)} refused.")
        for refusal in report.refused:
            self.stderr.write(f"  {refusal.name}: {refusal.reason}")
        if report.refused and not report.imported + report.known:
            raise CommandError("No file could be imported.")

    def _show(self, done: int, total: int) -> None:
        if self.stdout.isatty():
            self.stdout.write(f"\r{done} of {total}", ending="\n" if done == total else "")
