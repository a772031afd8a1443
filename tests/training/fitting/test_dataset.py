"""Which subjects' images are learned from and which are judged on, and that no subject's are both."""

import pytest
from pytest_django import DjangoAssertNumQueries

from labeler.models import Assignment, Image, Label, NotGradable, Study
from tests.training.builders import assignments_of, give_grade, grade_everything
from training.fitting import dataset


@pytest.fixture
def graded(study: Study) -> Study:
    grade_everything(study)
    return study


def hashes(images: tuple[dataset.OrdinaryImage, ...] | tuple[dataset.GoldenImage, ...]) -> set[str]:
    return {image.content_hash for image in images}


def stored_hashes(study: Study, *, is_golden: bool) -> set[str]:
    return set(study.images.filter(is_golden=is_golden).values_list("content_hash", flat=True))


def test_golden_and_ordinary_images_are_of_two_types(graded: Study) -> None:
    images = dataset.load_graded_images(graded)
    assert {type(image) for image in images.ordinary} == {dataset.OrdinaryImage}
    assert {type(image) for image in images.golden} == {dataset.GoldenImage}
    assert hashes(images.ordinary) == stored_hashes(graded, is_golden=False)
    assert hashes(images.golden) == stored_hashes(graded, is_golden=True)


def test_a_golden_image_has_the_grades_of_all(graded: Study) -> None:
    image = graded.images.filter(is_golden=True).earliest("pk")
    for assignment, grade in zip(assignments_of(image), (2, 5), strict=True):
        give_grade(assignment, grade)
    loaded = next(one for one in dataset.load_graded_images(graded).golden if one.content_hash == image.content_hash)
    assert loaded.grades == {"R01": 2, "R02": 5}


def test_an_image_without_a_current_grade_is_left_out(graded: Study) -> None:
    not_gradable, taken_back, *_ = Assignment.objects.filter(image__is_golden=False).order_by("pk")
    give_grade(not_gradable, not_gradable=NotGradable.BLURRED)
    give_grade(taken_back)
    gone = {not_gradable.image.content_hash, taken_back.image.content_hash}
    assert hashes(dataset.load_graded_images(graded).ordinary) == stored_hashes(graded, is_golden=False) - gone


def test_a_person_in_the_golden_set_is_not_learned_from(graded: Study) -> None:
    golden = graded.images.filter(is_golden=True).earliest("pk")
    ordinary = graded.images.filter(is_golden=False).earliest("pk")
    Image.objects.filter(pk__in=[golden.pk, ordinary.pk]).update(subject="P7")
    images = dataset.load_graded_images(graded)
    assert ordinary.content_hash not in hashes(images.ordinary)
    assert golden.content_hash in hashes(images.golden)
    assert images.left_out == (ordinary.content_hash,)


def tie(*images: Image, **ties: object) -> None:
    Image.objects.filter(pk__in=[image.pk for image in images]).update(**ties)


def test_a_near_duplicate_of_a_golden_image_is_not_learned_from(graded: Study) -> None:
    golden = graded.images.filter(is_golden=True).earliest("pk")
    ordinary = graded.images.filter(is_golden=False).earliest("pk")
    tie(golden, ordinary, cluster=min(golden.pk, ordinary.pk))
    images = dataset.load_graded_images(graded)
    assert images.left_out == (ordinary.content_hash,)
    assert ordinary.content_hash not in hashes(images.ordinary)


def test_a_duplicate_of_a_photograph_of_a_golden_person_is_not_learned_from(graded: Study) -> None:
    golden = graded.images.filter(is_golden=True).earliest("pk")
    same_person, its_duplicate, *_ = graded.images.filter(is_golden=False)
    tie(golden, same_person, subject="P7")
    tie(same_person, its_duplicate, cluster=same_person.pk)
    left_out = {same_person.content_hash, its_duplicate.content_hash}
    assert set(dataset.load_graded_images(graded).left_out) == left_out


def test_images_tied_by_person_or_photograph_are_one_group(graded: Study) -> None:
    one, two, three, *others = graded.images.filter(is_golden=False)
    tie(one, two, subject="P7")
    tie(two, three, cluster=two.pk)
    groups = {image.content_hash: image.group for image in dataset.load_graded_images(graded).ordinary}
    assert len({groups[image.content_hash] for image in (one, two, three)}) == 1
    assert len(set(groups.values())) == 1 + len(others)


def test_the_snapshot_follows_the_grades(graded: Study) -> None:
    before = dataset.load_graded_images(graded).snapshot
    assignment = Assignment.objects.filter(image__is_golden=False).earliest("pk")
    grade = assignment.labels.latest("version").grade
    assert grade is not None
    give_grade(assignment, 1 + grade % 5)
    assert dataset.load_graded_images(graded).snapshot != before
    give_grade(assignment, grade)
    assert dataset.load_graded_images(graded).snapshot == before


def test_what_was_read_ends_with_the_newest_label_even_if_that_takes_one_back(graded: Study) -> None:
    before = dataset.load_graded_images(graded)
    give_grade(Assignment.objects.filter(reader__study=graded).earliest("pk"))
    after = dataset.load_graded_images(graded)
    assert after.labels_until == before.labels_until + 1 == Label.objects.latest("pk").pk


def test_loading_takes_few_queries_however_many_images(
    graded: Study, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_max_num_queries(2):
        dataset.load_graded_images(graded)
