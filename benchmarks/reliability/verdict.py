"""What the database has in the end, held against what every reader did and was told."""

import hashlib
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from benchmarks.reliability.tally import Act, Tally

if TYPE_CHECKING:
    from labeler.models import Study

Found = dict[str, int]  # what must not be -> how often it is


def of_labels(study: "Study", tally: Tally, photographs: dict[str, int]) -> Found:
    """Hold every stored label against its act. `photographs` is the number of each rendition."""
    from labeler.models import Label

    stored = Counter[str]()
    found = Counter[str]()
    for submission, act, rendition in _stored(study):
        stored[submission] += 1
        meant = tally.given.get(submission)
        found["stored, though no reader gave it"] += meant is None
        found["stored, though its reader was told that it was not"] += submission in tally.refused
        found["with another grade, image or reader"] += meant is not None and not _is_same(
            act, meant, photographs[rendition]
        )
    return {
        "acknowledged and lost": len(tally.acknowledged.keys() - stored.keys()),
        "duplicated": sum(count > 1 for count in stored.values()),
        **{name: found[name] for name in sorted(found)},
        "acts that nobody answered, and that are not stored": len(tally.open - stored.keys()),
        "acts that are stored, and whose answer no reader saw": len(tally.open & stored.keys()),
        "labels of another study or reader": Label.objects.exclude(assignment__reader__study=study).count(),
        "answers that say more than a reader may know": len(tally.leaks),
    }


def of_histories(study: "Study", tally: Tally) -> Found:
    """Replay what every reader did and was told, in their order, by the model that the state machine has too."""
    from django.db.models import OuterRef, Subquery

    from labeler.models import Assignment, Label
    from tests.labeler.grading import model

    stored = {str(one) for one in Label.objects.values_list("submission", flat=True).iterator(10_000)}
    books, told = defaultdict[str, model.Book](model.Book), Counter[str]()
    for submission, act in tally.given.items():
        if submission in tally.open and submission not in stored:
            continue  # never answered, and never there
        meant = model.Act(submission, act.assignment, act.version, act.grade)
        is_stored = books[act.reader].take(meant) == model.STORED
        told[act.reader] += is_stored == (submission in tally.refused)
    current = Label.objects.filter(assignment=OuterRef("pk"), version=OuterRef("version")).values("grade")
    rows = Assignment.objects.filter(reader__study=study, version__gt=0).annotate(grade=Subquery(current))
    there = defaultdict[str, list[tuple[str, int, int | None, bool]]](list)
    fields = ("reader__user__username", "public_id", "version", "grade", "is_done")
    for reader, assignment, *state in rows.values_list(*fields).iterator(10_000):
        there[reader].append((str(assignment), *state))
    differing = sum(len(books[reader].differs(there[reader])) for reader in books.keys() | there.keys())
    return {
        "acts told or kept otherwise than the model has them": told.total(),
        "assignments that are not as the model has them": differing,
    }


def of_study(study: "Study", *, golden_size: int, repeats: int, lists: str) -> Found:
    """Ask for everything that must hold of a study whatever happened, and for its ledger."""
    from django.core.management import CommandError, call_command
    from django.db.models import Count, F, Max, Min, OuterRef, Q, Subquery

    from labeler.models import Assignment, Label, Reader
    from labeler.record import ledger

    latest = Label.objects.filter(assignment=OuterRef("pk")).order_by("-version")
    assignments = Assignment.objects.filter(reader__study=study).annotate(
        acts=Count("labels"), newest=Max("labels__version"), taken_back=Subquery(latest.values("is_undo")[:1])
    )
    done = Reader.objects.filter(study=study).annotate(graded=Count("assignments", filter=Q(assignments__is_done=True)))
    folds = Reader.objects.filter(study=study).annotate(
        fold=Count("assignments", filter=Q(assignments__image__is_golden=False, assignments__is_repeat=False)),
        golden=Count("assignments", filter=Q(assignments__image__is_golden=True, assignments__is_repeat=False)),
        repeats=Count("assignments", filter=Q(assignments__is_repeat=True)),
    )
    sizes = folds.aggregate(low=Min("fold"), high=Max("fold"))
    shared = study.images.filter(is_golden=False).annotate(
        readers=Count("assignments", filter=Q(assignments__is_repeat=False))
    )
    for _ in range(2):  # the first sees what there is, the second knows that it is settled
        ledger.seal(settled=timedelta(0))
    try:
        call_command("verify_ledger", verbosity=0, without_files=True)  # the photographs are made up
        broken = 0
    except (CommandError, SystemExit):
        broken = 1
    return {
        "assignments whose version is not their labels' number": assignments.exclude(version=F("acts")).count()
        + assignments.filter(acts__gt=0).exclude(newest=F("acts")).count(),
        "assignments that are done, or not, against their last label": assignments.filter(
            Q(is_done=True, taken_back=None) | Q(is_done=F("taken_back"))
        ).count(),
        "readers whose count is wrong": done.exclude(done=F("graded")).count(),
        "lists that were changed": int(digest(study) != lists),
        "folds that are not even": int(sizes["high"] - sizes["low"] > 1),
        "ordinary images that not exactly one reader has": shared.exclude(readers=1).count(),
        "lists without the whole golden set": folds.exclude(golden=golden_size).count(),
        "lists without their repeats": folds.exclude(repeats=repeats).count(),
        "ledgers that do not verify": broken,
    }


def of_schedule(study: "Study", *, patience: float) -> Found:
    """Wait until everything that beat asks for was done after now, by right clocks; count what was not."""
    from django.db.models import Sum

    from labeler.models import DayTally, Label, LedgerMark
    from labeler.operations import health

    since, deadline = datetime.now(tz=UTC), time.monotonic() + patience
    labels = Label.objects.filter(assignment__reader__study=study, is_undo=False).count()

    def undone() -> Found:
        tick, now = health.last_tick(), datetime.now(tz=UTC)
        counted = DayTally.objects.filter(reader__study=study).aggregate(all=Sum("labels"))["all"]
        return {
            "schedules that stand still": int(tick is None or not since < tick <= now),
            "ledgers that nobody seals": int(not LedgerMark.objects.filter(seen_at__range=(since, now)).exists()),
            "tallies that do not count every label once": int(counted != labels),
        }

    while any(undone().values()) and time.monotonic() < deadline:
        time.sleep(1)
    return undone()


def digest(study: "Study") -> str:
    """Return a hash of who reads what in which order."""
    from labeler.models import Assignment

    rows = Assignment.objects.filter(reader__study=study).order_by("reader", "position", "pk")
    hashed = hashlib.sha256()
    for row in rows.values_list("reader", "image", "position", "is_repeat", "public_id", "withdrawn_in").iterator():
        hashed.update(repr(row).encode())
    return hashed.hexdigest()


def _stored(study: "Study") -> Iterator[tuple[str, Act, str]]:
    """Yield submission, act and rendition of every label of the study."""
    from labeler.models import Label

    fields = ("submission", "assignment__reader__user__username", "assignment__public_id", "grade", "version")
    rows = Label.objects.filter(assignment__reader__study=study)
    for submission, reader, assignment, grade, version, rendition in rows.values_list(
        *fields, "assignment__image__rendition"
    ).iterator(10_000):
        yield str(submission), Act(reader, str(assignment), grade, version - 1), rendition


def _is_same(stored: Act, meant: Act, photograph: int) -> bool:
    is_shown = meant.shown is None or meant.shown == photograph
    return is_shown and replace(stored, shown=meant.shown) == meant
