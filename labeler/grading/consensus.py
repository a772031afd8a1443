"""Current labels, and the consensus on golden images. Read-only."""

from collections.abc import Iterator
from typing import NamedTuple

from django.db.models import Avg, Count, F, QuerySet

from labeler.models import Label, Study

AT_ONCE = 2000  # rows that a cursor of the database hands over


class Consensus(NamedTuple):
    """What the readers say of a golden image together (docs/science/statistics.md: c_k)."""

    content_hash: str
    mean: float  # of the current grades
    n: int  # readers who gave one


def current_labels(study: Study) -> QuerySet[Label]:
    """Return each assignment's latest label, unless it was taken back. "Not gradable" labels are among them."""
    return (
        Label.objects.filter(assignment__reader__study=study, version=F("assignment__version"), is_undo=False)
        .select_related("assignment__image", "assignment__reader")
        .order_by("assignment_id")
    )


def current_grades(study: Study) -> QuerySet[Label]:
    """Return what counts: the grades of first readings. A repeated reading says how steady a reader is, no more."""
    return current_labels(study).filter(grade__isnull=False, assignment__is_repeat=False)


def golden_grades(study: Study) -> QuerySet[Label]:
    """Return what counts of the golden images."""
    return current_grades(study).filter(assignment__image__is_golden=True)


def golden_consensus(study: Study) -> Iterator[Consensus]:
    """Yield the consensus on each golden image that has a grade, in the order of their hashes."""
    images = golden_grades(study).order_by("assignment__image__content_hash").values("assignment__image__content_hash")
    rows = images.annotate(mean=Avg("grade"), n=Count("pk"))
    yield from map(Consensus._make, rows.values_list("assignment__image__content_hash", "mean", "n").iterator(AT_ONCE))
