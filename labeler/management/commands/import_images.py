"""manage.py import_images STUDY PLACE"""

import time
from argparse import ArgumentParser
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from labeler import tasks
from labeler.images import buckets
from labeler.intake import importing, uploads
from labeler.intake.importing import ImportReport
from labeler.management import progress_bar
from labeler.management.study_command import StudyCommand
from labeler.models import Study
from scoring.network import cpu_cores


class Command(StudyCommand):
    help = "Import every photograph in a folder, a zip or object storage; again adds only what is new: so one goes on."
    refusals = (importing.IntakeError, buckets.BucketError)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("place", help="the folder, the zip, or s3://bucket/folder")

    def handle_study(self, study: Study, **options: Any) -> None:
        report = self._import(study, options["place"])
        self.stdout.write(f"{report.imported} imported, {report.known} known already, {len(report.refused)} refused.")
        for copy in report.copies:
            self.stdout.write(f"  {copy.name}: {copy.reason}")
        for refusal in report.refused:
            self.stderr.write(f"  {refusal.name}: {refusal.reason}")
        if report.refused and not report.imported + report.known:
            raise CommandError("No file could be imported.")

    def _import(self, study: Study, place: str) -> ImportReport:
        with progress_bar.shown("Imported") as on_file:
            if not place.startswith(f"{buckets.SCHEME}://"):
                return importing.import_folder(
                    study=study, folder=Path(place), on_file=on_file, processes=cpu_cores.usable()
                )
            return self._import_bucket(study, place, on_file)

    def _import_bucket(self, study: Study, place: str, on_file: progress_bar.ProgressBar) -> ImportReport:
        """Import beside the workers, where there are any."""
        into = uploads.begin_bucket(study=study, place=place, by=None)
        while uploads.waiting(into):
            uploads.import_waiting(into, on_file=on_file, on_unpacked=partial(tasks.call_workers, into))
            if uploads.waiting(into):  # workers hold the last ones, under leases that end
                time.sleep(1)
        return uploads.report(into)
