"""Folds are even, every reader has the golden set, and the order is the secret's."""

import pytest

from labeler.dealing import folds, proof_sheet, reading_lists
from labeler.dealing.folds import Design
from labeler.golden_set import golden_draw
from labeler.models import Assignment, Image, Reader, Study, User
from labeler.studies import studies
from tests import builders


def dealt(readers: tuple[User, ...], *, secret: bytes = builders.SECRET, slug: str = "acne") -> Study:
    study = builders.make_study(slug, readers=readers, images=25)
    Study.objects.filter(pk=study.pk).update(secret=secret)
    study.refresh_from_db()
    golden_draw.draw(study=study, size=5)
    folds.deal(study=study)
    return study


def order(reader: Reader) -> list[str]:
    return list(reader.assignments.order_by("position").values_list("image__source_name", flat=True))


def test_fold_sizes_differ_by_at_most_one(ana: User, ben: User, cleo: User) -> None:
    study = dealt((ana, ben, cleo))
    sizes = [reader.assignments.filter(image__is_golden=False).count() for reader in study.readers.all()]
    assert sorted(sizes) == [6, 7, 7]


def test_each_ordinary_image_has_one_reader_and_each_golden_image_all(ana: User, ben: User, cleo: User) -> None:
    study = dealt((ana, ben, cleo))
    for image in study.images.all():
        assert image.assignments.count() == (3 if image.is_golden else 1)


def test_positions_run_from_one_without_gaps(ana: User, ben: User) -> None:
    study = dealt((ana, ben))
    for reader in study.readers.all():
        positions = list(reader.assignments.order_by("position").values_list("position", flat=True))
        assert positions == list(range(1, len(positions) + 1))


def test_every_reader_meets_the_golden_set_in_another_order(ana: User, ben: User) -> None:
    study = dealt((ana, ben))
    golden_orders = [
        list(reader.assignments.filter(image__is_golden=True).order_by("position").values_list("image", flat=True))
        for reader in study.readers.all()
    ]
    assert sorted(golden_orders[0]) == sorted(golden_orders[1])
    assert golden_orders[0] != golden_orders[1]


def test_another_secret_deals_otherwise(ana: User, ben: User) -> None:
    one, other = dealt((ana, ben), slug="one"), dealt((ana, ben), secret=bytes(32), slug="other")
    assert order(builders.reader_of(ana, one)) != order(builders.reader_of(ana, other))


def test_a_study_without_golden_set_is_not_dealt(ana: User) -> None:
    study = builders.make_study(readers=(ana,), images=5)
    with pytest.raises(folds.DealError, match="no golden set"):
        folds.deal(study=study)
    assert not Assignment.objects.exists()


def test_a_study_without_readers_is_not_dealt(db: None) -> None:
    study = builders.make_study(images=5)
    golden_draw.draw(study=study, size=2)
    with pytest.raises(folds.DealError, match="no readers"):
        folds.deal(study=study)


def test_a_study_is_dealt_once(study: Study) -> None:
    with pytest.raises(folds.DealError, match="dealt once"):
        folds.deal(study=study)


@pytest.mark.parametrize("size", [0, 5, 6])
def test_a_golden_set_leaves_images_to_train_on(db: None, size: int) -> None:
    study = builders.make_study(images=5)
    with pytest.raises(golden_draw.GoldenError, match="from 1 to 4"):
        golden_draw.draw(study=study, size=size)
    assert not study.images.filter(is_golden=True).exists()


def test_an_empty_study_has_no_golden_set(db: None) -> None:
    with pytest.raises(golden_draw.GoldenError, match="no images yet"):
        golden_draw.draw(study=builders.make_study(), size=3)


def test_the_golden_set_is_drawn_once(study: Study) -> None:
    with pytest.raises(golden_draw.GoldenError, match="drawn once"):
        golden_draw.draw(study=study, size=3)


def test_a_dealt_study_takes_no_more_readers(study: Study, cleo: User) -> None:
    with pytest.raises(studies.StudyError, match="is dealt"):
        studies.add_reader(study=study, user=cleo)


def large(readers: tuple[User, ...], *, images: int = 190, golden_size: int = 40) -> Study:
    """Return a study that is drawn and not dealt."""
    study = builders.make_study(readers=readers, images=images)
    golden_draw.draw(study=study, size=golden_size)
    study.refresh_from_db()
    return study


def test_golden_images_and_repeats_are_spread_over_every_list(ana: User, ben: User) -> None:
    study = large((ana, ben))
    for one in proof_sheet.proof(folds.deal(study=study, design=Design(repeats=12))).lists:
        assert one.length == 75 + 40 + 12
        assert one.golden == 40
        assert max(one.golden_thirds) - min(one.golden_thirds) <= 4
        assert max(one.repeat_thirds) - min(one.repeat_thirds) <= 2
        assert one.longest_golden_run <= 4
        assert one.smallest_gap is not None
        assert one.smallest_gap >= reading_lists.usual_gap(one.length)


def test_the_second_reading_comes_after_the_first(ana: User) -> None:
    study = large((ana,))
    folds.deal(study=study, design=Design(repeats=12, gap=30))
    seconds = Assignment.objects.filter(is_repeat=True)
    assert seconds.count() == 12
    for second in seconds:
        first = Assignment.objects.get(image=second.image, is_repeat=False)
        assert second.position is not None
        assert first.position is not None
        assert second.position - first.position >= 30


def test_more_repeats_than_fit_are_refused(ana: User) -> None:
    study = large((ana,), images=20, golden_size=5)
    with pytest.raises(folds.DealError, match="smaller gap"):
        folds.deal(study=study, design=Design(repeats=8, gap=25))
    assert not Assignment.objects.exists()


def test_the_overlap_is_read_by_several_and_the_rest_by_one(ana: User, ben: User, cleo: User) -> None:
    study = large((ana, ben, cleo))
    sheet = proof_sheet.proof(folds.deal(study=study, design=Design(overlap=60, readers_each=2)))
    counts = [image.assignments.count() for image in study.images.filter(is_golden=False)]
    assert (counts.count(1), counts.count(2)) == (90, 60)
    assert {one.ordinary for one in sheet.lists} == {70}
    assert sheet.shared is not None
    assert min(sheet.shared) >= 10


def test_near_duplicates_go_to_different_readers(ana: User, ben: User, cleo: User) -> None:
    study = large((ana, ben, cleo))
    ordinary = list(study.images.filter(is_golden=False).order_by("pk"))
    for start in range(0, 60, 3):
        trio = [image.pk for image in ordinary[start : start + 3]]
        Image.objects.filter(pk__in=trio).update(cluster=trio[0])
    folds.deal(study=study)
    for start in range(0, 60, 3):
        dealt_trio = Assignment.objects.filter(image__in=ordinary[start : start + 3])
        assert len(set(dealt_trio.values_list("reader", flat=True))) == 3


def test_of_more_near_duplicates_than_readers_some_stay_out(ana: User, ben: User) -> None:
    study = large((ana, ben))
    alike = list(study.images.filter(is_golden=False).values_list("pk", flat=True)[:5])
    Image.objects.filter(pk__in=alike).update(cluster=alike[0])
    sheet = proof_sheet.proof(folds.deal(study=study))
    assert sheet.left == 3
    sizes = [one.ordinary for one in sheet.lists]
    assert max(sizes) - min(sizes) <= 1
    assert Assignment.objects.filter(image__in=alike).count() == 2


def test_a_near_duplicate_of_a_golden_image_is_nobodys(ana: User) -> None:
    study = large((ana,))
    alike = [study.images.filter(is_golden=flag).first() for flag in (True, False)]
    Image.objects.filter(pk__in=[image.pk for image in alike if image]).update(cluster=1)
    assert proof_sheet.proof(folds.deal(study=study)).sidelined == 1
    assert Assignment.objects.count() == 189


def test_every_reader_gets_as_many_of_each_kind(ana: User, ben: User, cleo: User) -> None:
    study = large((ana, ben, cleo))
    for number, image in enumerate(study.images.order_by("pk")):
        image.metadata = {"skin": f"type {1 + number % 4}"}
        image.save(update_fields=["metadata"])
    sheet = proof_sheet.proof(folds.deal(study=study, design=Design(by="skin")))
    assert [stratum.name for stratum in sheet.strata] == ["type 1", "type 2", "type 3", "type 4"]
    assert all(stratum.most - stratum.fewest <= 2 for stratum in sheet.strata)


def test_a_reader_gets_no_more_than_they_can_take(ana: User, ben: User) -> None:
    study = large((ana, ben))
    study.readers.filter(user=ana).update(capacity=60)
    sizes = {one.reader.user: len(one.images) for one in folds.deal(study=study).lists}
    assert sizes == {ana: 60, ben: 170}


@pytest.mark.parametrize(("capacity", "sentence"), [(100, "room for"), (30, "Raise the capacity")])
def test_too_little_capacity_is_said(ana: User, capacity: int, sentence: str) -> None:
    study = large((ana,))
    study.readers.update(capacity=capacity)
    with pytest.raises(folds.DealError, match=sentence):
        folds.deal(study=study)


def test_only_the_plan_that_was_seen_is_dealt(ana: User) -> None:
    study = large((ana,))
    seen = folds.plan(study)
    builders.make_images(study, 1)
    with pytest.raises(folds.DealError, match="have changed since"):
        folds.deal(study=study, digest=seen.digest)
    assert not Assignment.objects.exists()
    assert folds.deal(study=study, digest=folds.plan(study).digest)
