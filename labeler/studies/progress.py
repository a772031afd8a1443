"""How much of each reading list and of each study is done. Read-only."""

from dataclasses import dataclass

from django.db.models import Case, Count, F, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Coalesce

from labeler.models import Assignment, Reader, Study


@dataclass(frozen=True)
class Progress:
    """How much of a list is done."""

    done: int
    total: int

    @property
    def percent(self) -> int:
        return 100 * self.done // self.total if self.total else 0

    @property
    def is_finished(self) -> bool:
        return self.total > 0 and self.done == self.total


def reader_progress(reader: Reader) -> Progress:
    now = _with_total(Reader.objects.filter(pk=reader.pk)).get()
    return Progress(done=now.done, total=now.total)  # type: ignore[attr-defined]


def readers_with_progress(study: Study) -> QuerySet[Reader]:
    """Return the study's readers for who runs it, each with `total` beside `done`.

    Images that are left out of a list are counted until all others are done: lists that all become shorter by one
    image would tell that it is golden.
    """
    readers = _with_total(study.readers.select_related("user"), name="to_do")
    is_through = When(done__gte=F("to_do"), then=F("to_do"))
    return readers.annotate(total=Case(is_through, default=F("to_do") + F("skipped")))


def _with_total(readers: QuerySet[Reader], *, name: str = "total") -> QuerySet[Reader]:
    """Add the length of each list: its last position, which one look into an index finds, less what is left out."""
    listed = Assignment.objects.filter(reader=OuterRef("pk"), position__isnull=False)
    last = listed.order_by("-position").values("position")[:1]
    return readers.annotate(**{name: Coalesce(Subquery(last), 0) - F("skipped")})


@dataclass(frozen=True)
class ImageCounts:
    """How many images a study has, how many are golden, and how many of the others prescreening keeps."""

    total: int
    golden: int
    ordinary: int
    erased: int


def image_counts(study: Study) -> ImageCounts:
    counts = study.images.aggregate(
        total=Count("pk"),
        golden=Count("pk", filter=Q(is_golden=True)),
        ordinary=Count("pk", filter=Q(is_golden=False, is_kept=True)),
        erased=Count("pk", filter=Q(is_erased=True)),
    )
    return ImageCounts(**counts)
