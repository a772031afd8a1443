"""The golden draw: it chooses the images that every reader grades and no regressor is trained on, once."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from labeler.accounts import unblinding
from labeler.golden_set import commitments, strata
from labeler.models import Image, Study, User
from labeler.record import audit, keyed_draws
from labeler.screening import prescreen


class GoldenError(ValueError):
    """Why the golden set can't be drawn, as a sentence for people."""


@dataclass(frozen=True)
class Share:
    """How many images of one kind are golden."""

    stratum: str
    images: int
    golden: int


@transaction.atomic
def draw(*, study: Study, size: int, by: str = "", user: User | None = None) -> list[Image]:
    """Draw `size` golden images by the study's secret, and freeze them.

    `by` (see `strata`) spreads them over kinds of images in proportion. At most one of near-duplicates is drawn.
    Raises GoldenError.
    """
    study = _open(study)
    kinds = _candidates(study, by)
    _check(study, size, sum(map(len, kinds.values())))
    source = keyed_draws.of(study, "golden")
    shares = _allot(size, {kind: len(images) for kind, images in kinds.items()})
    chosen = [
        pk
        for kind, images in kinds.items()
        for pk in source.permutation(np.array(images, np.int64))[: shares[kind]].tolist()
    ]
    how = "drawn at random" + (f", in proportion over {by}" if by else "")
    return _freeze(study, chosen, how, user)


@transaction.atomic
def choose(*, study: Study, names: Sequence[str], user: User | None = None) -> list[Image]:
    """Freeze the images of these file names as the golden set. Raises GoldenError, naming what does not fit.

    Whoever chose them knows them, which the log says as of anybody who was unblinded: they can't read the study.
    """
    study = _open(study)
    known = defaultdict(list)
    for pk, name, cluster in prescreen.kept(study).values_list("pk", "source_name", "cluster"):
        for key in {name.lower(), PurePosixPath(name.lower()).name}:
            known[key].append((pk, cluster))
    wanted = {name.strip().lower() for name in names if name.strip()}
    unfit = sorted(name for name in wanted if len(known[name]) != 1)
    if unfit:
        raise GoldenError(f"{len(unfit)} names belong to no kept image, or to several: {', '.join(unfit[:5])}.")
    chosen = {known[name][0] for name in wanted}
    clusters = [cluster for _, cluster in chosen if cluster]
    if len(clusters) > len(set(clusters)):
        raise GoldenError("Two of these images are near-duplicates of each other. Leave one of them out.")
    _check(study, len(chosen), prescreen.kept(study).count())
    if user:
        audit.record(study, user, unblinding.ACTION, reason="They chose the golden images by name.")
    return _freeze(study, [pk for pk, _ in chosen], "chosen by hand", user)


def preview(study: Study, size: int, by: str = "") -> list[Share]:
    """Return how many golden images of each kind would be drawn. Raises GoldenError."""
    kinds = {kind: len(images) for kind, images in _candidates(study, by).items()}
    _check(study, size, sum(kinds.values()))
    shares = _allot(size, kinds)
    return [Share(kind or "(not known)", images, shares[kind]) for kind, images in sorted(kinds.items())]


def sidelined(study: Study) -> QuerySet[Image]:
    """Return the kept images that no reader gets, because the golden set has one of their cluster."""
    clusters = study.images.filter(is_golden=True).exclude(cluster=None).values("cluster")
    return prescreen.kept(study).filter(is_golden=False, cluster__in=clusters)


def _open(study: Study) -> Study:
    study = Study.objects.select_for_update(no_key=True).get(pk=study.pk)
    prescreen.apply(study)
    return study


def _candidates(study: Study, by: str) -> dict[str, list[int]]:
    """Return the kept images by kind, of near-duplicates the first, in an order that nothing changes."""
    rows = prescreen.kept(study).annotate(stratum=strata.stratum(by)).order_by("content_hash")
    kinds: dict[str, list[int]] = {}
    seen = set()
    for pk, cluster, kind in rows.values_list("pk", "cluster", "stratum"):
        if cluster not in seen:
            kinds.setdefault(kind, []).append(pk)
        if cluster:
            seen.add(cluster)
    return kinds


def _allot(size: int, kinds: Mapping[str, int]) -> dict[str, int]:
    """Share `size` out in proportion, the largest remainders getting what rounding leaves (Hamilton's method)."""
    total = sum(kinds.values())
    exact = {kind: size * images / total for kind, images in kinds.items()}
    shares = {kind: int(share) for kind, share in exact.items()}
    largest = sorted(kinds, key=lambda kind: (shares[kind] - exact[kind], kind))
    for kind in largest[: size - sum(shares.values())]:
        shares[kind] += 1
    return shares


def _freeze(study: Study, chosen: Sequence[int], how: str, user: User | None) -> list[Image]:
    Image.objects.filter(pk__in=chosen).update(is_golden=True)
    study.golden_drawn_at = timezone.now()
    study.save(update_fields=["golden_drawn_at"])
    promised = commitments.promise(study, how)
    audit.record(study, user, "golden set frozen", detail=f"{len(chosen)} images {how}; commitment {promised.digest}")
    return list(study.images.filter(is_golden=True))


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
