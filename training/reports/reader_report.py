"""One reader's own report: how they grade, and the most disputed images."""

from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np

from labeler.charts.chart import Chart
from labeler.grading import consensus
from labeler.models import Assignment, Reader, Study
from training.reports import reader_numbers
from training.reports.charts import matrices, points, series
from training.reports.contents import ReaderNumbers

MOST_DISCUSSED = 12
# With fewer others, a number would reveal what one of them said.
FEWEST_OTHERS = 2

Grades = dict[int, dict[str, int]]  # golden image -> reader -> grade


@dataclass(frozen=True)
class Discussed:
    """An image on which the readers' grades lie far apart."""

    assignment: Assignment
    own: str
    others: list[tuple[str, int]]  # name of a grade, how many others gave it
    others_mean: float


@dataclass(frozen=True)
class ReaderReport:
    """What one reader may know of themself."""

    numbers: ReaderNumbers
    charts: list[Chart]
    discussed: list[Discussed]
    counted_at: str | None  # where the numbers are not those of now


def of(reader: Reader, *, whole: bool = False) -> ReaderReport:
    """Return a reader's report; the `whole` of it counts images that were left out since, as `study_report` says."""
    study = reader.study
    standing = reader_numbers.of(study, whole=whole, may_be_late=True)
    numbers = next(row for row in standing.readers if row.code == reader.code)
    grades = _golden_grades(study, whole=whole)
    charts = [
        matrices.reader_confusion(numbers, standing.levels),
        points.reader_differences(numbers, _pairs(grades, reader.code)),
        series.drift(standing.readers, only=reader.code),
    ]
    return ReaderReport(numbers, charts, _discussed(reader, grades), standing.counted_at)


def _golden_grades(study: Study, *, whole: bool) -> Grades:
    labels = consensus.golden_grades(study, whole=whole)
    grades: Grades = defaultdict(dict)
    rows = labels.order_by("assignment__image__content_hash")
    for image, reader, grade in rows.values_list("assignment__image_id", "assignment__reader__code", "grade"):
        grades[image][reader] = grade or 0
    return grades


def _pairs(grades: Grades, code: str) -> list[tuple[float, float]]:
    """Return the reader's grade and the mean of the others', of every image that has both."""
    return [
        (float(given[code]), float(np.mean(_others(given, code))))
        for given in grades.values()
        if code in given and len(given) > 1
    ]


def _others(given: dict[str, int], code: str) -> list[int]:
    return [grade for reader, grade in given.items() if reader != code]


def _discussed(reader: Reader, grades: Grades) -> list[Discussed]:
    """Return the images that the reader graded and on which grades differ most, the widest apart first."""
    spreads = {
        image: float(np.std(list(given.values())))
        for image, given in grades.items()
        if reader.code in given and len(given) > FEWEST_OTHERS
    }
    widest = sorted((image for image in spreads if spreads[image]), key=lambda image: (-spreads[image], image))
    widest = widest[:MOST_DISCUSSED]
    assignments = reader.assignments.filter(image__in=widest, is_repeat=False).select_related("image")
    of_image = {assignment.image_id: assignment for assignment in assignments}
    names = dict(reader.study.grade_levels.values_list("value", "name"))
    return [_describe(of_image[image], grades[image], reader.code, names) for image in widest]


def _describe(assignment: Assignment, given: dict[str, int], code: str, names: dict[int, str]) -> Discussed:
    others = _others(given, code)
    counted = sorted(Counter(others).items())
    return Discussed(
        assignment, names[given[code]], [(names[grade], times) for grade, times in counted], float(np.mean(others))
    )
