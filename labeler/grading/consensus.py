"""Current labels, and the consensus on golden images. Read-only."""

from django.db.models import Avg, F, QuerySet

from labeler.models import Label, Study


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


def golden_consensus(study: Study) -> dict[int, float]:
    """Return golden image id -> mean of its current grades (statistics.md: c_k)."""
    golden = current_grades(study).filter(assignment__image__is_golden=True).order_by()
    return dict(golden.values_list("assignment__image_id").annotate(mean=Avg("grade")))
