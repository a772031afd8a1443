"""manage.py deal_folds STUDY"""

from typing import Any

from django.core.management.base import CommandError

from labeler import folds
from labeler.management.study_command import StudyCommand
from labeler.models import Study


class Command(StudyCommand):
    """Deal the reading lists."""

    help = "Deal every reader a fold of the ordinary images with the golden set hidden in it. Once per study."

    def handle_study(self, study: Study, **options: Any) -> None:
        del options
        try:
            deal = folds.deal(study=study)
        except folds.DealError as error:
            raise CommandError(str(error)) from error
        for code, size in deal.folds.items():
            self.stdout.write(f"{code}: {size} ordinary + {deal.golden} golden images")
