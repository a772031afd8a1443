"""Folds are even, the golden set is everybody's, and the order is the seed's."""

import pytest

from labeler import folds, golden, studies
from labeler.models import Assignment, Reader, Study, User
from tests import builders


def dealt(readers: tuple[User, ...], *, seed: int = 2019, slug: str = "acne") -> Study:
    study = builders.make_study(slug, readers=readers, images=25)
    Study.objects.filter(pk=study.pk).update(seed=seed)
    study.refresh_from_db()
    golden.draw(study=study, size=5)
    folds.deal(study=study)
    return study


def order(reader: Reader) -> list[str]:
    return list(reader.assignments.order_by("position").values_list("image__source_name", flat=True))


def test_fold_sizes_differ_by_at_most_one(ana: User, ben: User, cleo: User) -> None:
    study = dealt((ana, ben, cleo))
    sizes = [reader.fold_images.count() for reader in study.readers.all()]
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


def test_another_seed_deals_otherwise(ana: User, ben: User) -> None:
    one, other = dealt((ana, ben), slug="one"), dealt((ana, ben), seed=7, slug="other")
    assert order(builders.reader_of(ana, one)) != order(builders.reader_of(ana, other))


def test_a_study_without_golden_set_is_not_dealt(ana: User) -> None:
    study = builders.make_study(readers=(ana,), images=5)
    with pytest.raises(folds.DealError, match="no golden set"):
        folds.deal(study=study)
    assert not Assignment.objects.exists()


def test_a_study_without_readers_is_not_dealt(db: None) -> None:
    study = builders.make_study(images=5)
    golden.draw(study=study, size=2)
    with pytest.raises(folds.DealError, match="no readers"):
        folds.deal(study=study)


def test_a_study_is_dealt_once(study: Study) -> None:
    with pytest.raises(folds.DealError, match="dealt once"):
        folds.deal(study=study)


@pytest.mark.parametrize("size", [0, 5, 6])
def test_a_golden_set_leaves_images_to_train_on(db: None, size: int) -> None:
    study = builders.make_study(images=5)
    with pytest.raises(golden.GoldenError, match="from 1 to 4"):
        golden.draw(study=study, size=size)
    assert not study.images.filter(is_golden=True).exists()


def test_an_empty_study_has_no_golden_set(db: None) -> None:
    with pytest.raises(golden.GoldenError, match="no images yet"):
        golden.draw(study=builders.make_study(), size=3)


def test_the_golden_set_is_drawn_once(study: Study) -> None:
    with pytest.raises(golden.GoldenError, match="drawn once"):
        golden.draw(study=study, size=3)


def test_a_dealt_study_takes_no_more_readers(study: Study, cleo: User) -> None:
    with pytest.raises(studies.StudyError, match="is dealt"):
        studies.add_reader(study=study, user=cleo)
