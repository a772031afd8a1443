"""Measuring images: their quality and the fingerprint that finds near-duplicates."""

from dataclasses import asdict

from django.core.files.storage import default_storage

from labeler.models import Image, Measurement, Study
from scoring import faces, fingerprints, images, quality


def save(image: Image, pixels: images.Pixels) -> Measurement:
    """Measure an image that has none yet. Raises scoring.weights.WeightsError where the landmark model is missing."""
    found = faces.find_landmarks(pixels)
    return Measurement.objects.create(
        image=image,
        fingerprint=fingerprints.to_bytes(fingerprints.fingerprint(pixels, found)),
        **asdict(quality.measure(pixels, found)),
    )


def save_missing(study: Study) -> int:
    """Measure the images that came before there were measurements; return how many."""
    missing = list(study.images.filter(measurement=None).exclude(original=""))
    for image in missing:
        with default_storage.open(image.original) as file:
            save(image, images.decode(file.read()))
    return len(missing)
