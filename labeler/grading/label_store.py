"""Storing a label exactly once, however often it arrives."""

from dataclasses import asdict, dataclass
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import BooleanField, F
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now

from labeler.grading import refusals
from labeler.models import Assignment, Label, Reader
from labeler.record import audit


@dataclass(frozen=True)
class Viewing:
    """How the image was seen before it was labeled; None and "" where the page could not tell."""

    visible_ms: int | None = None
    zoom: float | None = None
    viewport_width: int | None = None
    viewport_height: int | None = None
    pixel_ratio: float | None = None
    input_kind: str = ""


UNKNOWN_VIEWING = Viewing()

# A lock that acts of grading share and that `closing` waits for; other work on a study does not hold it up.
_IS_OPEN = "EXISTS (SELECT FROM labeler_study study WHERE study.id = %s AND study.closed_at IS NULL FOR KEY SHARE)"


def record_label(
    *,
    assignment: Assignment,
    version: int,
    submission: UUID,
    grade: int | None = None,
    not_gradable: str = "",
    note: str = "",
    viewing: Viewing = UNKNOWN_VIEWING,
) -> Label:
    """Store one act of grading, exactly once however often it arrives.

    `version` is the assignment's version that the reader saw; `submission` names the act. With neither
    grade nor reason the act takes back the current label. Raises RefusedError; then nothing is stored.
    An act that was stored before stays stored, whatever has happened to study, reader or list since.
    """
    label = Label(
        submission=submission,
        assignment=assignment,
        version=version + 1,
        grade=grade,
        not_gradable=not_gradable,
        note=note,
        is_undo=grade is None and not not_gradable,
        **asdict(viewing),
    )
    if refusal := refusals.of(assignment):
        return _repeated(label, otherwise=refusal)
    try:
        return _store(label)
    except IntegrityError as error:  # the id belongs to an act on another image
        raise refusals.ReusedSubmissionError from error


def undo(*, assignment: Assignment, version: int, submission: UUID) -> Label:
    """Take back the current label: a new row in history, and the image is to be graded again."""
    return record_label(assignment=assignment, version=version, submission=submission)


@transaction.atomic
def _store(label: Label) -> Label:
    if not _claim(label):
        now = Assignment.objects.select_related("reader__study", "image").get(pk=label.assignment_id)
        return _repeated(
            label, otherwise=refusals.of(now) or refusals.OutdatedVersionError()
        )  # undoes what was claimed
    label.save(force_insert=True)
    if label.version > 1:
        reader = label.assignment.reader
        # Not its image: what two readers changed is golden.
        detail = f"label {label.pk} of {reader.code} replaces version {label.version - 1}"
        audit.record(reader.study, reader.user, "label changed", detail=detail)
    return label


def _claim(label: Label) -> bool:
    """Move the assignment to the label's version; False if another label was first, or nothing can be graded any more.

    What `refusals.of` saw may have changed since. The study is seen open under a lock that its closing waits for, so
    each act is stored before the closing or refused after it. Where this is False, the transaction must be undone.
    """
    reader = label.assignment.reader
    is_open = RawSQL(_IS_OPEN, [reader.study.pk], BooleanField())  # noqa: S611  our own words
    seen = Assignment.objects.filter(is_open, pk=label.assignment_id, version=label.version - 1, withdrawn_in=None)
    is_done, more = not label.is_undo, 0
    if seen.filter(is_done=not is_done).update(version=label.version, is_done=is_done, labeled_at=Now()):
        more = 1 if is_done else -1
    elif not seen.filter(is_done=is_done).update(version=label.version, labeled_at=Now()):
        return False
    return Reader.objects.filter(pk=reader.pk, left_at=None).update(done=F("done") + more) == 1


def _repeated(label: Label, *, otherwise: refusals.RefusedError) -> Label:
    """Return the label that this submission stored when it came the first time. Raises `otherwise` where it did not."""
    stored = Label.objects.filter(submission=label.submission).first()
    if stored is None:
        raise otherwise
    if _act(stored) != _act(label):
        raise refusals.ReusedSubmissionError
    return stored


def _act(label: Label) -> tuple[object, ...]:
    return (label.assignment_id, label.version, label.grade, label.not_gradable, label.note, label.is_undo)
