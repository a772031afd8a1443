"""manage.py collect_features"""

from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeler.models import Image
from scoring import feature_store
from scoring.jobs import JobError
from training import retrain


class Command(BaseCommand):
    """Delete stored embeddings that nothing needs."""

    help = "Delete the embeddings of images that are gone, and of recipes that no run and no published regressor has."

    def handle(self, *args: Any, **options: Any) -> None:
        del args, options
        try:
            feature_keys = {recipe.feature_key for recipe in retrain.recipes_in_use()}
        except JobError as error:
            raise CommandError(f"Nothing was deleted. {error}") from error
        deleted = feature_store.collect(known=_known, feature_keys=feature_keys)
        self.stdout.write(f"Stored files deleted: {deleted}.")


def _known(content_hashes: Sequence[str]) -> set[str]:
    return set(
        Image.objects.filter(content_hash__in=content_hashes, is_erased=False).values_list("content_hash", flat=True)
    )
