"""Search of a study's images by labels and metadata. Read-only."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Collate

from labeler.models import Alias, Doubt, Image, Label, Measurement, Reader, Study
from labeler.screening.prescreen import MEASURES, Measure

DEALT = "Images have been dealt since it came, and readers grade what they were dealt. It stays as it is."
PAGE = 48  # images: divides into rows of 2, 3, 4, 6 and 8
FEW_COPIES = 1000  # ids that stand in a query; more are found by a query within it, which is slower


@dataclass(frozen=True)
class Wanted:
    """Which images to find; what is None or empty does not matter."""

    grade: int | None = None
    reader: Reader | None = None
    not_gradable: str = ""
    is_kept: bool | None = None
    column: str = ""
    value: str = ""
    has_duplicates: bool | None = None
    name: str = ""
    is_golden: bool | None = None
    is_taken_out: bool | None = None
    turned: str = ""  # by its "face", or by "hand"


def find(study: Study, wanted: Wanted) -> QuerySet[Image]:
    """Return the images that are all that is wanted: by name and id where a name is, else by id."""
    images = study.images.order_by("pk")
    if wanted.name:  # in the order of an index in which the names with one beginning stand together
        named = images.annotate(named=Collate("source_name", "C"))
        images = named.filter(Q(named__startswith=wanted.name) | _copies(study, wanted.name)).order_by("named", "pk")
    images = images.filter(_of_image(wanted))
    if wanted.grade is None and wanted.reader is None and not wanted.not_gradable:
        return images
    return images.filter(Exists(_labels(wanted)))


def _copies(study: Study, beginning: str) -> Q:
    """Return which images came under another name that begins so."""
    images = Alias.objects.alias(named=Collate("name", "C")).filter(named__startswith=beginning, image__study=study)
    pks = images.order_by().values_list("image", flat=True)
    few = list(pks[: FEW_COPIES + 1])
    return Q(pk__in=few if len(few) <= FEW_COPIES else pks)


def names_of_copies(page: Sequence[Image], beginning: str) -> dict[int, str]:
    """Return image -> the other name by which it was found, of those whose own name does not begin so."""
    others = [image.pk for image in page if not image.source_name.startswith(beginning)]
    names = Alias.objects.filter(image__in=others, name__startswith=beginning).order_by("-pk")
    return dict(names.values_list("image", "name")) if others else {}


def _of_image(wanted: Wanted) -> Q:
    q = Q()
    if wanted.is_kept is not None:
        q &= Q(is_kept=wanted.is_kept)
    if wanted.has_duplicates is not None:
        q &= Q(cluster__isnull=not wanted.has_duplicates)
    if wanted.is_taken_out is not None:
        q &= Q(is_taken_out=wanted.is_taken_out)
    if wanted.turned:
        q &= Q(turn__gt=0, is_turned_by_hand=False) if wanted.turned == "face" else Q(is_turned_by_hand=True)
    if wanted.is_golden is not None:
        q &= Q(is_golden=wanted.is_golden)
    if wanted.column and wanted.value:
        q &= _metadata(wanted.column, wanted.value)
    return q


def _metadata(column: str, value: str) -> Q:
    """A value counts as the text it is, and as the number it may be."""
    q = Q(metadata__contains={column: value})
    try:
        number = float(value)
    except ValueError:
        return q
    return q | Q(metadata__contains={column: number}) if math.isfinite(number) else q


def _labels(wanted: Wanted) -> QuerySet[Label]:
    """Return the current labels of the outer query's image that are as wanted."""
    labels = Label.objects.filter(
        assignment__image=OuterRef("pk"), version=F("assignment__version"), is_undo=False
    ).order_by()
    if wanted.grade is not None:
        labels = labels.filter(grade=wanted.grade)
    if wanted.reader is not None:
        labels = labels.filter(assignment__reader=wanted.reader)
    if wanted.not_gradable:
        labels = labels.filter(not_gradable=wanted.not_gradable)
    return labels


def with_words(page: Sequence[Image]) -> list[Image]:
    """Return the images of a page with what is said of each now, not reading all that 300 readers say of a golden one.

    `some_grade` is one of its current grades and `is_refused` whether any reader calls it not gradable; where the
    grades differ, its `doubt` has the lowest and the highest.
    """
    current = Label.objects.filter(
        assignment__image=OuterRef("pk"), version=F("assignment__version"), is_undo=False
    ).order_by()
    images = Image.objects.select_related("doubt").annotate(
        some_grade=Subquery(current.filter(grade__isnull=False).values("grade")[:1]),
        is_refused=Exists(current.filter(grade=None)),
    )
    said = images.in_bulk([image.pk for image in page])
    return [said[image.pk] for image in page]


def disputed(study: Study) -> QuerySet[Doubt]:
    """Return the images on which the readers' current grades lie furthest apart."""
    return _counting(study).filter(spread__gt=0).order_by("-spread", "image_id")


def unstable(study: Study) -> QuerySet[Doubt]:
    """Return the images of which a reader says now what they did not say before, or not at the repeated reading."""
    return _counting(study).filter(unstable__gt=0).order_by("-unstable", "image_id")


def _counting(study: Study) -> QuerySet[Doubt]:
    return study.doubts.filter(image__may_be_trained_on=True).select_related("image")


def labels_of(image: Image) -> QuerySet[Label]:
    """Return everything that was said of an image, the current labels marked by their assignment's version."""
    return (
        Label.objects.filter(assignment__image=image)
        .select_related("assignment__reader")
        .order_by("assignment__reader__code", "assignment__is_repeat", "version")
    )


def measures_of(image: Image) -> list[tuple[Measure, float, bool]]:
    """Return each measure with its value and whether that is outside the limits; nothing of an unmeasured image."""
    measurement = Measurement.objects.filter(image=image).defer("fingerprint").first()
    if measurement is None:
        return []
    failed = image.failed.split()
    return [(one, getattr(measurement, one.name), one.name in failed) for one in MEASURES]


def why_fixed(image: Image) -> str:
    """Return why an image can't be turned any more, as a sentence; nothing where it can.

    It goes by when the image came, not by whether it is in a list: that would tell something of golden images.
    """
    study = image.study
    if image.is_erased:
        return "This image was erased."
    if not image.has_file:
        return "This image came without a file, so there is nothing to turn."
    if study.closed_at:
        return f"Study {study.slug} was closed on {study.closed_at:%Y-%m-%d}. It stays as it is."
    changed = study.dealings.filter(reversed_at=None).aggregate(latest=Max("dealt_at"))["latest"]
    if study.dealt_at and image.imported_at <= max(study.dealt_at, changed or study.dealt_at):
        return DEALT
    return ""


def columns(study: Study) -> list[str]:
    """Return the names of the metadata columns, as the latest images that have any know them."""
    latest = study.images.exclude(metadata={}).order_by("-pk").values_list("metadata", flat=True)[:PAGE]
    return sorted({column for metadata in latest for column in metadata})
