"""Provisional scores of ungraded images, by another study's regressor.

A golden set can be spread over them before the study has a regressor of its own. No reader and no fit sees them.
"""

import logging
from collections.abc import Callable
from dataclasses import replace

from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import QuerySet

from labeler.accounts import access
from labeler.models import Image, ProvisionalScore, Study, User
from labeler.record import audit
from labeler.screening import prescreen
from scoring.models import Regressor
from scoring.photograph import decoding
from scoring.regressor import feature_store, pipeline, regressors

logger = logging.getLogger(__name__)


def sources(user: User) -> QuerySet[Study]:
    """Return the studies that a person runs and whose regressor is published."""
    published = Regressor.objects.filter(is_active=True).values("study")
    return access.administered_studies(user).filter(slug__in=published).order_by("title")


def missing(study: Study, regressor_id: int) -> QuerySet[Image]:
    """Return the kept images with a file that this regressor has not scored."""
    scored = ProvisionalScore.objects.filter(image__study=study, regressor_id=regressor_id).values("image")
    return prescreen.kept(study).exclude(original="").exclude(pk__in=scored).order_by("pk")


def score_missing(
    *, study: Study, source: Study, by: User | None = None, on_image: Callable[[int, int], None] | None = None
) -> int:
    """Score the images of a study by another study's regressor; return how many. Done twice, it goes on.

    One whose file can't be read stays without; the log says which. `on_image(done, total)` hears of progress.
    Raises NoActiveRegressor, ArtefactError and WeightsError.
    """
    regressor = regressors.active(source.slug)
    regressor_id = regressor.id or 0  # one that is stored has an id
    waiting = list(missing(study, regressor_id))
    done = 0
    for number, image in enumerate(waiting, start=1):
        done += _score(image, regressor)
        if on_image:
            on_image(number, len(waiting))
    detail = f"{done} images by regressor {regressor_id} of {source.slug}"
    audit.record(study, by, "scored provisionally", detail=detail)
    return done


def _score(image: Image, regressor: pipeline.FittedRegressor) -> bool:
    image.refresh_from_db(fields=["original", "turn"])  # minutes may have gone by since it was listed
    try:
        with default_storage.open(image.original) as file:
            selfie = replace(decoding.Selfie.of(file.read(), decoding.STORED), turn=image.turn)
        said = pipeline.score_image(selfie, regressor, describe=feature_store.describe)
    except (OSError, decoding.ImageError) as error:
        logger.warning("%s of study %s has no provisional score: %s", image, image.study_id, error)
        return False
    with transaction.atomic():
        same = Image.objects.select_for_update(no_key=True).filter(pk=image.pk, turn=image.turn)
        if not list(same):
            logger.info("%s of study %s was turned while it was scored; it has no score yet.", image, image.study_id)
            return False
        ProvisionalScore.objects.update_or_create(
            image=image, defaults={"score": said.score, "grade": said.grade, "regressor_id": regressor.id or 0}
        )
    return True
