"""Reading lists as arrays: which reader reads which image, in which order. No database.

Everything is drawn from a study's keyed draws: the same secret deals the same, and no list tells of another.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from labeler.record.keyed_draws import Draws

Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]

TRIES = 200  # drawings of places for repeats before their gap counts as impossible


class ListError(ValueError):
    """Why there are no such lists, as a sentence for people."""


def fill(total: int, held: Whole, room: Whole, draw: Draws) -> Whole:
    """Share `total` items out so that the longest list is as short as it can be; return how many each gets, (n,).

    `held` is what each reader has and `room` how many more they take, both (n,). Where a remainder can't be even,
    chance says who has one more. Raises ListError where there is too little room.
    """
    if total > room.sum():
        raise ListError(f"The readers have room for {room.sum():,} more images; {total:,} are to be dealt.")
    low, high = int(held.min()), int(held.max()) + total
    while low < high:  # the highest level that does not deal more than there is
        level = (low + high + 1) // 2
        low, high = (level, high) if _up_to(level, held, room).sum() <= total else (low, level - 1)
    given = _up_to(low, held, room)
    more = np.flatnonzero((given < room) & (held + given <= low))
    given[draw.permutation(more)[: total - given.sum()]] += 1
    return given


def _up_to(level: int, held: Whole, room: Whole) -> Whole:
    return np.clip(level - held, 0, room)


def share_out(keys: Whole, shares: Whole, room: Whole, has: Iterable[tuple[int, int]], draw: Draws) -> Whole:
    """Give each item to a reader, so that no reader has two items of one key; return the reader's place, (items,).

    `keys` (items,) says which items are alike: readings of one image, or near-duplicates. Items of one key stand
    together, and neighbours should be of one stratum: each reader's turns are spread evenly over the whole.
    `shares` (n,) is how many each reader gets, `room` (n,) how many they take where it can't be done with these, and
    `has` the (reader, key) pairs that stand already. An item for which there is no reader gets -1.
    """
    readers = _turns(shares, draw)
    _part(keys, readers, room, set(has))
    return readers


def _turns(shares: Whole, draw: Draws) -> Whole:
    """Return whose turn it is, (sum of shares,): the j-th of m turns comes in the j-th m-th part of the whole."""
    reader = np.repeat(np.arange(len(shares)), shares)
    turn = np.arange(len(reader)) - np.repeat(np.cumsum(shares) - shares, shares)
    when = (turn + draw.random_sample(len(reader))) / shares[reader]
    return reader[np.argsort(when, kind="stable")]


def _part(keys: Whole, readers: Whole, room: Whole, has: set[tuple[int, int]]) -> None:
    """Exchange readers between near items until no reader has two of one key."""
    clashing = _clashes(keys, readers, has)
    if not len(clashing):
        return
    taken = _Taken(keys, readers, has)
    for place in clashing.tolist():
        if taken.clashes(place) and not taken.exchange(place):
            taken.pass_on(place, room)


def _clashes(keys: Whole, readers: Whole, has: set[tuple[int, int]]) -> Whole:
    """Return the places of items whose reader has one of that key: all but the first of each pair."""
    codes = _codes(readers, keys)
    standing = np.array([_code(reader, key) for reader, key in has], np.int64)
    first = np.unique(codes, return_index=True)[1]
    again = np.ones(len(codes), bool)
    again[first] = False
    return np.flatnonzero(again | np.isin(codes, standing))


def _code(reader: int, key: int) -> int:
    return reader << 40 | key


def _codes(readers: Whole, keys: Whole) -> Whole:
    codes: Whole = readers << 40 | keys
    return codes


class _Taken:
    """The keys that each reader has while items change hands."""

    def __init__(self, keys: Whole, readers: Whole, has: set[tuple[int, int]]) -> None:
        self.keys, self.readers = keys, readers
        self.count: dict[int, int] = {_code(reader, key): 1 for reader, key in has}
        for code in _codes(readers, keys).tolist():
            self.count[code] = self.count.get(code, 0) + 1

    def clashes(self, place: int) -> bool:
        return self.count[_code(int(self.readers[place]), int(self.keys[place]))] > 1

    def exchange(self, place: int) -> bool:
        """Exchange with the nearest item that makes both fit."""
        for far in range(1, len(self.keys)):
            for other in (place + far, place - far):
                if 0 <= other < len(self.keys) and self._fits(place, other):
                    self._swap(place, other)
                    return True
        return False

    def pass_on(self, place: int, room: Whole) -> None:
        """Give the item to the reader with fewest items and room for it, or to none."""
        key = int(self.keys[place])
        self.count[_code(int(self.readers[place]), key)] -= 1
        self.readers[place] = -1
        given = np.bincount(self.readers[self.readers >= 0], minlength=len(room))
        for reader in np.argsort(given, kind="stable").tolist():
            if given[reader] < room[reader] and not self.count.get(_code(reader, key)):
                self.readers[place], self.count[_code(reader, key)] = reader, 1
                return

    def _fits(self, one: int, other: int) -> bool:
        mine, theirs = int(self.readers[one]), int(self.readers[other])
        if theirs in {mine, -1}:
            return False
        return not (
            self.count.get(_code(theirs, int(self.keys[one]))) or self.count.get(_code(mine, int(self.keys[other])))
        )

    def _swap(self, one: int, other: int) -> None:
        for place in (one, other):
            self.count[_code(int(self.readers[place]), int(self.keys[place]))] -= 1
        self.readers[[one, other]] = self.readers[[other, one]]
        for place in (one, other):
            code = _code(int(self.readers[place]), int(self.keys[place]))
            self.count[code] = self.count.get(code, 0) + 1


def even_places(number: int, length: int, draw: Draws) -> Whole:
    """Return `number` of the places 0 to length - 1 in order, one in each of as many equal parts, at random within."""
    # Parts that are no whole number of places are rounded by chance: always upwards would push everything later.
    edges = np.floor(np.arange(number + 1) * length / max(number, 1) + draw.random_sample(1)).astype(int)
    starts, ends = edges[:-1], edges[1:]
    places: Whole = starts + np.floor(draw.random_sample(number) * (ends - starts)).astype(int)
    return places


def usual_gap(length: int) -> int:
    """Return the least number of places between two readings of an image: a twentieth of the list, or 20."""
    return max(length // 20, min(20, length // 5), 1)


def arrange(
    ordinary: Whole, golden: Whole, repeats: int, draw: Draws, *, gap: int | None = None
) -> tuple[Whole, Flags]:
    """Put a list in order; return its images, (length,), and which of these places are second readings.

    Golden images are spread one to each equal part of the list, at a random place within it. Images read twice are
    chosen from both kinds in proportion, and their readings, first and second, spread in the same way: nothing of a
    place tells what is there. At least `gap` places lie between the two readings. Raises ListError.
    """
    kinds, is_second = layout(len(ordinary), len(golden), repeats, draw, gap=gap)
    return np.concatenate([draw.permutation(golden), draw.permutation(ordinary)])[kinds], is_second


def layout(ordinary: int, golden: int, repeats: int, draw: Draws, *, gap: int | None = None) -> tuple[Whole, Flags]:
    """Return what stands at each place, (length,), and which places are second readings. Raises ListError.

    Golden images have the numbers from 0 on, ordinary ones the numbers after these.
    """
    length = ordinary + golden + repeats
    golden_twice = _of_golden(repeats, golden, ordinary, draw)
    _check(repeats, golden_twice, golden, ordinary)
    firsts, seconds = _pairs(repeats, length, usual_gap(length) if gap is None else gap, draw)
    is_golden = np.zeros(repeats, bool)
    is_golden[even_places(golden_twice, repeats, draw)] = True
    numbers = np.full(length, -1, np.int64)
    for places in (firsts, seconds):
        numbers[places[is_golden]] = np.arange(golden_twice)
        numbers[places[~is_golden]] = np.arange(golden, golden + repeats - golden_twice)
    free = np.flatnonzero(numbers < 0)
    hidden = free[even_places(golden - golden_twice, len(free), draw)]
    numbers[hidden] = np.arange(golden_twice, golden)
    numbers[numbers < 0] = np.arange(golden + repeats - golden_twice, golden + ordinary)
    is_second = np.zeros(length, bool)
    is_second[seconds] = True
    return numbers, is_second


def _of_golden(repeats: int, golden: int, ordinary: int, draw: Draws) -> int:
    """Return how many of the repeated images are golden: their share of the list, rounded by chance."""
    share = repeats * golden / max(golden + ordinary, 1)
    return int(share) + int(draw.random_sample(1)[0] < share - int(share))


def _check(repeats: int, golden_twice: int, golden: int, ordinary: int) -> None:
    if golden_twice > golden or repeats - golden_twice > ordinary:
        raise ListError(
            f"{repeats} images can't be read twice in a list of {golden + ordinary}. Ask for fewer repeats."
        )


def _pairs(repeats: int, length: int, gap: int, draw: Draws) -> tuple[Whole, Whole]:
    """Return the places of first and of second readings, (repeats,) each, pair by pair."""
    for _ in range(TRIES):
        places = even_places(2 * repeats, length, draw)
        firsts, seconds = _pair_up(places, gap, draw)
        if np.all(seconds - firsts >= gap):
            return firsts, seconds
    raise ListError(
        f"{repeats} images can't be read twice with {gap} places between the readings in a list of {length}. "
        "Ask for fewer repeats or a smaller gap."
    )


def _pair_up(places: Whole, gap: int, draw: Draws) -> tuple[Whole, Whole]:
    """Open pairs at the first places, then open and close by turns in a random order, and close the rest at the end.

    What closes is chosen by chance among those that have been open for the gap: the distances vary.
    """
    repeats = len(places) // 2
    ahead = min(repeats, int(np.sum(places < (places[0] + gap if repeats else 0))) + 2)
    opens = np.zeros(2 * repeats, bool)
    opens[:ahead] = True
    turns = np.arange(ahead, 2 * repeats - ahead, 2) + draw.randint(0, 2, repeats - ahead)
    opens[turns] = True
    waiting: list[int] = []
    firsts, seconds = [], []
    for number, place in enumerate(places.tolist()):
        if opens[number]:
            waiting.append(place)
            continue
        ready = sum(first <= place - gap for first in waiting)
        # Towards the end the oldest goes first, so that the last ones have had their gap.
        chosen = int(draw.randint(0, ready, 1)[0]) if ready > 1 and number < 2 * repeats - ahead else 0
        firsts.append(waiting.pop(chosen))
        seconds.append(place)
    return np.array(firsts, np.int64), np.array(seconds, np.int64)


def mixed(is_golden: Flags, draw: Draws) -> Whole:
    """Return an order of items, (n,): golden ones one to each equal part, at a random place; all else by chance."""
    order = np.empty(len(is_golden), np.int64)
    holds_golden = np.zeros(len(order), bool)
    holds_golden[even_places(int(is_golden.sum()), len(order), draw)] = True
    order[holds_golden] = draw.permutation(np.flatnonzero(is_golden))
    order[~holds_golden] = draw.permutation(np.flatnonzero(~is_golden))
    return order


def longest_run(flags: Flags) -> int:
    """Return the length of the longest run of true ones."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return int(np.max(edges[1::2] - edges[::2], initial=0))
