"""The queries of grading, each compiled once in a process: assignment, image, next images.

They rest on `labeler.platform.compiled_queries`. What stores a label stands in `label_store`.
"""

from bisect import bisect_left
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, TypeVar, cast
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery
from django.db.models.expressions import RawSQL

from labeler.accounts import access
from labeler.accounts.access import AuthedRequest
from labeler.models import Assignment, GradeLevel, Label, Reader, Study
from labeler.platform.compiled_queries import CompiledQuery
from scoring.platform import log_context

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations


class Near(TypedDict):
    """Whether an image is near its reader's place, and whether its reader is faster than anybody can look."""

    is_near: bool
    is_fast: bool


class OffListError(Exception):
    """Nothing on a reader's list has this public id, if ever anything had.

    An image that came back to the list, as when its reader did, has another id than before. So what was known by an
    old one must be answered as what another reader has now: only ordinary images go to others.
    """

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader.code)
        self.reader = reader


AnyAssignment = TypeVar("AnyAssignment", bound=Assignment)
ToShow: TypeAlias = "WithAnnotations[Assignment, Near]"

WHOLE = 2**31 - 1  # of a list
# Each column that a query names costs time, whatever is in it.
STATE = (
    *("public_id", "version", "is_done", "withdrawn_in", "image__may_be_graded"),
    *("reader__accepted_at", "reader__left_at", "reader__study__slug", "reader__study__closed_at"),
)
TO_GRADE = (*STATE, "reader__code", "reader__skipped")
TO_SHOW = (*STATE, *(f"image__{name}" for name in ("original", "rendition", "width", "height")))
ON_CARDS = ("reader", "public_id", "version", "position", "image__width", "image__height")


def _own(user: int, slug: str, public_id: UUID) -> QuerySet[Assignment]:
    return Assignment.objects.filter(reader__user=user, reader__study__slug=slug, public_id=public_id).order_by()


# Both are asked along with every image. What is done is near its reader's place wherever it stands.
_IS_NEAR = """
labeler_assignment.is_done OR EXISTS (
    SELECT FROM (
        SELECT waiting.id FROM labeler_assignment waiting JOIN labeler_image image ON image.id = waiting.image_id
        WHERE waiting.reader_id = labeler_assignment.reader_id AND NOT waiting.is_done
          AND waiting.withdrawn_in_id IS NULL AND image.may_be_graded
        ORDER BY waiting.position LIMIT %s
    ) near WHERE near.id = labeler_assignment.id
)
"""
# Up to now: a clock that was wrong for a while must not hold anybody up.
_IS_FAST = """
NOT labeler_assignment.is_done AND EXISTS (
    SELECT FROM labeler_assignment done
    WHERE done.reader_id = labeler_assignment.reader_id AND done.is_done
      AND done.labeled_at BETWEEN statement_timestamp() - make_interval(secs => %s) AND statement_timestamp()
    OFFSET %s
)
"""

_EXAMPLE: dict[str, Any] = {"user": -1, "slug": "a-slug", "public_id": UUID(int=1)}
_TO_GRADE = CompiledQuery(
    lambda **values: _own(**values).select_related("reader__study", "image").only(*TO_GRADE), **_EXAMPLE
)
_TO_SHOW = CompiledQuery(
    lambda near, many, seconds, **values: (
        _own(**values)
        .select_related("reader__study", "image")
        .only(*TO_SHOW)
        .annotate(is_near=RawSQL(_IS_NEAR, [near]), is_fast=RawSQL(_IS_FAST, [seconds, many]))  # noqa: S611
    ),
    **_EXAMPLE,
    near=-2,
    many=-3,
    seconds=-4.0,
)
_LEVEL = CompiledQuery(
    lambda study, grade: GradeLevel.objects.filter(study=study, value=grade).only("pk").order_by(), study=1, grade=2
)


@cache
def _next(count: int) -> CompiledQuery[Assignment]:
    return CompiledQuery(lambda reader: _waiting(Assignment.objects.filter(reader=reader))[:count], reader=-1)


def get_assignment(request: AuthedRequest, slug: str, public_id: UUID) -> Assignment:
    """Return one of the reader's own assignments, with the columns that storing a grade needs.

    Raises OffListError, and what `access.get_reader` raises.
    """
    assignment = _load(_TO_GRADE, request, slug, public_id)
    log_context.reader.set(assignment.reader.code)
    return assignment


def get_assignment_to_show(
    request: AuthedRequest, slug: str, public_id: UUID, *, window: int, labels: int, seconds: float
) -> "ToShow":
    """Return one of the reader's own assignments, with the columns that showing its image needs. Raises likewise.

    `is_near`: it is done, or among the next `window` images. `is_fast`: it is not done, and the reader finished
    `labels` images or more in these last `seconds`.
    """
    limits = {"near": window, "many": labels - 1, "seconds": seconds}
    return cast("ToShow", _load(_TO_SHOW, request, slug, public_id, **limits))


def _load(
    query: CompiledQuery[AnyAssignment], request: AuthedRequest, slug: str, public_id: UUID, **limits: float
) -> AnyAssignment:
    assignment = query.first(user=request.user.pk, slug=slug, public_id=public_id, **limits)
    if assignment is None:
        raise OffListError(access.get_reader(request, slug))
    access.let_read(request.user, assignment.reader)
    return assignment


def is_on_scale(study: Study, grade: int) -> bool:
    return _LEVEL.first(study=study.pk, grade=grade) is not None


def next_assignment(reader: Reader) -> Assignment | None:
    """Return the reader's first image still to grade, or None when the list is finished."""
    return upcoming(reader).first()


def upcoming(reader: Reader) -> QuerySet[Assignment]:
    """Return the reader's images still to grade, in their order, with the columns that a page needs."""
    return _waiting(reader.assignments.all())


def next_ones(reader: int, *, count: int) -> list[Assignment]:
    """Return the first `count` assignments that the reader with this id has still to grade, in their order."""
    return _next(count).all(reader=reader)


def _waiting(assignments: QuerySet[Assignment]) -> QuerySet[Assignment]:
    waiting = assignments.filter(is_done=False, withdrawn_in=None, image__may_be_graded=True)
    return waiting.select_related("image").only(*ON_CARDS).order_by("position")


def graded(reader: Reader) -> QuerySet[Assignment]:
    """Return what the reader has labeled and not taken back, each with what they said: `grade` or reason, `note`."""
    current = Label.objects.filter(assignment=OuterRef("pk"), version=OuterRef("version"))
    said = {name: Subquery(current.values(name)) for name in ("grade", "not_gradable", "note")}
    done = reader.assignments.filter(is_done=True, withdrawn_in=None, image__may_be_graded=True)
    return done.select_related("image").annotate(**said).order_by("-position")


def lately_graded(reader: Reader) -> QuerySet[Assignment]:
    """Return what `graded` returns, what was labeled last first."""
    return graded(reader).order_by("-labeled_at")


def left_out(reader: Reader) -> list[int]:
    """Return the positions of what is left out of a list, in order: no one may grade it, and the reader did not."""
    if not reader.skipped:
        return []
    shut = reader.assignments.filter(is_done=False, withdrawn_in=None, image__may_be_graded=False)
    return [position or 0 for position in shut.order_by("position").values_list("position", flat=True)]


def graded_before(reader: Reader, public_id: UUID) -> QuerySet[Assignment]:
    """Return what the reader labeled before they labeled the assignment with this public id, the latest first."""
    then = reader.assignments.filter(public_id=public_id).values("labeled_at")
    return lately_graded(reader).filter(labeled_at__lt=Subquery(then))


def numbers(reader: Reader, assignments: Iterable[Assignment]) -> list[int]:
    """Return which image of the reader's list each assignment is, from 1, as they count: without what is left out."""
    shut = left_out(reader)
    return [(one.position or 0) - bisect_left(shut, one.position or 0) for one in assignments]
