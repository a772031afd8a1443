"""manage.py find_duplicates STUDY"""

from typing import Any

from labeler import duplicates, measurements
from labeler.management.study_command import StudyCommand
from labeler.models import Study


class Command(StudyCommand):
    """Find a study's near-duplicates."""

    help = "Measure images that have no measures yet, and mark those that look like one photograph."

    def handle_study(self, study: Study, **options: Any) -> None:
        del options
        measurements.save_missing(study)
        self.stdout.write(f"{duplicates.find(study=study)} images have near-duplicates; the gallery shows them.")
