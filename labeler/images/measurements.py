"""Quality measures of images in the database."""

import logging
from collections.abc import Callable
from dataclasses import asdict

from django.core.files.storage import default_storage

from labeler.images import preprocessing
from labeler.images.preprocessing import Measures
from labeler.models import Image, Measurement, Study
from scoring.photograph import decoding, faces

logger = logging.getLogger(__name__)


def save(image: Image, measures: Measures) -> None:
    """Store the measures of an image, unless another process did meanwhile."""
    Measurement.objects.bulk_create([_row(image, measures)], ignore_conflicts=True)


def replace(image: Image, measures: Measures) -> None:
    """Store the measures of an image in the place of those that another process took, or takes right now."""
    measured = _row(image, measures)
    names = [field.name for field in Measurement._meta.concrete_fields if not field.primary_key]
    Measurement.objects.bulk_create([measured], update_conflicts=True, unique_fields=["image"], update_fields=names)


def save_missing(study: Study, *, on_image: Callable[[int, int], None] | None = None) -> int:
    """Measure the images that came before there were measurements; return how many.

    One whose file can't be read stays without; the log says which. `on_image(done, total)` hears of progress.
    """
    missing = list(study.images.filter(measurement=None, is_erased=False).exclude(original=""))
    done = 0
    for number, image in enumerate(missing, start=1):
        if not Measurement.objects.filter(image=image).exists():  # another worker may have come before us
            done += _measure(image)
        if on_image:
            on_image(number, len(missing))
    return done


def _row(image: Image, measures: Measures) -> Measurement:
    return Measurement(image=image, fingerprint=measures.fingerprint, **asdict(measures.quality))


def _measure(image: Image) -> bool:
    try:
        with default_storage.open(image.original) as file:
            pixels = decoding.decode(file.read(), decoding.STORED)
    except (OSError, decoding.ImageError) as error:
        logger.warning("%s of study %s has no measures: %s", image, image.study_id, error)
        return False
    save(image, preprocessing.measure(faces.upright(pixels, image.turn or 0)))
    return True
