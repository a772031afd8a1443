"""Lists change while readers grade: nothing twice, nothing lost, golden images and repeats stay hidden and even."""

import numpy as np
import pytest

from labeler.dealing import changes, folds, joining_and_leaving, new_images, reading_lists, remaining_lists, undo
from labeler.dealing.folds import DealError, Design
from labeler.golden_set import golden_draw
from labeler.grading import queries
from labeler.models import Assignment, AuditEvent, Dealing, Image, Reader, Study, User
from labeler.studies import studies
from tests import builders
from tests.training.builders import give_grade

GOLDEN, REPEATS, GAP = 30, 10, 15


@pytest.fixture
def running(ana: User, ben: User, cleo: User) -> Study:
    """Return a study of three readers with lists of 100, of which each has graded 25."""
    study = builders.make_study(readers=(ana, ben, cleo), images=GOLDEN + 180)
    golden_draw.draw(study=study, size=GOLDEN)
    folds.deal(study=study, design=Design(repeats=REPEATS, gap=GAP))
    for reader in study.readers.all():
        for assignment in list(queries.upcoming(reader)[:25]):
            give_grade(assignment, 3)
    study.refresh_from_db()
    return study


def listed(reader: Reader) -> list[Assignment]:
    return list(reader.assignments.filter(withdrawn_in=None).select_related("image").order_by("position"))


def state(study: Study) -> dict[str, list[tuple[int, bool]]]:
    return {reader.code: [(one.image_id, one.is_repeat) for one in listed(reader)] for reader in study.readers.all()}


def check(reader: Reader, *, spread: int = 7) -> None:
    """Hold a list against what every list must keep."""
    ones = listed(reader)
    assert [one.position for one in ones] == list(range(1, len(ones) + 1))
    golden_images = [one.image_id for one in ones if one.image.is_golden and not one.is_repeat]
    assert len(golden_images) == len(set(golden_images)) == GOLDEN
    thirds = [int(part.sum()) for part in np.array_split([one.image.is_golden for one in ones], 3)]
    assert max(thirds) - min(thirds) <= spread
    first = {one.image_id: one.position or 0 for one in ones if not one.is_repeat}
    assert all((one.position or 0) - first[one.image_id] >= GAP for one in ones if one.is_repeat)


def test_a_leaving_readers_images_are_all_handed_over(running: Study) -> None:
    leaver, *others = running.readers.all()
    given = {one.image_id for one in listed(leaver) if not (one.is_done or one.image.is_golden or one.is_repeat)}
    told = {other: [one.pk for one in queries.upcoming(other)[: remaining_lists.STAYS]] for other in others}
    joining_and_leaving.leave(reader=leaver, reason="On leave until spring")
    assert not queries.upcoming(leaver).exists()
    now = Assignment.objects.filter(image__in=given, withdrawn_in=None)
    assert sorted(now.values_list("image", flat=True)) == sorted(given)
    sizes = [len(listed(other)) for other in others]
    assert max(sizes) - min(sizes) <= 1
    for other in others:
        check(other)
        assert [one.pk for one in queries.upcoming(other)[: remaining_lists.STAYS]] == told[other]
    assert AuditEvent.objects.latest("pk").reason == "On leave until spring"


def test_a_leave_can_be_taken_back(running: Study) -> None:
    before = {code: sorted(images) for code, images in state(running).items()}
    leaver = running.readers.get(code="R01")
    act = joining_and_leaving.leave(reader=leaver, reason="A mistake")
    undo.take_back(dealing=act, reason="It was a mistake")
    assert {code: sorted(images) for code, images in state(running).items()} == before
    for reader in running.readers.all():
        check(reader)
    leaver.refresh_from_db()
    assert leaver.left_at is None
    assert changes.latest(running) == running.dealings.get(kind=Dealing.Kind.FIRST)


def test_what_was_graded_meanwhile_stays_with_who_graded_it(running: Study) -> None:
    leaver, other = running.readers.all()[:2]
    act = joining_and_leaving.leave(reader=leaver, reason="A mistake")
    taken = act.assignments.filter(reader=other).earliest("position")
    give_grade(taken, 2)
    undo.take_back(dealing=act, reason="It was")
    assert listed(leaver) != []
    assert taken.image_id not in {one.image_id for one in listed(leaver)}
    assert taken.image_id in {one.image_id for one in listed(other)}
    for reader in (leaver, other):
        positions = [one.position for one in listed(reader)]
        assert len(positions) == len(set(positions))


def test_a_joining_reader_gets_the_golden_set_and_a_fair_share(running: Study, dora: User) -> None:
    joining_and_leaving.join(study=running, user=dora, reason="The fourth")
    dora_reads = running.readers.get(user=dora)
    check(dora_reads)
    assert dora_reads.assignments.filter(is_repeat=True).count() == REPEATS
    loads = [queries.upcoming(reader).count() for reader in running.readers.all()]
    assert max(loads) - min(loads) <= 3
    for reader in running.readers.all():
        check(reader)
    ordinary = Assignment.objects.filter(image__is_golden=False, is_repeat=False, withdrawn_in=None)
    images = list(ordinary.values_list("image", flat=True))
    assert len(images) == len(set(images)) == 180


def test_a_join_can_be_taken_back(running: Study, dora: User) -> None:
    folds_before = {code: sorted(images) for code, images in state(running).items()}
    act = joining_and_leaving.join(study=running, user=dora)
    undo.take_back(dealing=act, reason="She can't")
    after = {code: sorted(images) for code, images in state(running).items() if images}
    assert after == folds_before
    for reader in running.readers.filter(left_at=None):
        check(reader)


def test_later_images_are_spread_over_the_lists(running: Study) -> None:
    later = builders.make_images(running, 61)
    new_images.add_images(study=running)
    for reader in running.readers.all():
        check(reader)
        assert len([one for one in listed(reader) if one.image in later]) in {20, 21}
    with pytest.raises(folds.DealError, match="Import images first"):
        new_images.add_images(study=running)


def test_nobody_gets_a_near_duplicate_of_what_they_had(running: Study) -> None:
    reader = running.readers.get(code="R02")
    old = next(one.image for one in listed(reader) if not one.image.is_golden)
    [new] = builders.make_images(running, 1)
    Image.objects.filter(pk__in=[old.pk, new.pk]).update(cluster=old.pk)
    new_images.add_images(study=running)
    assert new.assignments.get().reader != reader


def test_only_the_latest_change_is_taken_back(running: Study) -> None:
    builders.make_images(running, 3)
    first = new_images.add_images(study=running)
    builders.make_images(running, 3)
    new_images.add_images(study=running)
    with pytest.raises(folds.DealError, match="latest"):
        undo.take_back(dealing=first)


def test_a_dealing_can_be_taken_back_until_somebody_grades(ana: User, running: Study) -> None:
    fresh = builders.make_study("fresh", readers=(ana,), images=9, golden_size=2)
    undo.take_back(dealing=fresh.dealings.get())
    fresh.refresh_from_db()
    assert fresh.dealt_at is None
    assert folds.deal(study=fresh)
    with pytest.raises(folds.DealError, match="has graded"):
        undo.take_back(dealing=running.dealings.get())
    assert all(listed(reader) for reader in running.readers.all())


def test_the_last_reader_does_not_leave(ana: User) -> None:
    study = builders.make_study("alone", readers=(ana,), images=9, golden_size=2)
    with pytest.raises(folds.DealError, match="Add a reader first"):
        joining_and_leaving.leave(reader=study.readers.get(), reason="Gone")
    assert queries.upcoming(study.readers.get()).exists()


def test_who_has_seen_what_is_golden_does_not_join(running: Study, dora: User) -> None:
    AuditEvent.objects.create(study=running, user=dora, action="unblinded", reason="The analysis")
    with pytest.raises(studies.StudyError, match="golden"):
        joining_and_leaving.join(study=running, user=dora)
    assert not running.readers.filter(user=dora).exists()


def test_the_gap_of_a_list_is_a_twentieth_or_twenty() -> None:
    assert [reading_lists.usual_gap(length) for length in (3, 50, 200, 4000)] == [1, 10, 20, 200]


@pytest.mark.parametrize("capacity", [None, 80])
def test_a_reader_who_left_comes_back_to_a_whole_list(running: Study, capacity: int | None) -> None:
    leaver, *others = running.readers.all()
    graded = {one.pk for one in listed(leaver) if one.is_done}
    joining_and_leaving.leave(reader=leaver, reason="On leave until spring")
    had = set(leaver.assignments.values_list("image", flat=True))
    back = joining_and_leaving.admit(study=running, user=leaver.user, capacity=capacity, reason="Spring")
    assert (back.pk, back.code, back.left_at, back.capacity) == (leaver.pk, leaver.code, None, capacity)
    ones = listed(back)
    assert graded <= {one.pk for one in ones}
    assert not {one.image_id for one in ones if one.dealing == changes.latest(running)} & had
    for reader in (back, *others):
        check(reader, spread=9)
    ordinary = Assignment.objects.filter(withdrawn_in=None, image__is_golden=False, is_repeat=False)
    assert sorted(ordinary.values_list("image", flat=True)) == sorted(
        running.images.filter(is_golden=False).values_list("pk", flat=True)
    )
    if capacity is None:
        loads = [queries.upcoming(reader).count() for reader in running.readers.all()]
        assert max(loads) - min(loads) <= REPEATS + 2
    else:
        assert len(ones) <= capacity


def test_a_return_that_is_taken_back_leaves_the_reader_without_images(running: Study) -> None:
    leaver = running.readers.all()[0]
    joining_and_leaving.leave(reader=leaver, reason="On leave until spring")
    before = state(running)
    joining_and_leaving.admit(study=running, user=leaver.user, reason="Spring")
    latest = changes.latest(running)
    assert latest is not None
    undo.take_back(dealing=latest, reason="Not yet")
    leaver.refresh_from_db()
    assert leaver.left_at
    assert not queries.upcoming(leaver).exists()
    assert {code: sorted(images) for code, images in state(running).items()} == {
        code: sorted(images) for code, images in before.items()
    }


def test_a_second_click_does_not_bring_a_reader_back_twice(running: Study) -> None:
    leaver = running.readers.all()[0]
    joining_and_leaving.leave(reader=leaver, reason="On leave until spring")
    first, second = running.readers.get(pk=leaver.pk), running.readers.get(pk=leaver.pk)
    joining_and_leaving.come_back(reader=first)
    before = state(running)
    with pytest.raises(studies.StudyError, match="reads study acne already"):
        joining_and_leaving.come_back(reader=second)
    assert state(running) == before


def test_who_unblinded_since_they_left_does_not_read_again_when_that_is_taken_back(running: Study) -> None:
    leaver = running.readers.all()[0]
    leaving = joining_and_leaving.leave(reader=leaver, reason="To analyse it")
    AuditEvent.objects.create(study=running, user=leaver.user, action="unblinded", reason="The analysis")
    with pytest.raises(DealError, match="has seen which images"):
        undo.take_back(dealing=leaving, reason="They come back")
    leaver.refresh_from_db()
    assert leaver.left_at


def test_who_reads_a_study_already_is_not_added_twice(running: Study) -> None:
    with pytest.raises(studies.StudyError, match="reads study acne already"):
        joining_and_leaving.admit(study=running, user=running.readers.all()[0].user)
