"""manage.py import_metadata STUDY FILE.csv"""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from labeler.intake import metadata
from labeler.management.study_command import StudyCommand
from labeler.models import Study


class Command(StudyCommand):
    help = (
        "Write a CSV's columns into the images of its file names; subject, consent, consent_date of the person in them."
    )
    refusals = (metadata.MetadataError, OSError)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", type=Path)

    def handle_study(self, study: Study, **options: Any) -> None:
        report = metadata.join(study=study, rows=metadata.parse(options["file"].read_bytes()))
        self.stdout.write(
            f"{report.changed} images changed, {report.same} said nothing new, {report.without_row} have no row."
        )
        if report.consents:
            self.stdout.write(f"Of {report.consents} subjects a consent was recorded.")
        for line, name in report.without_subject:
            self.stderr.write(f"  line {line}: {name} has a consent but no subject: name the subject")
        for line, name in report.unmatched:
            self.stderr.write(f"  line {line}: no image is called {name}")
        for line, name in report.ambiguous:
            self.stderr.write(f"  line {line}: several images, or another row, are called {name}")
