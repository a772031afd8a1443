"""What one request may ask of the database, session and transaction included; a long list costs no more."""

from uuid import uuid4

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from labeler.grading import label_store, queries
from labeler.models import Assignment, Reader, User
from labeler.studies import atlas
from scoring.photograph import decoding
from tests import builders

SESSION_AND_USER = 2
READER_WITH_STUDY = 1
ASSIGNMENT_WITH_READER_AND_STUDY = 1
IMAGE = 1
TRANSACTION = 2  # opening and closing


@pytest.fixture(params=[10, 1000], ids=["short list", "long list"])
def reader(request: pytest.FixtureRequest, ana: User) -> Reader:
    """Return ana, who has graded three images of a list of this length."""
    study = builders.make_study(readers=(ana,), images=request.param, golden_size=3)
    level = study.grade_levels.get(value=3)
    for seed in range(2):
        atlas.add_picture(level=level, pixels=decoding.decode(builders.make_jpeg(seed)))
    reader = builders.reader_of(ana, study)
    for assignment in queries.upcoming(reader)[:3]:
        label_store.record_label(assignment=assignment, version=0, submission=uuid4(), grade=2)
    return reader


@pytest.fixture
def assignment(reader: Reader) -> Assignment:
    return queries.upcoming(reader)[0]


def test_saving_a_grade_and_getting_the_next_image(
    as_ana: Client, assignment: Assignment, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    grade_exists, claim, count, insert, following = 1, 1, 1, 1, 1
    expected = SESSION_AND_USER + ASSIGNMENT_WITH_READER_AND_STUDY + grade_exists
    with django_assert_num_queries(expected + TRANSACTION + claim + count + insert + following):
        answer = as_ana.post(
            f"/read/acne/{assignment.public_id}/label/",
            {"submission": uuid4(), "version": 0, "grade": 4, "after": assignment.public_id},
            headers={"Accept": "application/json"},
        )
    assert answer.json()["upcoming"]


def test_asking_for_the_next_images(
    as_ana: Client, assignment: Assignment, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    following = 1
    with django_assert_num_queries(SESSION_AND_USER + READER_WITH_STUDY + following):
        answer = as_ana.get("/read/acne/queue/", {"after": str(assignment.public_id)})
    assert answer.json()["upcoming"]


def test_opening_the_page(as_ana: Client, reader: Reader, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    progress, following, lately, levels, pictures = 1, 1, 1, 1, 1
    expected = SESSION_AND_USER + READER_WITH_STUDY + progress + following + lately + levels + pictures
    with django_assert_num_queries(expected):
        assert as_ana.get("/read/acne/").status_code == 200


def test_fetching_an_image(
    as_ana: Client, assignment: Assignment, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with (
        django_assert_num_queries(SESSION_AND_USER + IMAGE),
        pytest.raises(FileNotFoundError),  # these rows have no files, and every query comes before the file
    ):
        as_ana.get(f"/read/acne/{assignment.public_id}/image/")
