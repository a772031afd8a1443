"""Progress of a study: each reader's pace, habits and expected finish, and labels per day. Read-only.

All of it is read off the tallies, so nothing here takes longer on a longer history.
`docs/science/statistics.md` defines the numbers.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Count, Min, Q, Sum
from django.utils import timezone

from labeler.models import DayTally, NotGradable, Reader, ReasonTally, Study, StudyTally, TimeTally
from labeler.oversight import tallies
from labeler.studies import progress
from labeler.studies.progress import Progress

HABIT = 14  # days, today included: long enough for a holiday to show, short enough to follow a change
FEWEST_IMAGES = 20  # with fewer, one long look would set the pace
FEWEST_DAYS = 2  # one day of grading is no habit
DAYS_SHOWN = 60
HOUR = 3_600_000  # milliseconds


@dataclass(frozen=True)
class Work:
    """What a reader has done, in sums over days."""

    timed_images: int = 0
    milliseconds: int = 0
    hasty: int = 0  # labels given sooner than anybody can have looked
    lately: int = 0  # milliseconds of grading in the days of the habit
    lately_images: int = 0
    lately_days: int = 0  # days on which they graded
    window: int = HABIT  # days of the habit, fewer for a reader who began lately

    @property
    def pace(self) -> float | None:
        """Images finished per hour of grading; None where there is too little to say."""
        if self.timed_images < FEWEST_IMAGES or not self.milliseconds:
            return None
        return self.timed_images * HOUR / self.milliseconds

    @property
    def hours_per_day(self) -> float | None:
        """Hours of grading per calendar day; None where there is no habit yet."""
        if self.lately_days < FEWEST_DAYS or self.lately_images < FEWEST_IMAGES:
            return None
        return self.lately / HOUR / self.window

    def finish(self, remaining: int, today: date) -> date | None:
        """Return the day on which `remaining` images will be done if pace and habit stay as they are."""
        if not (self.pace and self.hours_per_day):
            return None
        days = remaining / self.pace / self.hours_per_day
        return today + timedelta(days=math.ceil(days)) if days < 3650 else None


@dataclass(frozen=True)
class ReaderState:
    """Where a reader is."""

    reader: Reader
    progress: Progress
    pace: float | None  # images per hour of grading
    finish: date | None
    median_ms: float | None  # that an image was on the screen
    reasons: tuple[tuple[str, int], ...]  # why images were not gradable, the most frequent first
    hasty: int  # labels given sooner than anybody can have looked


@dataclass(frozen=True)
class StudyState:
    """Where a study is."""

    readers: tuple[ReaderState, ...]
    days: tuple[tuple[date, int], ...]  # labels given, a row for every day from the first one shown to today
    counted_at: datetime | None  # None: nothing is counted yet

    @property
    def progress(self) -> Progress:
        return Progress(
            done=sum(state.progress.done for state in self.readers),
            total=sum(state.progress.total for state in self.readers),
        )

    @property
    def labels_today(self) -> int:
        return self.days[-1][1] if self.days else 0

    @property
    def finish(self) -> date | None:
        """The day on which the last reader will be done; None where that can't be said of one of them."""
        waiting = [state.finish for state in self.readers if not state.progress.is_finished]
        known = [day for day in waiting if day]
        return max(known) if known and len(known) == len(waiting) else None


def study_state(study: Study) -> StudyState:
    today = timezone.localdate()
    work, medians, reasons = _work(study, today), _medians(study), _reasons(study)
    readers = progress.readers_with_progress(study)
    tally = StudyTally.objects.filter(study=study).first()
    return StudyState(
        readers=tuple(_reader_state(reader, work, medians, reasons, today) for reader in readers),
        days=_days(study, today),
        counted_at=tally.seen_at if tally and tally.counted else None,
    )


def _reader_state(
    reader: Reader,
    work: Mapping[int, Work],
    medians: Mapping[int, float],
    reasons: Mapping[int, Sequence[tuple[str, int]]],
    today: date,
) -> ReaderState:
    now = Progress(done=reader.done, total=reader.total)  # type: ignore[attr-defined]
    done = work.get(reader.pk, Work())
    is_over = now.is_finished or reader.left_at
    return ReaderState(
        reader=reader,
        progress=now,
        pace=done.pace,
        finish=None if is_over else done.finish(now.total - now.done, today),
        median_ms=medians.get(reader.pk),
        reasons=tuple(reasons.get(reader.pk, ())),
        hasty=done.hasty,
    )


def _work(study: Study, today: date) -> dict[int, Work]:
    """Return reader id -> what they have done."""
    lately = Q(day__gt=today - timedelta(days=HABIT))
    sums = (
        DayTally.objects.filter(reader__study=study)
        .values("reader_id")
        .annotate(
            timed=Sum("timed_images"),
            all_ms=Sum("milliseconds"),
            in_haste=Sum("hasty"),
            recent_ms=Sum("milliseconds", filter=lately, default=0),
            recent_images=Sum("images", filter=lately, default=0),
            recent_days=Count("day", filter=lately),
            began=Min("day"),
        )
    )
    return {
        row["reader_id"]: Work(
            timed_images=row["timed"],
            milliseconds=row["all_ms"],
            hasty=row["in_haste"],
            lately=row["recent_ms"],
            lately_images=row["recent_images"],
            lately_days=row["recent_days"],
            window=min(HABIT, (today - row["began"]).days + 1),
        )
        for row in sums
    }


def _days(study: Study, today: date) -> tuple[tuple[date, int], ...]:
    since = today - timedelta(days=DAYS_SHOWN - 1)
    rows = DayTally.objects.filter(reader__study=study, day__gte=since).values_list("day").annotate(n=Sum("labels"))
    labels: dict[date, int] = dict(rows)
    if not labels:
        return ()
    first = min(labels)
    days = [first + timedelta(days=n) for n in range((today - first).days + 1)]
    return tuple((day, labels.get(day, 0)) for day in days)


def _medians(study: Study) -> dict[int, float]:
    """Return reader id -> median milliseconds, read off the histogram."""
    histograms: dict[int, list[tuple[int, int]]] = {}
    rows = TimeTally.objects.filter(reader__study=study).order_by("reader_id", "step")
    for reader, step, labels in rows.values_list("reader_id", "step", "labels"):
        histograms.setdefault(reader, []).append((step, labels))
    return {reader: _median(histogram) for reader, histogram in histograms.items()}


def _median(histogram: Sequence[tuple[int, int]]) -> float:
    """Return the middle, in logarithms, of the step in which the median lies."""
    half = sum(labels for _, labels in histogram) / 2
    below = 0
    for step, labels in histogram:
        below += labels
        if below >= half:
            return float(tallies.STEP ** (step + 0.5))
    raise ValueError("An empty histogram has no median.")


def _reasons(study: Study) -> dict[int, list[tuple[str, int]]]:
    """Return reader id -> reasons in words with their numbers of images."""
    reasons: dict[int, list[tuple[str, int]]] = {}
    rows = ReasonTally.objects.filter(reader__study=study, images__gt=0).order_by("-images", "reason")
    for reader, reason, images in rows.values_list("reader_id", "reason", "images"):
        reasons.setdefault(reader, []).append((NotGradable(reason).label, images))
    return reasons


def reason_totals(state: StudyState) -> list[tuple[str, int]]:
    """Return the reasons of all readers together, the most frequent first."""
    totals: dict[str, int] = {}
    for reader in state.readers:
        for reason, images in reader.reasons:
            totals[reason] = totals.get(reason, 0) + images
    return sorted(totals.items(), key=lambda item: -item[1])
