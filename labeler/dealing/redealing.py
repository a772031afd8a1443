"""Changing who reads what while a study runs: images come, a reader joins or leaves. Each change is one logged act.

A page knows a few images of its list ahead, so the next ones of every list stay where they are. In the rest the order
of what is there stays too, and what comes is spread evenly into it: golden images and repeats remain hidden and even.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from numpy.random import RandomState

from labeler.dealing import folds, list_storage, reading_lists
from labeler.dealing.folds import DealError, Design
from labeler.dealing.list_storage import ReadingList
from labeler.dealing.reading_lists import ListError, Whole
from labeler.images import consents
from labeler.models import Assignment, Dealing, Image, Reader, Study, User
from labeler.record import audit
from labeler.studies import studies

STAYS = 20  # images at the head of a list: the grading page holds twelve


@dataclass
class Rest:
    """What a reader has still to grade and no page knows yet, in order, and the positions there are for it."""

    reader: Reader
    assignments: list[Assignment]
    load: int  # everything still to grade
    taken: set[int]  # the positions of what stays where it is
    begins: int  # the first position after what stays at the head of what is undone

    @property
    def ids(self) -> Whole:
        return np.array([assignment.pk for assignment in self.assignments], np.int64)

    def movable(self) -> list[Assignment]:
        """Return what can go to somebody else: ordinary images that this reader meets once and never graded."""
        twice = set(self.reader.assignments.filter(is_repeat=True).values_list("image", flat=True))
        return [one for one in self.assignments if not (one.image.is_golden or one.version or one.image_id in twice)]


@transaction.atomic
def add_images(*, study: Study, by: User | None = None, reason: str = "") -> Dealing:
    """Deal the kept images that nobody has yet into the lists as they are now. Raises DealError."""
    study = _running(study)
    draw = _draw(study)
    design = first_design(study)
    waiting = folds.undealt(study, design.by)
    if not len(waiting.images):
        raise DealError("Every kept image is in somebody's list already. Import images first.")
    images, keys = folds.in_turn(waiting, draw)
    dealing = _act(study, Dealing.Kind.IMAGES, by=by, reason=reason)
    nobody = _hand_out(study, images, keys, dealing, draw)
    return _done(dealing, f"{len(images) - nobody} images", {"nobody": nobody})


def admit(*, study: Study, user: User, capacity: int | None = None, by: User | None = None, reason: str = "") -> Reader:
    """Make a person a reader, whether the study runs already or not. Raises DealError or studies.StudyError."""
    if study.dealt_at:
        join(study=study, user=user, capacity=capacity, by=by, reason=reason)
    else:
        studies.add_reader(study=study, user=user, capacity=capacity, by=by)
    return study.readers.get(user=user)


@transaction.atomic
def join(*, study: Study, user: User, capacity: int | None = None, by: User | None = None, reason: str = "") -> Dealing:
    """Give a person a place in a running study: the golden set, repeats, and a share of what others have still to do.

    Raises DealError or studies.StudyError.
    """
    study = _running(study)
    draw = _draw(study)
    rests = [_rest(other) for other in _active(study)]
    reader = studies.new_reader(study=study, user=user, capacity=capacity)
    dealing = _act(study, Dealing.Kind.JOIN, reader=reader, by=by, reason=reason)
    design = first_design(study)
    golden = _golden(study)
    room = folds.room(reader, len(golden), design.repeats)
    taken = _take(rests, len(golden) + design.repeats, room, draw)
    _withdraw([one for of in taken for one in of], dealing)
    for rest, of in zip(rests, taken, strict=True):
        _write(rest, np.setdiff1d(rest.ids, [one.pk for one in of], assume_unique=True), dealing)
    fold = np.array([one.image_id for of in taken for one in of], np.int64)
    order = reading_lists.source(f"order {study.seed} {reader.code}")
    try:
        made = ReadingList(reader, *reading_lists.arrange(fold, golden, design.repeats, order, gap=design.gap))
    except ListError as error:
        raise DealError(str(error)) from error
    list_storage.write([made], dealing)
    return _done(dealing, f"{reader.code} takes over {len(fold)} images", {})


@transaction.atomic
def leave(*, reader: Reader, by: User | None = None, reason: str) -> Dealing:
    """Take a reader's undone images and hand the ordinary ones over to the others. Raises DealError."""
    study = _running(reader.study)
    if reader.left_at:
        raise DealError(f"{reader.code} has left already.")
    if not _active(study).exclude(pk=reader.pk).exists():
        raise DealError(f"{reader.code} is the only reader left: there is nobody to take over. Add a reader first.")
    draw = _draw(study)
    dealing = _act(study, Dealing.Kind.LEAVE, reader=reader, by=by, reason=reason)
    undone = _undone(reader)
    _withdraw(undone, dealing)
    shut = reader.assignments.filter(is_done=False, withdrawn_in=None)  # of whom nobody may be shown
    shut.update(position=None, withdrawn_in=dealing)
    Reader.objects.filter(pk=reader.pk).update(left_at=timezone.now(), skipped=0)
    handed = [one for one in undone if not (one.image.is_golden or one.is_repeat)]
    images = draw.permutation(np.array([one.image_id for one in handed], np.int64))
    nobody = _hand_out(study, images, _keys(images), dealing, draw)
    order = {"order": [one.pk for one in undone], "nobody": nobody}
    return _done(dealing, f"{reader.code} hands over {len(images) - nobody} images", order)


@transaction.atomic
def take_back(*, dealing: Dealing, by: User | None = None, reason: str = "") -> None:
    """Undo the latest act as far as nobody has graded by it: what has a label stays where it is. Raises DealError."""
    study = Study.objects.select_for_update().get(pk=dealing.study_id)
    if dealing != latest(study):
        raise DealError("Only the latest change can be taken back: later ones rest on it.")
    Assignment.objects.filter(dealing=dealing, version=0).delete()
    if dealing.kind == Dealing.Kind.FIRST:
        _undo_first(study)
    else:
        _undo(study, dealing)
    consents.count_skipped(study)
    dealing.reversed_at = timezone.now()
    dealing.save(update_fields=["reversed_at"])
    audit.record(study, by, "dealing taken back", detail=str(dealing), reason=reason)


def latest(study: Study) -> Dealing | None:
    """Return the act that can be taken back."""
    return study.dealings.filter(reversed_at=None).last()


def first_design(study: Study) -> Design:
    """Return how the study was dealt first; plainly where its lists were imported."""
    first = study.dealings.filter(kind=Dealing.Kind.FIRST, reversed_at=None).first()
    return Design(**first.plan) if first else Design()


def _running(study: Study) -> Study:
    study = Study.objects.select_for_update().get(pk=study.pk)
    if not study.dealt_at:
        raise DealError(f"Study {study.slug} isn't dealt yet. Until then, add images and readers and deal it once.")
    if study.closed_at:
        raise DealError(f"Study {study.slug} was closed on {study.closed_at:%Y-%m-%d}; its lists stay as they are.")
    return study


def _draw(study: Study) -> RandomState:
    return reading_lists.source(f"act {study.dealings.count()} {study.seed}")


def _active(study: Study) -> QuerySet[Reader]:
    return study.readers.filter(left_at=None).order_by("code")


def _golden(study: Study) -> Whole:
    golden = study.images.filter(is_golden=True, may_be_graded=True).order_by("content_hash")
    return np.array(golden.values_list("pk", flat=True), np.int64)


def _act(study: Study, kind: str, *, reader: Reader | None = None, by: User | None, reason: str) -> Dealing:
    return Dealing.objects.create(study=study, kind=kind, reader=reader, dealt_by=by, reason=reason)


def _done(dealing: Dealing, detail: str, plan: dict[str, Any]) -> Dealing:
    dealing.plan = plan
    dealing.save(update_fields=["plan"])
    audit.record(dealing.study, dealing.dealt_by, f"dealt: {dealing.kind}", detail=detail, reason=dealing.reason)
    return dealing


def _undone(reader: Reader) -> list[Assignment]:
    """Return what a reader has still to grade, locked: whoever grades one of these just now is waited for."""
    waiting = reader.assignments.filter(is_done=False, withdrawn_in=None, image__may_be_graded=True)
    waiting = waiting.select_related("image")
    return list(waiting.order_by("position").select_for_update(of=("self",)))


def _rest(reader: Reader) -> Rest:
    undone = _undone(reader)
    rest, head = undone[STAYS:], undone[:STAYS]
    standing = reader.assignments.filter(withdrawn_in=None).exclude(pk__in=[one.pk for one in rest])
    taken = {position for position in standing.values_list("position", flat=True) if position}
    begins = 1 + (head[-1].position or 0 if head else max(taken, default=0))
    return Rest(reader, rest, load=len(undone), taken=taken, begins=begins)


def _hand_out(study: Study, images: Whole, keys: Whole, dealing: Dealing, draw: RandomState) -> int:
    """Share images out to those who have least to do; return how many nobody could take."""
    rests = [_rest(reader) for reader in _active(study)]
    load = np.array([rest.load for rest in rests], np.int64)
    room = np.array([_room_left(rest) for rest in rests], np.int64)
    try:
        shares = reading_lists.fill(len(images), load, room, draw)
    except ListError as error:
        raise DealError(f"{error} Raise a capacity.") from error
    of = reading_lists.share_out(keys, shares, room, _have(rests, keys), draw)
    for place, rest in enumerate(rests):
        _write(rest, reading_lists.weave(rest.ids, -draw.permutation(images[of == place]), draw), dealing)
    return int(np.sum(of < 0))


def _room_left(rest: Rest) -> int:
    capacity = rest.reader.capacity
    return folds.UNLIMITED if capacity is None else max(capacity - len(rest.taken) - len(rest.assignments), 0)


def _keys(images: Whole) -> Whole:
    cluster = dict(Image.objects.filter(pk__in=images.tolist()).values_list("pk", "cluster"))
    return np.array([cluster[image] or image for image in images.tolist()], np.int64)


def _have(rests: Sequence[Rest], keys: Whole) -> set[tuple[int, int]]:
    """Return who ever had which of these keys, withdrawn or not: nobody meets a photograph again by a change."""
    place = {rest.reader.pk: number for number, rest in enumerate(rests)}
    had = Assignment.objects.filter(reader__in=place)
    wanted = keys.tolist()
    same = had.filter(image__in=wanted).values_list("reader", "image")
    alike = had.filter(image__cluster__in=wanted).values_list("reader", "image__cluster")
    return {(place[reader], key) for reader, key in (*same, *alike) if key}


def _take(rests: Sequence[Rest], own: int, room: int, draw: RandomState) -> list[list[Assignment]]:
    """Return what each reader gives to a new one, who has `own` images anyway, so that all have as much to do."""
    movable = [rest.movable() for rest in rests]
    load = np.array([rest.load for rest in rests], np.int64)
    most = np.array([len(of) for of in movable], np.int64)
    low, high = 0, max(int(load.max()), own)
    while low < high:  # the lowest level at which the new reader does not have more than the others
        level = (low + high) // 2
        low, high = (low, level) if own + np.clip(load - level, 0, most).sum() <= level else (level + 1, high)
    shares = np.clip(load - low, 0, most)
    while shares.sum() > room:
        shares[int(np.argmax(shares))] -= 1
    seen: set[int] = set()
    taken = []
    for of, share in zip(movable, shares.tolist(), strict=True):
        chosen = [of[place] for place in reading_lists.even_places(share, len(of), draw)]
        fresh = {_key(one): one for one in chosen if _key(one) not in seen}  # of near-duplicates, one
        seen |= fresh.keys()
        taken.append(list(fresh.values()))
    return taken


def _key(assignment: Assignment) -> int:
    return assignment.image.cluster or assignment.image_id


def _withdraw(assignments: Sequence[Assignment], dealing: Dealing) -> None:
    Assignment.objects.filter(pk__in=[one.pk for one in assignments]).update(position=None, withdrawn_in=dealing)


def _write(rest: Rest, order: Whole, dealing: Dealing) -> None:
    """Store the rest of a list in this order: an assignment's id, or the negative of a new image's."""
    free = (position for position in count(rest.begins) if position not in rest.taken)
    positions = np.array(list(islice(free, len(order))), np.int64)
    order = _spaced(rest.reader, order, positions)
    list_storage.move(order[order > 0], positions[order > 0])
    list_storage.insert(rest.reader, -order[order < 0], positions[order < 0], dealing)


def _spaced(reader: Reader, order: Whole, positions: Whole) -> Whole:
    """Move second readings that came too close to the first further down, in exchange with an ordinary image."""
    rows = reader.assignments.filter(pk__in=order[order > 0].tolist()).select_related("image")
    moved = {one.pk: one for one in rows}
    seconds = [one for one in moved.values() if one.is_repeat]
    if not seconds:
        return order
    order = order.copy()
    gap = first_design(reader.study).gap or reading_lists.usual_gap(int(positions[-1]))
    twice = {one.image_id for one in seconds}
    firsts = dict(reader.assignments.filter(image__in=twice, is_repeat=False).values_list("image", "pk"))
    standing = dict(reader.assignments.filter(pk__in=firsts.values()).values_list("pk", "position"))
    is_plain = [key < 0 or not (moved[key].image.is_golden or moved[key].image_id in twice) for key in order.tolist()]
    now = {key: place for place, key in enumerate(order.tolist())}
    for second in sorted(seconds, key=lambda one: now[one.pk]):
        first = firsts[second.image_id]
        since = int(positions[now[first]]) if first in now else standing[first] or 0
        place = now[second.pk]
        far = np.flatnonzero((positions >= since + gap) & is_plain)
        if positions[place] >= since + gap or not len(far):
            continue
        order[[place, far[0]]] = order[[far[0], place]]
        is_plain[place], is_plain[far[0]] = True, False
        now |= {int(order[place]): place, int(order[far[0]]): int(far[0])}
    return order


def _undo_first(study: Study) -> None:
    if Assignment.objects.filter(reader__study=study).exists():
        raise DealError("Somebody has graded already, so the study stays dealt.")
    Study.objects.filter(pk=study.pk).update(dealt_at=None)


def _undo(study: Study, dealing: Dealing) -> None:
    """Give back what nobody has graded by the act, and close the gaps it leaves."""
    graded = set(dealing.assignments.values_list("image", flat=True))
    withdrawn = Assignment.objects.filter(withdrawn_in=dealing).select_related("image")
    back = [one for one in withdrawn if one.image.is_golden or one.image_id not in graded]
    back = [one for one in back if one.image.may_be_graded]
    order = {pk: place for place, pk in enumerate(dealing.plan.get("order", []))}
    back.sort(key=lambda one: order.get(one.pk, one.pk))
    is_join = dealing.kind == Dealing.Kind.JOIN
    if dealing.reader:
        Reader.objects.filter(pk=dealing.reader.pk).update(left_at=timezone.now() if is_join else None)
    draw = reading_lists.source(f"back {study.seed} {dealing.pk}")
    for rest in [_rest(reader) for reader in _active(study)]:
        returned = np.array([one.pk for one in back if one.reader_id == rest.reader.pk], np.int64)
        _write(rest, reading_lists.weave(rest.ids, returned, draw), dealing)
