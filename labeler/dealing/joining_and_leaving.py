"""A reader joins a running study, or leaves it: images move between the lists."""

from collections.abc import Collection, Sequence

import numpy as np
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from labeler.dealing import changes, folds, list_storage, reading_lists, remaining_lists
from labeler.dealing.folds import DealError
from labeler.dealing.list_storage import ReadingList
from labeler.dealing.reading_lists import ListError, Whole
from labeler.dealing.remaining_lists import Rest
from labeler.models import Assignment, Dealing, Reader, Study, User
from labeler.record.keyed_draws import Draws
from labeler.studies import studies


def admit(*, study: Study, user: User, capacity: int | None = None, by: User | None = None, reason: str = "") -> Reader:
    """Make a person a reader, again where they left, whether the study runs already or not.

    Raises DealError or studies.StudyError.
    """
    left = study.readers.filter(user=user, left_at__isnull=False).first()
    if left and study.dealt_at:
        come_back(reader=left, capacity=capacity, by=by, reason=reason)
    elif study.dealt_at:
        join(study=study, user=user, capacity=capacity, by=by, reason=reason)
    else:
        studies.add_reader(study=study, user=user, capacity=capacity, by=by)
    return study.readers.get(user=user)


@transaction.atomic
def join(*, study: Study, user: User, capacity: int | None = None, by: User | None = None, reason: str = "") -> Dealing:
    """Give a person a place in a running study: the golden set, repeats, and a share of what others have still to do.

    Raises DealError or studies.StudyError.
    """
    study = changes.lock_running(study)
    rests = [remaining_lists.read(other) for other in changes.active_readers(study)]
    reader = studies.new_reader(study=study, user=user, capacity=capacity)
    dealing = changes.begin(study, Dealing.Kind.JOIN, reader=reader, by=by, reason=reason)
    design = changes.first_design(study)
    golden = _golden(study)
    room = folds.room(reader, len(golden), design.repeats)
    taken = _take(rests, len(golden) + design.repeats, room, changes.draws(dealing, "joining"))
    fold = _hand_over(rests, taken, dealing)
    try:
        made = ReadingList(reader, *folds.arrange(study, changes.number(dealing), reader, fold, golden, design))
    except ListError as error:
        raise DealError(str(error)) from error
    list_storage.write([made], dealing)
    return changes.finish(dealing, f"{reader.code} takes over {len(fold)} images", {})


@transaction.atomic
def come_back(*, reader: Reader, capacity: int | None = None, by: User | None = None, reason: str = "") -> Dealing:
    """Give a reader who left their place again: the same code, what they did, and then a share as large as others'.

    They get what of their old list nobody else has, and of the others' lists nothing that they ever had.
    Raises DealError or studies.StudyError.
    """
    study = changes.lock_running(reader.study)
    rests = [remaining_lists.read(other) for other in changes.active_readers(study)]
    studies.readmit(reader=reader, capacity=capacity)
    dealing = changes.begin(study, Dealing.Kind.JOIN, reader=reader, by=by, reason=reason)
    own = _left_behind(reader)
    room = folds.UNLIMITED if capacity is None else max(capacity - reader.done - len(own), 0)
    had = {_key(one) for one in reader.assignments.select_related("image")}
    taken = _take(rests, len(own), room, changes.draws(dealing, "joining"), had)
    images = _hand_over(rests, taken, dealing)
    ids = np.array([one.pk for one in own], np.int64)
    remaining_lists.write(remaining_lists.read(reader), np.concatenate([ids, -images]), dealing)
    return changes.finish(dealing, f"{reader.code} comes back and takes over {len(images)} images", {})


def _left_behind(reader: Reader) -> list[Assignment]:
    """Return what a reader who left had still to grade and can have again: golden images, repeats, what nobody took."""
    undone = reader.assignments.filter(is_done=False, withdrawn_in__isnull=False, image__may_be_graded=True)
    taken = Assignment.objects.filter(withdrawn_in=None, image=OuterRef("image"))
    free = list(undone.select_related("image").order_by("pk"))
    untaken = set(undone.filter(~Exists(taken)).values_list("pk", flat=True))
    again = [one for one in free if not one.is_repeat and (one.image.is_golden or one.pk in untaken)]
    met = {one.image_id for one in again} | set(reader.assignments.filter(is_done=True).values_list("image", flat=True))
    return again + [one for one in free if one.is_repeat and one.image_id in met]


@transaction.atomic
def leave(*, reader: Reader, by: User | None = None, reason: str) -> Dealing:
    """Take a reader's undone images and hand the ordinary ones over to the others. Raises DealError."""
    study = changes.lock_running(reader.study)
    if reader.left_at:
        raise DealError(f"{reader.code} has left already.")
    if not changes.active_readers(study).exclude(pk=reader.pk).exists():
        raise DealError(f"{reader.code} is the only reader left: there is nobody to take over. Add a reader first.")
    dealing = changes.begin(study, Dealing.Kind.LEAVE, reader=reader, by=by, reason=reason)
    draw = changes.draws(dealing, "leaving")
    undone = remaining_lists.lock_undone(reader)
    remaining_lists.withdraw(undone, dealing)
    shut = reader.assignments.filter(is_done=False, withdrawn_in=None)  # images whose subject withdrew consent
    shut.update(position=None, withdrawn_in=dealing)
    Reader.objects.filter(pk=reader.pk).update(left_at=timezone.now(), skipped=0)
    handed = [one for one in undone if not (one.image.is_golden or one.is_repeat)]
    images = draw.permutation(np.array([one.image_id for one in handed], np.int64))
    unplaced = remaining_lists.hand_out(study, images, remaining_lists.keys_of(images), dealing, draw)
    return changes.finish(dealing, f"{reader.code} hands over {len(images) - unplaced} images", {"nobody": unplaced})


def _golden(study: Study) -> Whole:
    golden = study.images.filter(is_golden=True, may_be_graded=True).order_by("content_hash")
    return np.array(golden.values_list("pk", flat=True), np.int64)


def _take(rests: Sequence[Rest], own: int, room: int, draw: Draws, had: Collection[int] = ()) -> list[list[Assignment]]:
    """Return what each reader gives to a new one, whose list has `own` images anyway, so that all have equal work.

    `had` are the keys of what the new one ever had.
    """
    movable = [[one for one in rest.movable() if _key(one) not in had] for rest in rests]
    load = np.array([rest.load for rest in rests], np.int64)
    most = np.array([len(assignments) for assignments in movable], np.int64)
    low, high = 0, max(int(load.max()), own)
    while low < high:  # the lowest level at which the new reader does not have more than the others
        level = (low + high) // 2
        low, high = (low, level) if own + np.clip(load - level, 0, most).sum() <= level else (level + 1, high)
    shares = np.clip(load - low, 0, most)
    while shares.sum() > room:
        shares[int(np.argmax(shares))] -= 1
    seen: set[int] = set()
    taken = []
    for assignments, share in zip(movable, shares.tolist(), strict=True):
        chosen = [assignments[place] for place in reading_lists.even_places(share, len(assignments), draw)]
        fresh = {_key(one): one for one in chosen if _key(one) not in seen}  # of near-duplicates, one
        seen |= fresh.keys()
        taken.append(list(fresh.values()))
    return taken


def _hand_over(rests: Sequence[Rest], taken: Sequence[Sequence[Assignment]], dealing: Dealing) -> Whole:
    """Take from each list what its reader gives; return the images, (n,)."""
    remaining_lists.withdraw([assignment for given in taken for assignment in given], dealing)
    for rest, given in zip(rests, taken, strict=True):
        remaining_lists.write(rest, np.setdiff1d(rest.ids, [one.pk for one in given], assume_unique=True), dealing)
    return np.array([one.image_id for given in taken for one in given], np.int64)


def _key(assignment: Assignment) -> int:
    return assignment.image.cluster or assignment.image_id
