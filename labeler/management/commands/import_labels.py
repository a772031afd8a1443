"""manage.py import_labels STUDY FILE.csv"""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from labeler.exchange import imported_labels, published_layout
from labeler.management.study_command import StudyCommand
from labeler.models import Study
from labeler.platform import spreadsheets

BAD_ROWS_SHOWN = 50  # bad rows named one by one; more are usually one mistake many times


class Command(StudyCommand):
    help = "Import a CSV or .xlsx in the published layout: labeler, image_name, label, label_at, shared_image."
    refusals = (spreadsheets.TableError,)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--without-files",
            action="store_true",
            help="where photographs are missing, make a study of labels alone: statistics, but nothing to train on",
        )
        parser.add_argument(
            "--sent-again",
            action="store_true",
            help="files that were refused, and those that came under their names later, are the same photographs",
        )

    def handle_study(self, study: Study, **options: Any) -> None:
        path: Path = options["file"]
        try:
            rows = published_layout.read(spreadsheets.csv_lines(path), study=study)
            made = imported_labels.store(
                study=study, rows=rows, without_files=options["without_files"], sent_again=options["sent_again"]
            )
        except OSError as error:
            raise CommandError(
                f"The file {path} can't be read: {error.strerror}. Check its name and rights."
            ) from error
        except published_layout.LayoutError as error:
            self._tell(error)
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{made.labels} labels imported, {made.known} known already; "
            f"{made.readers} new readers, {made.images} new images without a file."
        )

    def _tell(self, error: published_layout.LayoutError) -> None:
        for row in error.bad_rows[:BAD_ROWS_SHOWN]:
            self.stderr.write(f"  line {row.line}: {row.reason}")
        if len(error.bad_rows) > BAD_ROWS_SHOWN:
            self.stderr.write(f"  and {len(error.bad_rows) - BAD_ROWS_SHOWN} more.")
