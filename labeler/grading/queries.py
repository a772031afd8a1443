"""The queries of grading, each compiled once in a process: assignment, image, next images.

They rest on `labeler.platform.compiled_queries`. What stores a label stands in `label_store`.
"""

from functools import cache
from typing import Any
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery
from django.http import Http404

from labeler.accounts.access import AuthedRequest
from labeler.models import Assignment, GradeLevel, Image, Label, Reader, Role, Study
from labeler.platform.compiled_queries import CompiledQuery
from scoring.platform import log_context

# Each column that a query names costs time, whatever is in it.
TO_GRADE = (
    "public_id",
    "version",
    "is_done",
    "reader__code",
    "reader__study__slug",
    "reader__study__closed_at",
    "image__may_be_graded",
)
TO_SHOW = [f"image__{name}" for name in ("may_be_graded", "original", "rendition", "width", "height")]
ON_CARDS = ("reader", "public_id", "version", "image__width", "image__height")


def _own(user: int, slug: str, public_id: UUID) -> QuerySet[Assignment]:
    return Assignment.objects.filter(reader__user=user, reader__study__slug=slug, public_id=public_id).order_by()


_EXAMPLE: dict[str, Any] = {"user": -1, "slug": "a-slug", "public_id": UUID(int=1)}
_TO_GRADE = CompiledQuery(
    lambda **values: _own(**values).select_related("reader__study", "image").only(*TO_GRADE), **_EXAMPLE
)
_TO_SHOW = CompiledQuery(lambda **values: _own(**values).select_related("image").only(*TO_SHOW), **_EXAMPLE)
_LEVEL = CompiledQuery(
    lambda study, grade: GradeLevel.objects.filter(study=study, value=grade).only("pk").order_by(), study=1, grade=2
)


@cache
def _following(count: int) -> CompiledQuery[Assignment]:
    def make(reader: int, after: UUID) -> QuerySet[Assignment]:
        own = Assignment.objects.filter(reader=reader)
        return _waiting(own).filter(position__gt=own.filter(public_id=after).values("position"))[:count]

    return CompiledQuery(make, reader=-1, after=UUID(int=1))


def get_assignment(request: AuthedRequest, slug: str, public_id: UUID) -> Assignment:
    """Return one of the reader's own assignments, with the columns that storing a grade needs. Raises Http404."""
    assignment = _load(_TO_GRADE, request, slug, public_id)
    log_context.reader.set(assignment.reader.code)
    return assignment


def get_image(request: AuthedRequest, slug: str, public_id: UUID) -> Image:
    """Return the image of one of the reader's own assignments. Raises Http404."""
    return _load(_TO_SHOW, request, slug, public_id).image


def _load(query: CompiledQuery[Assignment], request: AuthedRequest, slug: str, public_id: UUID) -> Assignment:
    user = request.user
    assignment = query.first(user=user.pk, slug=slug, public_id=public_id) if user.holds(Role.READER) else None
    if assignment is None:
        raise Http404
    return assignment


def is_on_scale(study: Study, grade: int) -> bool:
    return _LEVEL.first(study=study.pk, grade=grade) is not None


def next_assignment(reader: Reader) -> Assignment | None:
    """Return the reader's first image still to grade, or None when the list is finished."""
    return upcoming(reader).first()


def upcoming(reader: Reader) -> QuerySet[Assignment]:
    """Return the reader's images still to grade, in their order, with the columns that a page needs."""
    return _waiting(reader.assignments.all())


def following(reader: Reader, *, after: UUID, count: int) -> list[Assignment]:
    """Return the first `count` assignments still to grade behind the one with the public id `after`."""
    return _following(count).all(reader=reader.pk, after=after)


def _waiting(assignments: QuerySet[Assignment]) -> QuerySet[Assignment]:
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
