"""manage.py find_duplicates STUDY"""

from typing import Any

from labeler.images import measurements
from labeler.management import progress_bar
from labeler.management.study_command import StudyCommand
from labeler.models import Study
from labeler.screening import near_duplicates


class Command(StudyCommand):
    help = "Measure images that have no measures yet, and mark those that look like one photograph."

    def handle_study(self, study: Study, **options: Any) -> None:
        del options
        with progress_bar.shown("Measured") as on_image:
            measurements.save_missing(study, on_image=on_image)
        with progress_bar.shown("Samples of bits") as on_sample:
            found = near_duplicates.find(study=study, on_sample=on_sample)
        self.stdout.write(f"{found} images have near-duplicates; the gallery shows them.")
