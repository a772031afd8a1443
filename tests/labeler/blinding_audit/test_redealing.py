"""No change of the lists tells a reader which of their images are ordinary; and where one would, the audit finds it."""

from collections.abc import Callable
from uuid import uuid4

import numpy as np
import pytest

from labeler.blinding_audit import redealing
from labeler.blinding_audit.blinding_audit import Verdict
from labeler.dealing import new_images, remaining_lists
from labeler.grading import window
from labeler.models import Assignment, Image, Study, User
from tests import builders

ROUNDS = [
    ("a reader leaves", "a reader joins", "images are added"),
    ("images are added", "images are added", "a reader leaves", "a reader leaves"),
    ("a reader joins", "a reader leaves", "a reader joins", "images are added"),
]
MORE = 30  # images that a planted change puts into each list


@pytest.mark.parametrize("names", ROUNDS, ids=", ".join)
def test_no_rule_does_better_than_chance(db: None, names: tuple[str, ...]) -> None:
    found = redealing.measure([(name, redealing.CHANGES[name]) for name in names])
    assert len(found) == len(names) * len(redealing.RULES)
    assert [one for one in found if one.verdict == Verdict.LEAK] == []
    anew = [one for one in found if one.rule == "not told before"]
    assert all(one.precision is not None and abs(one.precision - one.base) < 0.02 for one in anew)


def plant(study: Study, order: Callable[[list[int], list[int]], list[int]], *, ids: bool = False) -> None:
    """Put ordinary images into every list as `order` says; with `ids`, all ids behind what stays are new."""
    redealing.make_images(study, MORE * study.readers.count())
    images = list(study.images.filter(is_golden=False, assignments=None))
    for number, reader in enumerate(study.readers.all()):
        waiting = list(reader.assignments.filter(is_done=False).order_by("position"))
        start = waiting[0].position or 0
        more = [Assignment(reader=reader, image=image) for image in images[number * MORE : (number + 1) * MORE]]
        both = [*waiting, *more]
        ordered = [both[n] for n in order(list(range(len(waiting))), list(range(len(waiting), len(both))))]
        reader.assignments.filter(is_done=False).delete()
        for place, one in enumerate(ordered):
            one.pk, one.position = None, start + place
            one.public_id = uuid4() if ids and place >= remaining_lists.STAYS else one.public_id
        Assignment.objects.bulk_create(ordered)


def at_the_end(old: list[int], new: list[int]) -> list[int]:
    return [*old, *new]


def behind_what_stays(old: list[int], new: list[int]) -> list[int]:
    return [*old[: remaining_lists.STAYS], *new, *old[remaining_lists.STAYS :]]


def woven(old: list[int], new: list[int]) -> list[int]:
    places = [*np.arange(len(old)) / len(old), *np.arange(len(new)) / len(new)]
    return [int(place) for place in np.argsort(places, kind="stable")]


@pytest.mark.parametrize(
    ("order", "ids", "rule"),
    [
        (at_the_end, False, "not told before"),
        (at_the_end, True, "at the end"),
        (behind_what_stays, False, "not told before"),
        (behind_what_stays, True, "right behind what stayed"),
        (woven, False, "not told before"),
    ],
)
def test_a_change_that_tells_is_found(
    db: None, order: Callable[[list[int], list[int]], list[int]], ids: bool, rule: str
) -> None:
    found = redealing.measure([("planted", lambda study: plant(study, order, ids=ids))])
    assert rule in {one.rule for one in found if one.verdict == Verdict.LEAK}
    assert next(one.precision for one in found if one.rule == rule) == 1


def test_what_is_measured_leaves_nothing_behind(study: Study) -> None:
    def rows() -> list[int]:
        return [table.objects.count() for table in (Study, User, Image, Assignment)]

    before = rows()
    redealing.measure()
    assert rows() == before


def test_what_a_page_may_hold_keeps_its_place_and_its_id_and_nothing_else_does(ana: User, ben: User) -> None:
    study = builders.make_study(readers=(ana, ben), images=90, golden_size=20)
    before = {reader: redealing.to_grade(reader) for reader in study.readers.all()}
    builders.make_images(study, 40)
    new_images.add_images(study=study)
    stays = remaining_lists.STAYS
    assert stays >= window.WINDOW
    for reader, cards in before.items():
        after = redealing.to_grade(reader)
        assert after[:stays] == cards[:stays]
        assert not {card.public_id for card in after[stays:]} & {card.public_id for card in cards}


def test_what_was_taken_back_by_its_reader_stays_too(ana: User, ben: User) -> None:
    """A page has what it undid, further back than it was told ahead."""
    study = builders.make_study(readers=(ana, ben), images=90, golden_size=20)
    reader = builders.reader_of(ana, study)
    undone = reader.assignments.order_by("position")[:5].values("pk")
    Assignment.objects.filter(pk__in=undone).update(version=2)
    before = redealing.to_grade(reader)[: remaining_lists.STAYS + 5]
    remaining_lists.reorder(study=study)
    assert redealing.to_grade(reader)[: len(before)] == before
