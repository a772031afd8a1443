"""manage.py collect_features"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from scoring.platform.jobs import JobError
from training.runs import unused_features


class Command(BaseCommand):
    help = (
        "Delete the embeddings of images that are gone, and of recipes that no run and no published regressor has; "
        "and regressors that belong to no run, because it was killed."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        del args, options
        try:
            deleted = unused_features.collect_features()
        except JobError as error:
            raise CommandError(f"Nothing was deleted. {error}") from error
        self.stdout.write(f"Stored files deleted: {deleted}.")
