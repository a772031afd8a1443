"""Dealing of images that were imported after the first deal."""

from django.db import transaction

from labeler.dealing import changes, folds, remaining_lists
from labeler.dealing.folds import DealError
from labeler.models import Dealing, Study, User


@transaction.atomic
def add_images(*, study: Study, by: User | None = None, reason: str = "") -> Dealing:
    """Deal the kept images that are in no list into the lists as they are now. Raises DealError."""
    study = changes.lock_running(study)
    design = changes.first_design(study)
    waiting = folds.undealt(study, design.by)
    if not len(waiting.images):
        raise DealError("Every kept image is in somebody's list already. Import images first.")
    dealing = changes.begin(study, Dealing.Kind.IMAGES, by=by, reason=reason)
    draw = changes.draws(dealing, "new images")
    images, keys = folds.in_turn(waiting, draw)
    unplaced = remaining_lists.hand_out(study, images, keys, dealing, draw)
    return changes.finish(dealing, f"{len(images) - unplaced} images", {"nobody": unplaced})
