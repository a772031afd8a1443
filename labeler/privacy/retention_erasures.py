"""Erasures that a study's retention asks for."""

import logging

from django.utils import timezone

from labeler.models import Erasure, Study
from labeler.privacy import erasing
from labeler.studies.retention import due_on, is_near

IMAGES_PER_ERASURE = 1000  # images of an erasure, whose certificate lists them all
REASON = "The time that the study keeps photographs is over."

logger = logging.getLogger(__name__)


def request_due() -> list[Erasure]:
    """Ask for the erasure of everything whose time is over; warn of what comes in the next weeks."""
    asked = []
    for study in Study.objects.all():
        due = due_on(study)
        if due and due <= timezone.localdate():
            asked += _request(study)
        elif due and is_near(study):
            logger.warning("The photographs of study %s are erased on %s.", study.slug, due)
    return asked


def _request(study: Study) -> list[Erasure]:
    asked = []
    left = study.images.filter(is_erased=False).order_by("pk").values_list("pk", flat=True)
    while some := list(left[:IMAGES_PER_ERASURE]):
        chosen = study.images.filter(pk__in=some)
        asked.append(erasing.request(study=study, images=chosen, reason=REASON, by=None))
    return asked
