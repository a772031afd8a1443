"""Preview of the images that given limits would drop. Read-only.

A large study is judged by the 5,000 images whose hashes are smallest: hashes have nothing to do with what is in a
photograph, so this is a random sample, always the same one, and the index of hashes finds it. A share of it is off by
at most 1.4 points (95 %). Other studies are counted whole.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Count, ExpressionWrapper, F, Q, QuerySet
from django.db.models import fields as columns

from labeler.charts.histogram import Bin
from labeler.models import Image, Study
from labeler.screening import prescreen
from labeler.screening.prescreen import MEASURES, NAMES, Limits, Measure

LARGE = 20_000  # images: adjacent rows of that number are counted in a tenth of a second
SAMPLE = 5_000  # images: as long again, because each must be fetched from another place
BINS = 40
# Each value falls into one of the equal bins between low and high; what lies outside counts with the first or the last.
HISTOGRAMS = """
SELECT name, least(greatest(width_bucket(value, low, high, bins), 1), bins) AS bin, count(*)
FROM ({sample}) sample
CROSS JOIN LATERAL (VALUES {measures}) AS measure (name, value, low, high, bins)
WHERE value IS NOT NULL
GROUP BY 1, 2
"""


@dataclass(frozen=True)
class Counts:
    """What limits would drop, among the images that were looked at."""

    images: int  # of the study, with files
    looked_at: int
    unmeasured: int
    settled: int
    kept_by_hand: int
    dropped_by_hand: int
    alone: Mapping[str, int]  # measure -> how many its limits would drop
    together: int

    @property
    def is_sample(self) -> bool:
        return 0 < self.looked_at < self.images

    def scaled(self, looked_at: int) -> int:
        """Extrapolate a count from the sample to all images, rounded to three digits where it is an estimate."""
        if not self.is_sample:
            return looked_at
        guess = looked_at * self.images / self.looked_at
        digits = max(len(str(round(guess))) - 3, 0)
        return int(round(guess, -digits))


def bins_of(measure: Measure) -> int:
    """Return into how many bins the measure's range is divided: whole numbers are not cut."""
    return min(BINS, math.ceil((measure.high - measure.low) / measure.step))


def count(study: Study, limits: Limits) -> Counts:
    """Count what the limits would drop, each alone and all together."""
    free = Q(is_free=True, override=None)
    outside = {
        name: prescreen.outside(name, *bounds, prefix="") for name, bounds in limits.items() if bounds != (None, None)
    }
    drops = {f"drops_{name}": Count("pk", filter=free & condition) for name, condition in outside.items()}
    if outside:
        drops["together"] = Count("pk", filter=free & Q(*outside.values(), _connector=Q.OR))
    size = study.images.count()
    found = _sample(study, size).aggregate(
        looked_at=Count("pk"),
        unmeasured=Count("pk", filter=Q(exposure=None)),
        settled=Count("pk", filter=Q(is_free=False)),
        kept_by_hand=Count("pk", filter=Q(override=True)),
        dropped_by_hand=Count("pk", filter=Q(override=False)),
        **drops,
    )
    alone = {name: found.pop(f"drops_{name}", 0) for name in NAMES}
    images = size if size > LARGE else found["looked_at"]
    return Counts(images=images, alone=alone, together=found.pop("together", 0), **found)


def histograms(study: Study, *, images: int) -> dict[str, Sequence[Bin]]:
    """Return the bins of every measure, over the measured images that are looked at; `images` is of `count`."""
    sample, parameters = _sample(study, images).query.sql_with_params()
    measures = ", ".join(f"(%s, {measure.name}::float8, %s::float8, %s::float8, %s::int)" for measure in MEASURES)
    ranges = [value for one in MEASURES for value in (one.name, one.low, one.high, bins_of(one))]
    with connection.cursor() as cursor:
        cursor.execute(HISTOGRAMS.format(sample=sample, measures=measures), [*parameters, *ranges])
        counted = {(name, place): images for name, place, images in cursor.fetchall()}
    return {measure.name: _bins(measure, counted) for measure in MEASURES}


def _bins(measure: Measure, counted: Mapping[tuple[str, int], int]) -> list[Bin]:
    number = bins_of(measure)
    edges = [measure.low + place * (measure.high - measure.low) / number for place in range(number + 1)]
    return [
        Bin(low, high, counted.get((measure.name, place), 0))
        for place, (low, high) in enumerate(itertools.pairwise(edges), start=1)
    ]


def _sample(study: Study, size: int) -> QuerySet[Image, Any]:
    """Return the images that are looked at, with their measures and whether they may still be dropped."""
    is_free = ExpressionWrapper(prescreen.is_open(study), output_field=columns.BooleanField())
    measures = {name: F(f"measurement__{name}") for name in NAMES}
    images = study.images.exclude(original="").annotate(is_free=is_free, **measures)
    looked_at: QuerySet[Image, Any] = images.values("pk", "override", "is_free", *NAMES)
    return looked_at.order_by("content_hash")[:SAMPLE] if size > LARGE else looked_at.order_by()
