"""Near-duplicates: pairs of images that look like one photograph, and the clusters they form."""

import numpy as np
from django.db import transaction
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from labeler.models import Image, Measurement, SimilarPair, Study
from scoring import fingerprints, similarity

AT_ONCE = 2_000  # rows of an INSERT or UPDATE


@transaction.atomic
def find(*, study: Study) -> int:
    """Find the near-duplicates among the measured images and write their clusters; return how many images have any.

    Pairs that somebody called distinct stay apart, whatever their fingerprints say.
    """
    measured = Measurement.objects.filter(image__study=study).order_by("image")
    rows = list(measured.values_list("image_id", "fingerprint"))
    ids = np.array([image for image, _ in rows], np.int64)
    pairs, distances = similarity.near_pairs(fingerprints.from_bytes([stored for _, stored in rows]))
    found = zip(ids[pairs].tolist(), distances.tolist(), strict=True)
    SimilarPair.objects.bulk_create(
        (SimilarPair(first_id=first, second_id=second, distance=distance) for (first, second), distance in found),
        batch_size=AT_ONCE,
        ignore_conflicts=True,
    )
    return _cluster(study)


def _cluster(study: Study) -> int:
    """Join pairs to clusters, each known by its smallest image id."""
    joined = SimilarPair.objects.filter(first__study=study).exclude(verdict=SimilarPair.Verdict.DISTINCT)
    pairs = np.array(list(joined.values_list("first", "second")), np.int64).reshape(-1, 2)
    ids, places = np.unique(pairs, return_inverse=True)
    first, second = places.reshape(-1, 2).T
    graph = coo_array((np.ones(len(pairs)), (first, second)), shape=(len(ids), len(ids)))
    _, labels = connected_components(graph, directed=False)
    smallest = ids[np.unique(labels, return_index=True)[1]]  # ids are in order, so the first of each is the smallest
    study.images.exclude(cluster=None).update(cluster=None)
    images = [Image(pk=pk, cluster=smallest[label]) for pk, label in zip(ids.tolist(), labels, strict=True)]
    Image.objects.bulk_update(images, ["cluster"], batch_size=AT_ONCE)
    return len(images)
