"""Clusters of near-duplicates, and subjects with several images, for pages. Read-only."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from labeler.models import Image, SimilarPair, Study

PAGE = 12  # clusters or subjects
PICTURES = 12  # shown of each cluster; the page says if there are more
PAIRS = 20  # of each

Verdict = SimilarPair.Verdict


Rows = QuerySet[Image, Any]  # the cluster or the subject, and how many images it has


@dataclass(frozen=True)
class Together:
    """Images that belong together: some of their pictures, and the pairs among them that are most alike."""

    name: int | str  # of the cluster or subject
    size: int
    images: Sequence[Image]
    pairs: Sequence[SimilarPair] = ()

    @property
    def more(self) -> int:
        return self.size - len(self.images)

    @property
    def is_confirmed(self) -> bool:
        return all(pair.verdict == Verdict.CONFIRMED for pair in self.pairs)


def of_study(study: Study, *, verdict: str = "") -> Rows:
    """Return the clusters, the biggest first: all, those with a suspected pair, or those where all is confirmed."""
    suspected = SimilarPair.objects.filter(first__study=study, verdict=Verdict.SUSPECTED).values("first__cluster")
    wanted = {
        "": Q(),
        Verdict.SUSPECTED: Q(cluster__in=suspected),
        Verdict.CONFIRMED: ~Q(cluster__in=suspected.exclude(first__cluster=None)),
    }[verdict]
    images = study.images.filter(wanted, cluster__isnull=False)
    return images.values("cluster").annotate(images=Count("pk")).order_by("-images", "cluster")


def on_both_sides(study: Study) -> Rows:
    """Return the clusters with golden and ordinary images, the biggest first. For unblinded admins only."""
    golden = study.images.filter(is_golden=True, cluster__isnull=False).values("cluster")
    ordinary = study.images.filter(is_golden=False, cluster__isnull=False).values("cluster")
    both = study.images.filter(cluster__in=golden).filter(cluster__in=ordinary)
    return both.values("cluster").annotate(images=Count("pk")).order_by("-images", "cluster")


def has_any_on_both_sides(study: Study) -> bool:
    """Whether an ordinary image shares a cluster or a subject with a golden one: how many, would tell which."""
    golden = set(study.images.filter(is_golden=True).values_list("cluster", "subject"))
    clusters, subjects = {cluster for cluster, _ in golden} - {None}, {subject for _, subject in golden} - {""}
    tied = Q(cluster__in=clusters) | Q(subject__in=subjects)
    return study.images.filter(tied, is_golden=False).exists()


def with_pictures(study: Study, rows: Sequence[dict[str, Any]]) -> list[Together]:
    """Return the clusters of a page with what is shown of them, in as many queries for a large one as for a small."""
    names = [row["cluster"] for row in rows]
    images = _first(study.images.filter(cluster__in=names), "cluster")
    pairs = SimilarPair.objects.filter(first__cluster__in=names, second__cluster=F("first__cluster"))
    place = Window(RowNumber(), partition_by=F("first__cluster"), order_by=["distance", "pk"])
    shown = pairs.annotate(place=place, within=F("first__cluster")).filter(place__lte=PAIRS)
    among = defaultdict(list)
    for pair in shown.select_related("first", "second", "judged_by").order_by("distance", "pk"):
        among[pair.within].append(pair)
    return [Together(row["cluster"], row["images"], images[row["cluster"]], among[row["cluster"]]) for row in rows]


def distinct_pairs(study: Study) -> QuerySet[SimilarPair]:
    """Return the pairs that a person called different photographs."""
    pairs = SimilarPair.objects.filter(first__study=study, verdict=Verdict.DISTINCT)
    return pairs.select_related("first", "second", "judged_by").order_by("pk")


def subjects(study: Study) -> Rows:
    """Return the subjects with more than one image, by name."""
    images = study.images.exclude(subject="")
    return images.values("subject").annotate(images=Count("pk")).filter(images__gt=1).order_by("subject")


def subjects_with_pictures(study: Study, rows: Sequence[dict[str, Any]]) -> list[Together]:
    images = _first(study.images.filter(subject__in=[row["subject"] for row in rows]), "subject")
    return [Together(row["subject"], row["images"], images[row["subject"]]) for row in rows]


def _first(images: QuerySet[Image], by: str) -> Mapping[Any, Sequence[Image]]:
    """Return the first few images of each cluster or subject."""
    place = Window(RowNumber(), partition_by=F(by), order_by="pk")
    shown = images.annotate(place=place).filter(place__lte=PICTURES).select_related("measurement")
    together = defaultdict(list)
    for image in shown.defer("measurement__fingerprint").order_by("pk"):
        together[getattr(image, by)].append(image)
    return together
