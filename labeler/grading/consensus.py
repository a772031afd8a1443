"""Current labels, which of them count, and the consensus on golden images. Read-only.

An image that its subject does not let be judged on, that was erased, or that was taken out counts in no number: what
was said of it stays in the history, and the report shows its numbers with it too (docs/running/privacy.md).
"""

from collections.abc import Iterator
from typing import NamedTuple

from django.db.models import Avg, Count, Exists, F, OuterRef, QuerySet

from labeler.models import Assignment, Image, Label, Study

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


def left_out(study: Study) -> QuerySet[Image]:
    """Return the images that were graded and do not count any more."""
    graded = Assignment.objects.filter(image=OuterRef("pk"), is_done=True)
    return study.images.filter(Exists(graded), may_be_trained_on=False).order_by("pk")


def counting_labels(study: Study) -> QuerySet[Label]:
    """Return the current labels of the images that count."""
    return current_labels(study).filter(assignment__image__may_be_trained_on=True)


def given_grades(study: Study) -> QuerySet[Label]:
    """Return the grades of first readings, of all images. A repeated reading says how steady a reader is, no more."""
    return current_labels(study).filter(grade__isnull=False, assignment__is_repeat=False)


def current_grades(study: Study) -> QuerySet[Label]:
    """Return what counts: the grades of first readings of the images that count."""
    return given_grades(study).filter(assignment__image__may_be_trained_on=True)


def golden_grades(study: Study, *, whole: bool = False) -> QuerySet[Label]:
    """Return what counts of the golden images, or the `whole` of what was said, as if none had been left out."""
    grades = given_grades(study) if whole else current_grades(study)
    return grades.filter(assignment__image__is_golden=True)


def golden_consensus(study: Study, *, whole: bool = False) -> Iterator[Consensus]:
    """Yield the consensus on each golden image that has a grade, in the order of their hashes."""
    images = (
        golden_grades(study, whole=whole)
        .order_by("assignment__image__content_hash")
        .values("assignment__image__content_hash")
    )
    rows = images.annotate(mean=Avg("grade"), n=Count("pk"))
    yield from map(Consensus._make, rows.values_list("assignment__image__content_hash", "mean", "n").iterator(AT_ONCE))
