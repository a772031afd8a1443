"""Statistics of a study's readers, cached for a state of the labels."""

import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache as once
from pathlib import Path

import numpy as np
from django.core.cache import cache
from django.db.models import Count, Max, Q
from django.utils import timezone
from numpy.typing import NDArray
from pydantic import ValidationError

from labeler.grading import consensus
from labeler.models import GradeLevel, Image, Label, Reader, Study
from labeler.platform import typed_json
from training.publication import gate, reader_decisions
from training.reports.contents import Level, ReaderNumbers, ReadersReport
from training.statistics import agreement, metrics, panels, stability, subgroups
from training.statistics.intervals import Floats
from training.statistics.panels import Panel, Reading
from training.verdicts import careless_readers, enough_grades, judged_panel
from training.verdicts.careless_readers import Decided

MEASURED = ("exposure", "contrast", "sharpness")  # whose thirds are subgroups
# Beyond, only golden and repeated labels are read: what came before each would take the page seconds to read.
MOST_LABELS_IN_ORDER = 100_000
REMEMBERED = 7 * 24 * 3600  # seconds
LONG = 5.0  # seconds; what takes longer is computed in the background, not at every new label


@dataclass(frozen=True)
class _Facts:
    """What the numbers follow from, except the labels."""

    readers: list[Reader]
    levels: list[GradeLevel]
    golden: list[Image]  # in the order of their hashes
    left_out: list[int]  # ids of images that were graded and count no more
    is_whole: bool  # whether these count all the same
    decisions: tuple[Decided, ...]  # of readers who stood out


@dataclass(frozen=True)
class _Remembered:
    """The numbers as they were last computed: from which state of labels and facts, when, and how long it took."""

    state: str
    counted_at: str
    seconds: float
    numbers: ReadersReport


@dataclass(frozen=True)
class Drifting:
    """Of how many readers it can be told whether they drift, and how many have an alarm."""

    watched: int
    alarms: int


def of(study: Study, *, whole: bool = False, may_be_late: bool = False) -> ReadersReport:
    """Return what the readers' current labels say of them; the `whole` of these, as if no image had been left out.

    The same labels, images and readers have the same numbers, so these are remembered. With 300 readers they take many
    seconds to compute: who says that they may be late gets them as they last were, with the time in `counted_at`,
    which is None where they are those of now. `refresh` computes them in the background.
    """
    facts = _facts(study, whole=whole)
    state, known = _state(study, facts), _remembered(study, facts)
    if known is not None and known.state == state:
        return known.numbers
    if known is not None and may_be_late and known.seconds > LONG and _are_of_all(known.numbers, facts):
        return replace(known.numbers, counted_at=known.counted_at)
    return _remember(study, facts, state)


def refresh(study: Study) -> bool:
    """Compute what a page would show late, or would take long to show for the first time. False if there is none."""
    facts = _facts(study, whole=False)
    both = [facts, replace(facts, is_whole=True)] if facts.left_out else [facts]
    refreshed = [_refresh(study, one) for one in both]
    return any(refreshed)


def _refresh(study: Study, facts: _Facts) -> bool:
    state, known = _state(study, facts), _remembered(study, facts)
    takes_long = known.seconds > LONG if known else len(facts.readers) > agreement.MOST_READERS_WITH_INTERVALS
    if not takes_long or (known is not None and known.state == state):
        return False
    _remember(study, facts, state)
    return True


def _remembered(study: Study, facts: _Facts) -> _Remembered | None:
    try:
        return typed_json.load(_Remembered, json.loads(cache.get(_key(study, facts), "null")))
    except ValidationError:  # nothing, or what another version of the code remembered
        return None


def _remember(study: Study, facts: _Facts, state: str) -> ReadersReport:
    began = time.monotonic()
    numbers = _compute(study, facts)
    counted_at, seconds = timezone.now().isoformat(timespec="seconds"), time.monotonic() - began
    remembered = _Remembered(state, counted_at, seconds, numbers)
    cache.set(_key(study, facts), json.dumps(typed_json.dump(remembered)), REMEMBERED)
    return numbers


def _are_of_all(numbers: ReadersReport, facts: _Facts) -> bool:
    """A reader who came since then would be looked for in vain."""
    return [row.code for row in numbers.readers] == [reader.code for reader in facts.readers]


def _key(study: Study, facts: _Facts) -> str:
    return f"standings-{study.pk}{'-whole' if facts.is_whole else ''}"


def drifting(study: Study) -> Drifting:
    watched = [reader.drift for reader in of(study).readers if reader.drift.limit is not None]
    return Drifting(len(watched), sum(drift.alarm_at is not None for drift in watched))


def compute(study: Study, *, whole: bool = False) -> ReadersReport:
    """Return the same as `of`, whatever is remembered."""
    return _compute(study, _facts(study, whole=whole))


def _facts(study: Study, *, whole: bool) -> _Facts:
    golden = study.images.filter(is_golden=True).select_related("measurement").order_by("content_hash")
    left_out = list(consensus.left_out(study).values_list("pk", flat=True))
    return _Facts(
        readers=list(study.readers.order_by("code")),
        levels=list(study.grade_levels.all()),
        golden=list(golden),
        left_out=left_out,
        is_whole=whole and bool(left_out),
        decisions=reader_decisions.standing(study),
    )


def _state(study: Study, facts: _Facts) -> str:
    """Hash all that the numbers follow from. Labels are only ever added: the newest and their number tell all."""
    labels = Label.objects.filter(assignment__reader__study=study).aggregate(newest=Max("pk"), number=Count("pk"))
    known = [
        _version(),
        labels,
        [(reader.code, reader.is_simulated, reader.done) for reader in facts.readers],
        [(level.value, level.name) for level in facts.levels],
        [(image.content_hash, image.subject, image.metadata, _measures(image)) for image in facts.golden],
        facts.left_out,
        [asdict(one) for one in facts.decisions],
    ]
    return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()


@once
def _version() -> str:
    """Hash the code that computes: another version of it may define a number otherwise."""
    sources = sorted(Path(__file__).parents[1].rglob("*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


def _compute(study: Study, facts: _Facts) -> ReadersReport:
    panel = _panel(study, facts)
    graded = {image.content_hash: image for image in facts.golden}
    columns = columns_of([graded[name] for name in panel.images])
    drawn = len(facts.golden)
    enough, has_enough = enough_grades.of_panel(panel.grades, drawn)
    compared = replace(panel, grades=enough_grades.only(panel.grades, has_enough))
    flags = careless_readers.find(panel.grades, panel.readers, looks(study))
    others = judged_panel.of(panel.grades, panel.readers, drawn=drawn, without={flag.reader for flag in flags})
    return ReadersReport(
        golden_images=drawn,
        enough=enough,
        flags=flags,
        decisions=facts.decisions,
        bar_without_flagged=gate.bar_of(others.errors()) if flags else None,
        levels=tuple(Level(level.value, level.name) for level in facts.levels),
        readers=_readers(facts, compared, counts=enough_grades.who_count(panel.grades, drawn)),
        agreement=replace(
            panels.describe_agreement(panel), noise_ceiling=stability.noise_ceiling(compared.grades, compared.people)
        ),
        subgroups=subgroups.by_column(metrics.residuals(compared.grades), columns, panel.people),
        counted_at=None,
    )


def looks(study: Study) -> dict[str, Floats]:
    """Return reader -> how many milliseconds they looked before each label of a golden image, where that is known."""
    timed = Label.objects.filter(assignment__reader__study=study, assignment__image__is_golden=True, is_undo=False)
    rows = timed.filter(visible_ms__isnull=False).values_list("assignment__reader__code", "visible_ms")
    found: dict[str, list[float]] = defaultdict(list)
    for code, milliseconds in rows.order_by("pk"):
        found[code].append(float(milliseconds or 0))
    return {code: np.array(times, dtype=float) for code, times in found.items()}


def _panel(study: Study, facts: _Facts) -> Panel:
    """Return the readers' current labels; they are compared on the golden images with at least one grade."""
    said = consensus.current_labels if facts.is_whole else consensus.counting_labels
    labels = said(study).order_by("pk")
    if sum(reader.done for reader in facts.readers) > MOST_LABELS_IN_ORDER:
        labels = labels.filter(Q(assignment__image__is_golden=True) | Q(assignment__is_repeat=True))
    columns = ("reader__code", "image__content_hash", "is_repeat", "position", "image__is_golden")
    rows = labels.values_list("grade", "labeled_at", *(f"assignment__{column}" for column in columns))
    readings, golden = [], set()
    for grade, labeled_at, reader, image, is_repeat, position, is_golden in rows:
        readings.append(Reading(reader, image, grade, is_repeat, position, labeled_at.timestamp()))
        if is_golden and grade is not None and not is_repeat:
            golden.add(image)
    levels = {float(level.value): level.name for level in facts.levels}
    return panels.build(
        readings,
        readers=[reader.code for reader in facts.readers],
        images=golden,
        levels=levels,
        person_of={image.content_hash: image.subject for image in facts.golden},
    )


def _readers(facts: _Facts, panel: Panel, *, counts: NDArray[np.bool_]) -> tuple[ReaderNumbers, ...]:
    """Return every reader's numbers, without the machine. `counts`: who have done enough to set a bar."""
    left_out = careless_readers.left_out(facts.decisions)
    rows = []
    for place, reader in enumerate(facts.readers):
        row = panels.describe_reader(panel, place)
        sets_bar = bool(counts[place]) and reader.code not in left_out
        rows.append(ReaderNumbers(**vars(row), is_simulated=reader.is_simulated, counts_for_bar=sets_bar))
    return tuple(rows)


def columns_of(golden: Sequence[Image]) -> dict[str, NDArray[np.str_]]:
    """Return column -> (N,) values of all that is known of images: metadata, thirds of what was measured."""
    names = sorted({name for image in golden for name in image.metadata})
    columns = {name: np.array([str(image.metadata.get(name, "")) for image in golden]) for name in names}
    measured = [getattr(image, "measurement", None) for image in golden]
    for name in MEASURED:
        values = np.array([getattr(one, name) if one else np.nan for one in measured], dtype=float)
        columns[name] = subgroups.thirds(values)
    columns["face"] = np.array([("found" if one.faces == 1 else "none or several") if one else "" for one in measured])
    return columns


def _measures(image: Image) -> list[float] | None:
    measurement = getattr(image, "measurement", None)
    return [getattr(measurement, name) for name in (*MEASURED, "faces")] if measurement else None
