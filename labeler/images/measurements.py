"""Quality measures of images in the database."""

import logging
from collections.abc import Callable
from dataclasses import asdict

from django.core.files.storage import default_storage

from labeler.images import preprocessing
from labeler.images.preprocessing import Measures
from labeler.models import Image, Measurement, Study
from scoring.photograph import decoding

logger = logging.getLogger(__name__)


def save(image: Image, measures: Measures) -> None:
    """Store the measures of an image, unless another process did meanwhile."""
    measured = Measurement(image=image, fingerprint=measures.fingerprint, **asdict(measures.quality))
    Measurement.objects.bulk_create([measured], ignore_conflicts=True)


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


def _measure(image: Image) -> bool:
    try:
        with default_storage.open(image.original) as file:
            pixels = decoding.decode(file.read(), decoding.STORED)
    except (OSError, decoding.ImageError) as error:
        logger.warning("%s of study %s has no measures: %s", image, image.study_id, error)
        return False
    save(image, preprocessing.measure(pixels))
    return True
