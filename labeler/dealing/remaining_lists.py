"""The part of each list that is still to grade: how it is shared out and written anew.

A page knows a few images of its list ahead, so the next ones of every list stay where they are. All the rest is put in
another order at every change, what was there and what comes as one, under new public ids: golden images are spread
evenly over it, and nothing that a reader can see tells what came with the change, which is never golden.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count, islice

import numpy as np
from django.db import transaction

from labeler.dealing import changes, folds, list_storage, reading_lists
from labeler.dealing.folds import DealError
from labeler.dealing.reading_lists import Flags, ListError, Whole
from labeler.models import Assignment, Dealing, Image, Reader, Study, User
from labeler.record.keyed_draws import Draws

STAYS = 12  # images at the head of a list that were never graded: a grading page is told fewer

REST, BACK = "rest", "taken back"  # whose draws put the rest of a list in order


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
    fresh = [place for place, one in enumerate(undone) if not one.version]
    told = fresh[STAYS - 1] + 1 if len(fresh) >= STAYS else len(undone)
    head, rest = undone[:told], [one for one in undone[told:] if not one.version]  # a page has what was graded before
    standing = reader.assignments.filter(withdrawn_in=None).exclude(pk__in=[one.pk for one in rest])
    taken = {position for position in standing.values_list("position", flat=True) if position}
    begins = 1 + (head[-1].position or 0 if head else max(taken, default=0))
    return Rest(reader, rest, load=len(undone), taken=taken, begins=begins)


def hand_out(study: Study, images: Whole, keys: Whole, dealing: Dealing, draw: Draws) -> int:
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
        write(rest, np.concatenate([rest.ids, -images[places == place]]), dealing)
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


def write(rest: Rest, items: Whole, dealing: Dealing, what: str = REST) -> None:
    """Store these as the rest of a list, in an order drawn anew: an assignment's id, or the negative of an image's.

    `what` tells this order from others of the same act.
    """
    free = (position for position in count(rest.begins) if position not in rest.taken)
    positions = np.array(list(islice(free, len(items))), np.int64)
    dealing.plan.setdefault("begins", {})[rest.reader.code] = rest.begins  # `changes.finish` stores it
    draw = changes.draws(dealing, what, rest.reader.code)
    items = _Order(rest.reader, items, positions, draw).with_repeats_apart()
    list_storage.move(items[items > 0], positions[items > 0])
    list_storage.insert(rest.reader, -items[items < 0], positions[items < 0], dealing)


class _Order:
    """The rest of one list in a random order, with golden images spread evenly."""

    def __init__(self, reader: Reader, items: Whole, positions: Whole, draw: Draws) -> None:
        rows = Assignment.objects.filter(pk__in=items[items > 0].tolist())
        known = {pk: facts for pk, *facts in rows.values_list("pk", "image", "image__is_golden", "is_repeat")}
        of_golden = {pk for pk, (_, is_golden, _) in known.items() if is_golden}
        order = reading_lists.mixed(np.isin(items, list(of_golden)), draw)
        self.reader, self.positions, self.draw = reader, positions, draw
        self.items = items[order]
        self.is_golden = np.isin(self.items, list(of_golden))
        self.seconds = {pk: image for pk, (image, _, is_repeat) in known.items() if is_repeat}
        twice = set(self.seconds.values())
        of_pairs = [pk for pk, (image, *_) in known.items() if image in twice]
        self.is_single = ~np.isin(self.items, of_pairs)
        self.place = {item: place for place, item in enumerate(self.items.tolist())}

    def with_repeats_apart(self) -> Whole:
        """Return the items, each second reading the usual gap behind its first, as far as the rest is long enough."""
        if not self.seconds:
            return self.items
        gap = changes.first_design(self.reader.study).gap or reading_lists.usual_gap(int(self.positions[-1]))
        firsts = self.reader.assignments.filter(image__in=set(self.seconds.values()), is_repeat=False)
        first_of = {image: (pk, position or 0) for image, pk, position in firsts.values_list("image", "pk", "position")}
        for second, image in self.seconds.items():
            first, stands = first_of[image]
            if self.place.get(first, -1) > self.place[second]:
                self._exchange(self.place[first], self.place[second])
            since = int(self.positions[self.place[first]]) if first in self.place else stands
            until = int(self.positions[self.place[second]])
            is_near = until - since < gap
            if is_near and not self._send(second, self.positions >= since + gap) and first in self.place:
                self._send(first, self.positions <= until - gap)
        return self.items

    def _send(self, item: int, fits: Flags) -> bool:
        """Exchange an item with one of those that fit, met once, and golden as it is or not: by chance."""
        place = self.place[item]
        there = np.flatnonzero(fits & self.is_single & (self.is_golden == self.is_golden[place]))
        if not len(there):
            return False
        self._exchange(place, int(there[self.draw.randint(0, len(there), 1)[0]]))
        return True

    def _exchange(self, one: int, other: int) -> None:
        for values in (self.items, self.is_golden, self.is_single):
            values[[one, other]] = values[[other, one]]
        self.place |= {int(self.items[one]): one, int(self.items[other]): other}


@transaction.atomic
def reorder(*, study: Study, by: User | None = None, reason: str = "") -> Dealing:
    """Put what no page knows yet of every list in another order, and move nothing between readers. Raises DealError."""
    study = changes.lock_running(study)
    dealing = changes.begin(study, Dealing.Kind.ORDER, by=by, reason=reason)
    rests = [read(reader) for reader in changes.active_readers(study)]
    for rest in rests:
        write(rest, rest.ids, dealing)
    return changes.finish(dealing, f"{sum(len(rest.assignments) for rest in rests)} images in another order", {})
