"""The part of each list that is still to grade: how it is shared out and written anew.

A page knows a few images of its list ahead, so the next ones of every list stay where they are. In the rest, the order
of what is there stays too, and what comes is spread evenly into it: golden images and repeats remain hidden and even.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, islice

import numpy as np
from numpy.random import RandomState

from labeler.dealing import changes, folds, list_storage, reading_lists
from labeler.dealing.folds import DealError
from labeler.dealing.reading_lists import ListError, Whole
from labeler.models import Assignment, Dealing, Image, Reader, Study

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
        """Return what another reader can take: ordinary images that this reader meets once and never graded."""
        twice = set(self.reader.assignments.filter(is_repeat=True).values_list("image", flat=True))
        return [one for one in self.assignments if not (one.image.is_golden or one.version or one.image_id in twice)]


def lock_undone(reader: Reader) -> list[Assignment]:
    """Return the assignments that a reader has still to grade, locked against grades that arrive meanwhile."""
    waiting = reader.assignments.filter(is_done=False, withdrawn_in=None, image__may_be_graded=True)
    waiting = waiting.select_related("image")
    return list(waiting.order_by("position").select_for_update(of=("self",)))


def read(reader: Reader) -> Rest:
    undone = lock_undone(reader)
    rest, head = undone[STAYS:], undone[:STAYS]
    standing = reader.assignments.filter(withdrawn_in=None).exclude(pk__in=[one.pk for one in rest])
    taken = {position for position in standing.values_list("position", flat=True) if position}
    begins = 1 + (head[-1].position or 0 if head else max(taken, default=0))
    return Rest(reader, rest, load=len(undone), taken=taken, begins=begins)


def hand_out(study: Study, images: Whole, keys: Whole, dealing: Dealing, draw: RandomState) -> int:
    """Share images out to the readers with least to do; return how many no reader could take."""
    rests = [read(reader) for reader in changes.active_readers(study)]
    load = np.array([rest.load for rest in rests], np.int64)
    room = np.array([_room_left(rest) for rest in rests], np.int64)
    try:
        shares = reading_lists.fill(len(images), load, room, draw)
    except ListError as error:
        raise DealError(f"{error} Raise a capacity.") from error
    places = reading_lists.share_out(keys, shares, room, _have(rests, keys), draw)
    for place, rest in enumerate(rests):
        write(rest, reading_lists.weave(rest.ids, -draw.permutation(images[places == place]), draw), dealing)
    return int(np.sum(places < 0))


def _room_left(rest: Rest) -> int:
    capacity = rest.reader.capacity
    return folds.UNLIMITED if capacity is None else max(capacity - len(rest.taken) - len(rest.assignments), 0)


def keys_of(images: Whole) -> Whole:
    cluster = dict(Image.objects.filter(pk__in=images.tolist()).values_list("pk", "cluster"))
    return np.array([cluster[image] or image for image in images.tolist()], np.int64)


def _have(rests: Sequence[Rest], keys: Whole) -> set[tuple[int, int]]:
    """Return which reader ever had which of these keys, withdrawn or not: no change shows one a photograph again."""
    place = {rest.reader.pk: number for number, rest in enumerate(rests)}
    had = Assignment.objects.filter(reader__in=place)
    wanted = keys.tolist()
    same = had.filter(image__in=wanted).values_list("reader", "image")
    alike = had.filter(image__cluster__in=wanted).values_list("reader", "image__cluster")
    return {(place[reader], key) for reader, key in (*same, *alike) if key}


def withdraw(assignments: Sequence[Assignment], dealing: Dealing) -> None:
    Assignment.objects.filter(pk__in=[one.pk for one in assignments]).update(position=None, withdrawn_in=dealing)


def write(rest: Rest, order: Whole, dealing: Dealing) -> None:
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
    gap = changes.first_design(reader.study).gap or reading_lists.usual_gap(int(positions[-1]))
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
