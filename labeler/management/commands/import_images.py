"""manage.py import_images STUDY PLACE"""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from labeler import buckets, intake, uploads
from labeler.intake import ImportReport
from labeler.management import progress_bar
from labeler.management.study_command import StudyCommand
from labeler.models import Study


class Command(StudyCommand):
    """Import photographs."""

    help = "Import every photograph in a folder, a zip or object storage; again adds only what is new: so one goes on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("place", help="the folder, the zip, or s3://bucket/folder")

    def handle_study(self, study: Study, **options: Any) -> None:
        try:
            report = self._import(study, options["place"])
        except (intake.IntakeError, buckets.BucketError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{report.imported} imported, {report.known} known already, {len(report.refused)} refused.")
        for refusal in report.refused:
            self.stderr.write(f"  {refusal.name}: {refusal.reason}")
        if report.refused and not report.imported + report.known:
            raise CommandError("No file could be imported.")

    def _import(self, study: Study, place: str) -> ImportReport:
        if not place.startswith(f"{buckets.SCHEME}://"):
            return intake.import_folder(study=study, folder=Path(place), on_file=progress_bar.on(self.stdout))
        into = uploads.begin_bucket(study=study, place=place, by=None)
        uploads.import_waiting(into, on_file=progress_bar.on(self.stdout))
        return uploads.report(into)
