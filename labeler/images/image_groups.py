"""Groups of images of one subject or of near-duplicates. Read-only."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q

from labeler.models import Study

Tie = tuple[int, str, int | None]  # an image, its subject, its cluster


@dataclass(frozen=True)
class Groups:
    """Which images of a study belong together. An image that is not there stands alone."""

    group_of: dict[int, int]  # image -> the smallest image of its group
    golden: frozenset[int]  # groups with a golden image
    on_both_sides: frozenset[int]  # their ordinary images: nothing may be learned from them


def load(study: Study) -> Groups:
    """Read the groups of a study, in one query."""
    tied = study.images.filter(~Q(subject="") | Q(cluster__isnull=False))
    rows = list(tied.order_by("pk").values_list("pk", "subject", "cluster", "is_golden"))
    group_of = join((image, subject, cluster) for image, subject, cluster, _ in rows)
    golden = frozenset(group_of[image] for image, *_, is_golden in rows if is_golden)
    both = frozenset(image for image, *_, is_golden in rows if not is_golden and group_of[image] in golden)
    return Groups(group_of, golden, both)


def join(ties: Iterable[Tie]) -> dict[int, int]:
    """Return image -> the smallest image that it is connected to, through whatever number of subjects and clusters."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows = sorted(ties)
    names: dict[tuple[str, str | int], int] = {}  # a subject or a cluster -> its node, after those of the images
    starts, ends = [], []
    for place, (_, subject, cluster) in enumerate(rows):
        for kind, name in (("subject", subject), ("cluster", cluster)):
            if name:
                starts.append(place)
                ends.append(names.setdefault((kind, name), len(rows) + len(names)))
    size = len(rows) + len(names)
    graph = coo_array(([1] * len(starts), (starts, ends)), shape=(size, size))
    _, labels = connected_components(graph, directed=False)
    smallest: dict[int, int] = {}
    return {row[0]: smallest.setdefault(int(label), row[0]) for row, label in zip(rows, labels, strict=False)}
