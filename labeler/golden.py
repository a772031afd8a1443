"""Drawing the golden set: the images that every reader grades and no regressor is trained on."""

import random

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from labeler import prescreen
from labeler.models import Image, Study


class GoldenError(ValueError):
    """Why the golden set can't be drawn, as a sentence for people."""


@transaction.atomic
def draw(*, study: Study, size: int) -> list[Image]:
    """Draw `size` golden images at random, by the study's seed, and freeze them. Raises GoldenError."""
    study = Study.objects.select_for_update().get(pk=study.pk)
    candidates = list(prescreen.kept(study).order_by("content_hash").values_list("pk", flat=True))
    _check(study, size, len(candidates))
    chosen = random.Random(f"golden {study.seed}").sample(candidates, size)  # noqa: S311  a draw, not a secret
    Image.objects.filter(pk__in=chosen).update(is_golden=True)
    study.golden_drawn_at = timezone.now()
    study.save(update_fields=["golden_drawn_at"])
    return list(study.images.filter(is_golden=True))


def sidelined(study: Study) -> QuerySet[Image]:
    """Return the kept images that nobody reads, because the golden set has one of their cluster."""
    clusters = study.images.filter(is_golden=True).exclude(cluster=None).values("cluster")
    return prescreen.kept(study).filter(is_golden=False, cluster__in=clusters)


def _check(study: Study, size: int, available: int) -> None:
    if study.golden_drawn_at:
        raise GoldenError(
            f"Study {study.slug} has had its golden set since {study.golden_drawn_at:%Y-%m-%d %H:%M}: "
            "it is drawn once, because every statistic rests on it."
        )
    if not available:
        raise GoldenError(f"Study {study.slug} has no images yet. Import some first: manage.py import_images.")
    if not 1 <= size < available:
        raise GoldenError(
            f"A golden set of {size} can't be drawn from {available} images: "
            f"give a size from 1 to {available - 1}, so that ordinary images are left to train on."
        )
