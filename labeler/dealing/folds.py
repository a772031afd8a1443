"""Dealing: every reader gets a fold of the ordinary images and, hidden in it, the whole golden set."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from django.db import transaction
from django.db.models import BigIntegerField
from django.db.models.functions import Coalesce, Collate
from django.utils import timezone
from numpy.typing import NDArray

from labeler.dealing import list_storage, reading_lists
from labeler.dealing.list_storage import ReadingList
from labeler.dealing.reading_lists import Flags, ListError, Whole
from labeler.golden_set import golden_draw, strata
from labeler.models import Dealing, Reader, Study, User
from labeler.record import audit, keyed_draws
from labeler.record.keyed_draws import Draws
from labeler.screening import prescreen

ORDER = "order"  # whose draws put a whole list in order
UNLIMITED = 10**9  # images: what a reader without a capacity takes


class DealError(ValueError):
    """Why the study can't be dealt, as a sentence for people."""


@dataclass(frozen=True)
class Design:
    """How a study is to be dealt. The plain one is the published study's: every ordinary image once."""

    repeats: int = 0  # images that each reader reads twice
    gap: int | None = None  # least number of places between the two readings; None is `reading_lists.usual_gap`
    overlap: int = 0  # ordinary images that several readers read
    readers_each: int = 2  # how many read each of these
    by: str = ""  # `labeler.golden_set.strata`: kinds of images that are spread evenly over the readers


@dataclass(frozen=True)
class Waiting:
    """Images to be dealt, (n,) each: their ids, what near-duplicates share, and their strata."""

    images: Whole
    keys: Whole
    strata: NDArray[np.str_]


@dataclass(frozen=True)
class Plan:
    """Everybody's list as it would be dealt."""

    design: Design
    lists: tuple[ReadingList, ...]
    golden: Whole
    # Ordinary images for which there is no reader: a cluster has more members than the study readers.
    left: Whole
    sidelined: int  # kept images of the golden set's people or clusters: in no list
    waiting: Waiting  # what was dealt from

    @property
    def digest(self) -> str:
        """Return what tells this plan from every other: what is dealt must be what was looked at."""
        return list_storage.digest(self.lists)


def plan(study: Study, design: Design | None = None) -> Plan:
    """Work out the lists by the study's secret, writing nothing. Raises DealError."""
    design = design or Design()
    readers = list(study.readers.filter(left_at=None).order_by("code"))
    _check(study, readers, design)
    try:
        return _plan(study, readers, design)
    except ListError as error:
        raise DealError(str(error)) from error


@transaction.atomic
def deal(
    *,
    study: Study,
    design: Design | None = None,
    by: User | None = None,
    reason: str = "",
    digest: str = "",
    on_list: Callable[[int, int], None] | None = None,
) -> Plan:
    """Deal the study once, by its secret.

    With the `digest` of a previewed plan, only that plan is dealt. `on_list(done, total)`
    hears of progress. Raises DealError; then nothing is dealt.
    """
    study = Study.objects.select_for_update(no_key=True).get(pk=study.pk)
    planned = plan(study, design)
    if digest and digest != planned.digest:
        raise DealError("Images or readers have changed since you saw the proof sheet. Look at the new one, then deal.")
    dealing = Dealing.objects.create(
        study=study, kind=Dealing.Kind.FIRST, plan=asdict(planned.design), reason=reason, dealt_by=by
    )
    list_storage.write(planned.lists, dealing, on_list=on_list)
    study.dealt_at = timezone.now()
    study.save(update_fields=["dealt_at"])
    audit.record(study, by, "dealt", detail=f"{len(planned.lists)} readers, lists {planned.digest}", reason=reason)
    return planned


def undealt(study: Study, by: str = "") -> Waiting:
    """Return the kept ordinary images that are in no list and could be, in an order that nothing changes.

    `by` says what their strata are (`labeler.golden_set.strata`).
    """
    images = prescreen.kept(study).filter(is_golden=False, assignments=None)
    images = images.exclude(pk__in=golden_draw.sidelined(study)).order_by(Collate("content_hash", "C"))
    key = Coalesce("cluster", "pk", output_field=BigIntegerField())
    rows = list(images.annotate(stratum=strata.stratum(by)).values_list("pk", key, "stratum"))
    ids, keys, kinds = zip(*rows, strict=True) if rows else ((), (), ())
    return Waiting(np.array(ids, np.int64), np.array(keys, np.int64), np.array(kinds, np.str_))


def _check(study: Study, readers: Sequence[Reader], design: Design) -> None:
    slug = study.slug
    if study.dealt_at:
        raise DealError(f"Study {slug} was dealt on {study.dealt_at:%Y-%m-%d %H:%M}; it is dealt once.")
    if not study.golden_drawn_at:
        raise DealError(f"Study {slug} has no golden set. Draw it first: manage.py draw_golden {slug} SIZE.")
    if not readers:
        raise DealError(f"Study {slug} has no readers. Add them first: manage.py add_reader {slug} USERNAME.")
    if design.overlap and not 2 <= design.readers_each <= len(readers):
        raise DealError(
            f"An image can be read by 2 to {len(readers)} readers, which are all; {design.readers_each} were asked for."
        )


def _plan(study: Study, readers: Sequence[Reader], design: Design) -> Plan:
    waiting = undealt(study, design.by)
    drawn = study.images.filter(is_golden=True, may_be_graded=True).order_by("content_hash")
    golden_set = np.array(drawn.values_list("pk", flat=True), np.int64)
    if design.overlap > len(waiting.images):
        raise DealError(
            f"There are {len(waiting.images)} ordinary images; {design.overlap} can't be read by several readers."
        )
    act = study.dealings.count()  # a study whose deal was taken back is dealt anew, not alike
    draw = keyed_draws.of(study, "folds", act)
    images, keys = in_turn(waiting, draw)
    copies = np.ones(len(images), np.int64)
    copies[reading_lists.even_places(design.overlap, len(images), draw)] = design.readers_each
    all_images = images
    images, keys = _at_most(len(readers), np.repeat(images, copies), np.repeat(keys, copies))
    rooms = np.array([room(reader, len(golden_set), design.repeats) for reader in readers], np.int64)
    shares = reading_lists.fill(len(images), np.zeros(len(readers), np.int64), rooms, draw)
    places = reading_lists.share_out(keys, shares, rooms, [], draw)
    return Plan(
        design,
        tuple(
            ReadingList(reader, *arrange(study, act, reader, images[places == place], golden_set, design))
            for place, reader in enumerate(readers)
        ),
        golden_set,
        left=np.setdiff1d(all_images, images[places >= 0]),
        sidelined=golden_draw.sidelined(study).count(),
        waiting=waiting,
    )


def arrange(
    study: Study, act: int, reader: Reader, fold: Whole, golden_set: Whole, design: Design
) -> tuple[Whole, Flags]:
    """Return a reader's whole list as this act of dealing orders it. Raises ListError."""
    draw = keyed_draws.of(study, ORDER, act, reader.code)
    return reading_lists.arrange(fold, golden_set, design.repeats, draw, gap=design.gap)


def _at_most(number: int, images: Whole, keys: Whole) -> tuple[Whole, Whole]:
    """Keep so many readings of each key, the first ones: more near-duplicates than readers can't all be read."""
    _, starts, group = np.unique(keys, return_index=True, return_inverse=True)
    keeps = np.arange(len(keys)) - starts[group] < number
    return images[keeps], keys[keeps]


def room(reader: Reader, golden_size: int, repeats: int) -> int:
    """Return how many ordinary images fit a reader's capacity."""
    if reader.capacity is None:
        return UNLIMITED
    room = reader.capacity - golden_size - repeats
    if room < 0:
        raise DealError(
            f"Reader {reader.code} takes {reader.capacity} images; the golden set and the repeats are "
            f"{golden_size + repeats} already. Raise the capacity, or plan fewer."
        )
    return room


def in_turn(waiting: Waiting, draw: Draws) -> tuple[Whole, Whole]:
    """Return the images in the order in which they are dealt, and their keys, (n,) each.

    Stratum after stratum, so that each is spread over all readers; by chance within; near-duplicates side by side.
    """
    shuffled = draw.permutation(len(waiting.images))
    images, keys = waiting.images[shuffled], waiting.keys[shuffled]
    stratum = np.unique(waiting.strata, return_inverse=True)[1][shuffled]
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    leader = first[group]  # the place of the first of its cluster
    order = np.lexsort((leader, stratum[leader]))
    return images[order], keys[order]
