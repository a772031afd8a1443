"""Deletion of stored embeddings and regressors that nothing refers to any more."""

from collections.abc import Sequence

from labeler.models import Image
from scoring.regressor import feature_store, regressors
from training.runs import retrain


def collect_features() -> int:
    """Return how many stored files were deleted. Raises jobs.JobError where weights are missing: then none was."""
    feature_keys = {recipe.feature_key for recipe in retrain.recipes_in_use()}
    return feature_store.collect(known=_known, feature_keys=feature_keys) + regressors.collect()


def _known(content_hashes: Sequence[str]) -> set[str]:
    known = Image.objects.filter(content_hash__in=content_hashes, is_erased=False)
    return set(known.values_list("content_hash", flat=True))
