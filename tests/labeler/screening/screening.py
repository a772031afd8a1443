"""Measured studies for tests of prescreening and near-duplicates."""

import itertools

from labeler.models import Image, Measurement, SimilarPair, Study
from labeler.screening import near_duplicates
from tests import builders

PLAIN = {"exposure": 0.5, "contrast": 0.2, "sharpness": -2.0, "short_side": 900, "faces": 1, "face_size": 0.5}


def measure(image: Image, **values: float) -> None:
    Measurement.objects.update_or_create(image=image, defaults={"fingerprint": b"", **PLAIN, **values})


def measured_study(images: int) -> Study:
    """Return a study of images, each a tenth sharper than the one before: -4.0, -3.9..."""
    study = builders.make_study(images=images)
    for number, image in enumerate(study.images.all()):
        measure(image, sharpness=-4 + number / 10)
    return study


def pair(first: Image, second: Image, *, distance: int = 10) -> SimilarPair:
    return SimilarPair.objects.create(first=first, second=second, distance=distance)


def chain(study: Study, *lengths: int) -> list[list[SimilarPair]]:
    """Tie the study's images, in their order, to clusters of so many; each is like the next one only."""
    images = iter(study.images.order_by("pk"))
    chains = []
    for length in lengths:
        members = [next(images) for _ in range(length)]
        chains.append([pair(*two) for two in itertools.pairwise(members)])
    recluster(study)
    return chains


def recluster(study: Study) -> None:
    """Cluster all of it anew: taking nothing back changes no pair, but a search does more than these tests need."""
    everything = list(SimilarPair.objects.filter(first__study=study).values_list("pk", flat=True))
    SimilarPair.objects.filter(pk__in=everything).update(verdict=SimilarPair.Verdict.CONFIRMED)
    near_duplicates.judge(study=study, pairs=everything, verdict=SimilarPair.Verdict.SUSPECTED, by=None)
