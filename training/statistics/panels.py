"""A panel: which reader graded which image how and when, and the statistics that need no machine.

A study's report and `manage.py statistics` go through here, so they can't differ.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from training.statistics import agreement, bias, drift, metrics, stability
from training.statistics.intervals import Floats

BREAK = 30 * 60  # seconds between two labels: after a longer one a new sitting begins

Document = dict[str, Any]


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
    levels: Mapping[float, str]  # the scale in order, with the names of its grades
    grades: Floats
    order: Floats  # when the reader came to the image, counted in images of any kind
    previous: Floats  # the grade the reader had given just before
    sitting: Floats  # how many images into the sitting, from 1
    # Per reader: (2, M) first and second readings of images that the reader met twice, comparable or not.
    repeats: tuple[Floats, ...]


def build(
    readings: Iterable[Reading], *, readers: Sequence[str], images: Collection[str], levels: Mapping[float, str]
) -> Panel:
    """Arrange readings. `images` are those that readers are compared on; others tell of order and repeats only."""
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
    return Panel(tuple(readers), tuple(column), levels, grades, order, previous, sitting, repeats)


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


def describe(panel: Panel) -> Document:
    """Return every number that a panel has: agreement of all, then a row per reader."""
    return {**describe_agreement(panel), "readers": [describe_reader(panel, row) for row in range(len(panel.readers))]}


def describe_agreement(panel: Panel) -> Document:
    return {
        **agreement.intraclass(panel.grades).as_json(),
        "alpha_ordinal": agreement.alpha_ordinal(panel.grades).as_json(),
        "alpha_interval": agreement.alpha_interval(panel.grades).as_json(),
        "pairwise_kappa": [
            {"readers": [panel.readers[pair.first], panel.readers[pair.second]], **pair.kappa.as_json()}
            for pair in agreement.pairwise_kappa(panel.grades)
        ],
        "noise_ceiling": stability.noise_ceiling(panel.grades).as_json(),
    }


def describe_reader(panel: Panel, row: int) -> Document:
    grades = panel.grades[row]
    others = metrics.consensus_without(panel.grades, row)
    lean = bias.lean(grades, others)
    limits = bias.bland_altman(grades, others)
    return {
        "code": panel.readers[row],
        "rmse": metrics.reader_rmse(panel.grades, row).as_json(),
        "rmse_leave_one_out": metrics.rmse(grades, others).as_json(),
        "bias": lean.bias.as_json(),
        "slope": lean.line.slope.as_json(),
        "residual_sd": lean.line.residual_sd.as_json(),
        "in_words": bias.in_words(lean.bias, bias.habit(grades, others, panel.levels)),
        "limits_of_agreement": {"lower": limits.lower.as_json(), "upper": limits.upper.as_json()},
        "confusion": metrics.confusion(grades, others, tuple(panel.levels)).tolist(),
        "repeats": as_documents(stability.repeats(*panel.repeats[row])),
        **_changes(panel, row, grades - others),
    }


def _changes(panel: Panel, row: int, residuals: Floats) -> Document:
    """Return whether the reader drifts, and what comes before an image matters."""
    order, previous, sitting = panel.order[row], panel.previous[row], panel.sitting[row]
    placed = np.isfinite(residuals) & np.isfinite(order)
    in_order = residuals[placed][np.argsort(order[placed])]
    moved = drift.ewma(in_order)
    if not placed.any() and np.isfinite(residuals).any():
        moved = drift.Drift((), None, None, None, 0, drift.NO_ORDER)
    return {
        "drift": {**asdict(moved), "ewma": list(moved.ewma)},
        "sequence": as_documents(drift.sequence(residuals, previous=previous, places=sitting)),
    }


def as_documents(numbers: Any) -> Document:
    """Return the estimates of a dataclass by their names."""
    return {name: dict(value) for name, value in asdict(numbers).items()}
