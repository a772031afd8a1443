"""Measuring images: their quality and the fingerprint that finds near-duplicates."""

import logging
from collections.abc import Callable
from dataclasses import asdict

from django.core.files.storage import default_storage

from labeler.models import Image, Measurement, Study
from scoring import faces, fingerprints, images, quality

logger = logging.getLogger(__name__)


def save(image: Image, pixels: images.Pixels) -> None:
    """Measure an image, if nobody else did meanwhile. Raises scoring.weights.WeightsError without the landmarks."""
    found = faces.find_landmarks(pixels)
    measured = Measurement(
        image=image,
        fingerprint=fingerprints.to_bytes(fingerprints.fingerprint(pixels, found)),
        **asdict(quality.measure(pixels, found)),
    )
    Measurement.objects.bulk_create([measured], ignore_conflicts=True)


def save_missing(study: Study, *, on_image: Callable[[int, int], None] | None = None) -> int:
    """Measure the images that came before there were measurements; return how many.

    One whose file can't be read stays without; the log says which. `on_image(begun, total)` hears of progress.
    """
    missing = list(study.images.filter(measurement=None).exclude(original=""))
    done = 0
    for place, image in enumerate(missing, start=1):
        if on_image:
            on_image(place, len(missing))
        if Measurement.objects.filter(image=image).exists():  # another worker came before us
            continue
        try:
            with default_storage.open(image.original) as file:
                pixels = images.decode(file.read())
        except (OSError, images.ImageError) as error:
            logger.warning("%s of study %s has no measures: %s", image, study.slug, error)
            continue
        save(image, pixels)
        done += 1
    return done
