"""Near-duplicates: similar pairs, decisions on them, and the clusters they form."""

from collections.abc import Callable, Collection

import numpy as np
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from labeler.models import Image, Measurement, SimilarPair, Study, User
from labeler.record import audit
from labeler.screening import prescreen
from scoring.photograph import fingerprint_search, fingerprints

ROWS_PER_STATEMENT = 2_000  # rows of an INSERT or UPDATE
NAMED = 10  # pairs that the audit log names one by one
SEARCHED = "searched for near-duplicates"
Verdict = SimilarPair.Verdict

# How the best image of a cluster is chosen: the one that comes last in this order is kept.
BEST = {
    "sharpest": ("the sharpest", F("measurement__sharpness").asc(nulls_first=True)),
    "largest": ("the largest", (F("width") * F("height")).asc()),
}


def find(*, study: Study, by: User | None = None, on_sample: Callable[[int, int], None] | None = None) -> int:
    """Find the near-duplicates among the measured images and write their clusters; return how many images have any.

    Pairs that a person called distinct stay apart, whatever their fingerprints say. `on_sample(done, total)` hears of
        progress.
    """
    measured = Measurement.objects.filter(image__study=study).order_by("image")
    rows = list(measured.values_list("image_id", "fingerprint"))
    ids = np.array([image for image, _ in rows], np.int64)
    # Minutes for a million images: no transaction waits for that, and the database would end one that did.
    stored = fingerprints.from_bytes([fingerprint for _, fingerprint in rows])
    pairs, distances = fingerprint_search.near_pairs(stored, on_sample=on_sample)
    found = [
        SimilarPair(first_id=first, second_id=second, distance=distance)
        for (first, second), distance in zip(ids[pairs].tolist(), distances.tolist(), strict=True)
    ]
    with transaction.atomic():
        _lock(study)
        SimilarPair.objects.bulk_create(found, batch_size=ROWS_PER_STATEMENT, ignore_conflicts=True)
        images = _cluster(study.images.all(), SimilarPair.objects.filter(first__study=study))
        audit.record(study, by, SEARCHED, detail=f"{len(rows)} images measured, {images} have near-duplicates")
    return images


@transaction.atomic
def judge(*, study: Study, pairs: Collection[int], verdict: str, by: User | None) -> int:
    """Say of these pairs whether they are one photograph; suspected takes a verdict back. Returns how many changed.

    Only the clusters that these pairs touch are joined or parted anew.
    """
    _lock(study)
    judged = SimilarPair.objects.filter(first__study=study, pk__in=pairs).exclude(verdict=verdict)
    ends = list(judged.order_by("first", "second").values_list("pk", "first", "second"))
    SimilarPair.objects.filter(pk__in=[pk for pk, _, _ in ends]).update(
        verdict=verdict,
        judged_by=None if verdict == Verdict.SUSPECTED else by,
        judged_at=None if verdict == Verdict.SUSPECTED else timezone.now(),
    )
    _recluster(study, {image for _, *pair in ends for image in pair})
    if ends:
        audit.record(study, by, "near-duplicates judged", detail=_in_words(ends, Verdict(verdict)))
    return len(ends)


def were_searched(study: Study) -> bool:
    return study.audit_events.filter(action=SEARCHED).exists()


def forget(image: Image) -> None:
    """Take an image out of its pairs and its cluster, which goes on without it."""
    with transaction.atomic():
        _lock(image.study)
        members = list(image.study.images.filter(cluster=image.cluster).values_list("pk", flat=True))
        SimilarPair.objects.filter(Q(first=image) | Q(second=image)).delete()
        if image.cluster:
            _recluster(image.study, members)
            audit.record(image.study, None, "taken from its near-duplicates", detail=str(image))


def pairs_of(study: Study, cluster: int) -> QuerySet[SimilarPair]:
    """Return the pairs within a cluster, the most alike first."""
    within = SimilarPair.objects.filter(first__study=study, first__cluster=cluster, second__cluster=cluster)
    return within.order_by("distance", "pk")


@transaction.atomic
def keep_best(*, study: Study, cluster: int, best: str, by: User | None) -> int:
    """Drop all of a cluster but the sharpest or the largest, which is left to its measures; return how many.

    Raises PrescreenError where one of them is settled.
    """
    words, order = BEST[best]
    *others, kept = study.images.filter(cluster=cluster).order_by(order, "-pk")
    if kept.override is False:
        reason = f"It is {words} of its near-duplicates."
        prescreen.decide(study=study, images=[kept.pk], is_kept=None, by=by, reason=reason)
    reason = f"Near-duplicate of image {kept.pk}, {words} of its cluster."
    return prescreen.decide(study=study, images=[image.pk for image in others], is_kept=False, by=by, reason=reason)


def _lock(study: Study) -> None:
    """Lock the study's clusters until this transaction ends."""
    Study.objects.select_for_update(no_key=True).get(pk=study.pk)


def _recluster(study: Study, images: Collection[int]) -> None:
    """Cluster these images anew, with all that were in a cluster with them."""
    clusters = study.images.filter(pk__in=images).exclude(cluster=None).values_list("cluster", flat=True)
    near = study.images.filter(Q(pk__in=images) | Q(cluster__in=list(clusters)))
    members = study.images.filter(pk__in=list(near.values_list("pk", flat=True)))
    _cluster(members, SimilarPair.objects.filter(first__in=members, second__in=members))


def _cluster(images: QuerySet[Image], pairs: QuerySet[SimilarPair]) -> int:
    """Join the pairs among these images to clusters, each known by its smallest image id; return how many have one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    joined = pairs.exclude(verdict=Verdict.DISTINCT)
    ends = np.array(list(joined.values_list("first", "second")), np.int64).reshape(-1, 2)
    ids, places = np.unique(ends, return_inverse=True)
    first, second = places.reshape(-1, 2).T
    graph = coo_array((np.ones(len(ends)), (first, second)), shape=(len(ids), len(ids)))
    _, labels = connected_components(graph, directed=False)
    smallest = ids[np.unique(labels, return_index=True)[1]]  # ids are in order, so the first of each is the smallest
    images.exclude(cluster=None).update(cluster=None)
    rows = [Image(pk=pk, cluster=smallest[label]) for pk, label in zip(ids.tolist(), labels, strict=True)]
    Image.objects.bulk_update(rows, ["cluster"], batch_size=ROWS_PER_STATEMENT)
    return len(rows)


def _in_words(ends: Collection[tuple[int, int, int]], verdict: SimilarPair.Verdict) -> str:
    named = ", ".join(f"{first} and {second}" for _, first, second in list(ends)[:NAMED])
    more = f" and {len(ends) - NAMED} more pairs" if len(ends) > NAMED else ""
    return f"{verdict.label}: images {named}{more}"
