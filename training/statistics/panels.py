"""A panel: which reader graded which image how and when, and the statistics that need no machine.

A study's report and `manage.py statistics` go through here, so they can't differ.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from training.statistics import agreement, bias, drift, metrics, stability
from training.statistics.bias import Limits
from training.statistics.drift import Drift, SequenceEffects
from training.statistics.intervals import Estimate, Floats, People
from training.statistics.stability import Repeats

BREAK = 30 * 60  # seconds between two labels: after a longer one a new sitting begins


@dataclass(frozen=True)
class Reading:
    """One current label: a reader's grade of an image, or None where the reader found it not gradable."""

    reader: str
    image: str
    grade: float | None
    is_repeat: bool = False
    position: float | None = None  # in the reader's list
    graded_at: float | None = None  # seconds


@dataclass(frozen=True)
class Panel:
    """Grades of readers on images that can be compared: (n readers, N images), NaN where there is none.

    Images stand in the order of their names, so that a resample draws the same ones in whatever order labels came.
    """

    readers: tuple[str, ...]
    images: tuple[str, ...]
    people: People  # (N,) the number of the person in each image
    levels: Mapping[float, str]  # the scale in order, with the names of its grades
    grades: Floats
    order: Floats  # when the reader came to the image, counted in images of any kind
    previous: Floats  # the grade the reader had given just before
    sitting: Floats  # how many images into the sitting, from 1
    # Per reader: (2, M) first and second readings of images that the reader met twice, comparable or not.
    repeats: tuple[Floats, ...]


@dataclass(frozen=True, kw_only=True)
class Coefficient(Estimate):
    """An intraclass correlation, of how many readers, and how many images were left out for lack of a grade."""

    readers: int
    dropped: int


@dataclass(frozen=True, kw_only=True)
class PairKappa(Estimate):
    """The quadratic weighted kappa of two readers."""

    readers: tuple[str, str]


@dataclass(frozen=True)
class Agreement:
    """How far all readers of a panel agree."""

    icc_2_1: Coefficient  # one reader with another
    icc_2_k: Coefficient  # the mean of all readers
    icc_3_1: Coefficient  # steady differences forgiven
    alpha_ordinal: Estimate
    alpha_interval: Estimate
    pairwise_kappa: tuple[PairKappa, ...]
    noise_ceiling: Estimate  # the RMSE of an oracle


@dataclass(frozen=True)
class ReaderStatistics:
    """What one reader's grades say of them, held against the other readers'."""

    code: str
    rmse: Estimate  # published form
    rmse_leave_one_out: Estimate
    bias: Estimate  # below 0 is milder than the others
    slope: Estimate  # below 1 uses less of the scale
    residual_sd: Estimate
    in_words: str
    limits_of_agreement: Limits
    confusion: list[list[int]]  # rows: the mean of the others; columns: the reader
    repeats: Repeats
    drift: Drift
    sequence: SequenceEffects


def build(
    readings: Iterable[Reading],
    *,
    readers: Sequence[str],
    images: Collection[str],
    levels: Mapping[float, str],
    person_of: Mapping[str, str] | None = None,
) -> Panel:
    """Arrange readings. `images` are those that readers are compared on; others tell of order and repeats only.

    person_of: image -> a name of the person in it, where known; any other image is of a person of its own.
    """
    lists: dict[str, list[Reading]] = defaultdict(list)
    for reading in readings:
        lists[reading.reader].append(reading)
    column = {image: place for place, image in enumerate(sorted(images))}
    tables = np.full((4, len(readers), len(column)), np.nan)
    for row, reader in enumerate(readers):
        for name, given in _table_rows(lists[reader]).items():
            if name in column:
                tables[:, row, column[name]] = given
    grades, order, previous, sitting = tables
    repeats = tuple(_repeats(lists[reader]) for reader in readers)
    people = number_people(tuple(column), person_of or {})
    return Panel(tuple(readers), tuple(column), people, levels, grades, order, previous, sitting, repeats)


def number_people(images: Sequence[str], person_of: Mapping[str, str]) -> People:
    """Return (N,) a number for each image, the same for images of one person."""
    names = [(True, person_of[image]) if person_of.get(image) else (False, image) for image in images]
    number = {name: place for place, name in enumerate(dict.fromkeys(names))}
    return np.array([number[name] for name in names], np.intp)


def _table_rows(readings: Sequence[Reading]) -> dict[str, tuple[float, float, float, float]]:
    """Return image -> grade, order, grade before, place in the sitting, of one reader's first readings."""
    in_order = _in_order(readings)
    sittings = _sittings(readings)
    rows = {}
    before = np.nan
    for place, reading in enumerate(in_order if in_order else readings):
        grade = np.nan if reading.grade is None else reading.grade
        if not reading.is_repeat:
            order = float(place) if in_order else np.nan
            rows[reading.image] = (grade, order, before, sittings.get(reading.image, np.nan))
        before = grade if in_order else np.nan
    return rows


def _in_order(readings: Sequence[Reading]) -> list[Reading]:
    """Return the readings as the reader came to them, by the list or else by the clock; nothing where neither is known.

    If one reading has no time, the order is unknown.
    """
    if all(reading.position is not None for reading in readings):
        return sorted(readings, key=lambda reading: (reading.position or 0.0, reading.image))
    if all(reading.graded_at is not None for reading in readings):
        return sorted(readings, key=lambda reading: (reading.graded_at or 0.0, reading.image))
    return []


def _sittings(readings: Sequence[Reading]) -> dict[str, float]:
    """Return image -> how many images into its sitting the first reading was."""
    timed = sorted(
        (reading for reading in readings if reading.graded_at is not None),
        key=lambda reading: (reading.graded_at or 0.0, reading.image),
    )
    places: dict[str, float] = {}
    place = 1
    for before, reading in pairwise([None, *timed]):
        gap = (reading.graded_at or 0.0) - (before.graded_at or 0.0) if before and reading else np.inf
        place = 1 if gap > BREAK else place + 1
        if reading and not reading.is_repeat:
            places[reading.image] = float(place)
    return places


def _repeats(readings: Sequence[Reading]) -> Floats:
    """Return (2, M): both grades of every image that has a first and a second one, by the images' names."""
    given: dict[bool, dict[str, float]] = {False: {}, True: {}}
    for reading in readings:
        if reading.grade is not None:
            given[reading.is_repeat][reading.image] = reading.grade
    both = sorted(given[False].keys() & given[True].keys())
    return np.array([[given[is_repeat][image] for image in both] for is_repeat in (False, True)]).reshape(2, -1)


def describe_agreement(panel: Panel) -> Agreement:
    correlations = agreement.intraclass(panel.grades)
    single, average, consistency = (
        Coefficient(**vars(one), readers=correlations.readers, dropped=correlations.dropped)
        for one in (correlations.single, correlations.average, correlations.consistency)
    )
    return Agreement(
        icc_2_1=single,
        icc_2_k=average,
        icc_3_1=consistency,
        alpha_ordinal=agreement.alpha_ordinal(panel.grades, panel.people),
        alpha_interval=agreement.alpha_interval(panel.grades, panel.people),
        pairwise_kappa=tuple(
            PairKappa(**vars(pair.kappa), readers=(panel.readers[pair.first], panel.readers[pair.second]))
            for pair in agreement.pairwise_kappa(panel.grades, panel.people)
        ),
        noise_ceiling=stability.noise_ceiling(panel.grades, panel.people),
    )


def describe_reader(panel: Panel, row: int) -> ReaderStatistics:
    grades = panel.grades[row]
    others = metrics.consensus_without(panel.grades, row)
    residuals = grades - others
    people = panel.people
    lean = bias.lean(grades, others, people)
    return ReaderStatistics(
        code=panel.readers[row],
        rmse=metrics.reader_rmse(panel.grades, row, people),
        rmse_leave_one_out=metrics.rmse(grades, others, people),
        bias=lean.bias,
        slope=lean.line.slope,
        residual_sd=lean.line.residual_sd,
        in_words=bias.in_words(lean.bias, bias.habit(grades, others, panel.levels)),
        limits_of_agreement=bias.limits_of_agreement(grades, others, people),
        confusion=metrics.confusion(grades, others, tuple(panel.levels)).tolist(),
        repeats=stability.repeats(*panel.repeats[row]),
        drift=_drift(residuals, panel.order[row]),
        sequence=drift.sequence(residuals, previous=panel.previous[row], places=panel.sitting[row]),
    )


def _drift(residuals: Floats, order: Floats) -> Drift:
    """Return whether the reader drifts over the images whose place in the order of reading is known."""
    placed = np.isfinite(residuals) & np.isfinite(order)
    if not placed.any() and np.isfinite(residuals).any():
        return Drift((), None, None, None, 0, drift.NO_ORDER)
    return drift.ewma(residuals[placed][np.argsort(order[placed])])
