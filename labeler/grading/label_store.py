"""Giving grades: what comes next for a reader, and recording what they say of it."""

from dataclasses import asdict, dataclass
from functools import cache
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Now

from labeler.models import Assignment, GradeLevel, Label, Reader, Study
from labeler.platform.compiled_queries import Composed
from labeler.record import audit

# Of an assignment and its image, what a reader's page is told.
ON_CARDS = ("reader", "public_id", "version", "image__width", "image__height")


class OutdatedVersionError(Exception):
    """Somebody (the same reader in another tab) labeled this image since the page was drawn."""


class ReusedSubmissionError(Exception):
    """A submission's id came again with other contents: it must not overwrite, and must not be dropped silently."""


def next_assignment(reader: Reader) -> Assignment | None:
    """Return the reader's first image still to grade, or None when the list is finished."""
    return upcoming(reader).first()


def upcoming(reader: Reader) -> QuerySet[Assignment]:
    """Return the reader's images still to grade, in their order. Only what a page tells of them is read at once."""
    return _to_grade(reader.assignments.all())


def following(reader: Reader, *, after: UUID, count: int) -> list[Assignment]:
    """Return the first so many of those that come after the reader's assignment with this public id."""
    return _following(count).all(reader=reader.pk, after=after)


def is_on_scale(study: Study, grade: int) -> bool:
    return _LEVEL.first(study=study.pk, grade=grade) is not None


_LEVEL = Composed(
    lambda study, grade: GradeLevel.objects.filter(study=study, value=grade).only("pk").order_by(), study=1, grade=2
)


@cache
def _following(count: int) -> Composed[Assignment]:
    def make(reader: int, after: UUID) -> QuerySet[Assignment]:
        own = Assignment.objects.filter(reader=reader)
        return _to_grade(own).filter(position__gt=own.filter(public_id=after).values("position"))[:count]

    return Composed(make, reader=-1, after=UUID(int=1))


def _to_grade(assignments: QuerySet[Assignment]) -> QuerySet[Assignment]:
    waiting = assignments.filter(is_done=False, withdrawn_in=None, image__may_be_graded=True)
    return waiting.select_related("image").only(*ON_CARDS).order_by("position")


def lately_graded(reader: Reader) -> QuerySet[Assignment]:
    """Return what the reader has labeled and not taken back, the latest first, each with its `grade` or reason."""
    current = Label.objects.filter(assignment=OuterRef("pk"), version=OuterRef("version"))
    return (
        reader.assignments.filter(is_done=True, image__may_be_graded=True)
        .select_related("image")
        .annotate(grade=Subquery(current.values("grade")), not_gradable=Subquery(current.values("not_gradable")))
        .order_by("-labeled_at")
    )


class ClosedError(Exception):
    """The study is closed: nobody grades any more."""


class WithdrawnError(Exception):
    """The image's subject does not agree that it is graded, any more."""


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
    grade nor reason the act takes back the current label. Raises OutdatedVersionError,
    ReusedSubmissionError, ClosedError or WithdrawnError; then nothing is stored.
    """
    if assignment.reader.study.closed_at:
        raise ClosedError
    if not assignment.image.may_be_graded:
        raise WithdrawnError
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
    try:
        return _store(label)
    except IntegrityError as error:  # the id belongs to an act on another image
        raise ReusedSubmissionError from error


def undo(*, assignment: Assignment, version: int, submission: UUID) -> Label:
    """Take back the current label: a new row in history, and the image is to be graded again."""
    return record_label(assignment=assignment, version=version, submission=submission)


@transaction.atomic
def _store(label: Label) -> Label:
    if not _claim(label):
        return _repeated(label)
    label.save(force_insert=True)
    if label.version > 1:
        reader = label.assignment.reader
        # Not its image: what two readers changed is golden.
        detail = f"label {label.pk} of {reader.code} replaces version {label.version - 1}"
        audit.record(reader.study, reader.user, "label changed", detail=detail)
    return label


def _claim(label: Label) -> bool:
    """Move the assignment to the label's version; False if another label was first."""
    seen = Assignment.objects.filter(pk=label.assignment_id, version=label.version - 1)
    is_done = not label.is_undo
    if seen.filter(is_done=not is_done).update(version=label.version, is_done=is_done, labeled_at=Now()):
        reader = Reader.objects.filter(pk=label.assignment.reader_id)
        reader.update(done=F("done") + (1 if is_done else -1))
        return True
    return seen.filter(is_done=is_done).update(version=label.version, labeled_at=Now()) == 1


def _repeated(label: Label) -> Label:
    """Return the label that this submission stored when it came the first time."""
    stored = Label.objects.filter(submission=label.submission).first()
    if stored is None:
        raise OutdatedVersionError
    if _act(stored) != _act(label):
        raise ReusedSubmissionError
    return stored


def _act(label: Label) -> tuple[object, ...]:
    return (label.assignment_id, label.version, label.grade, label.not_gradable, label.note, label.is_undo)
