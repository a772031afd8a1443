"""How far each reader and each study is. Read only."""

from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet

from labeler.models import Reader, Study


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
    counts = reader.assignments.aggregate(done=Count("pk", filter=Q(is_done=True)), total=Count("pk"))
    return Progress(**counts)


def readers_with_progress(study: Study) -> QuerySet[Reader]:
    """Return the study's readers, each with `done` and `total`."""
    return study.readers.select_related("user").annotate(
        done=Count("assignments", filter=Q(assignments__is_done=True)), total=Count("assignments")
    )


@dataclass(frozen=True)
class ImageCounts:
    """How many images a study has, and how many of them are golden."""

    total: int
    golden: int

    @property
    def ordinary(self) -> int:
        return self.total - self.golden


def image_counts(study: Study) -> ImageCounts:
    return ImageCounts(**study.images.aggregate(total=Count("pk"), golden=Count("pk", filter=Q(is_golden=True))))
