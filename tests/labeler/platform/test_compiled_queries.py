"""A query that is composed once answers what Django's own does, whatever it is asked for."""

from uuid import uuid4

import pytest
from pytest_django import DjangoAssertNumQueries

from labeler.grading import label_store, queries
from labeler.models import Assignment, Reader, Study, User
from labeler.platform.compiled_queries import CompiledQuery
from tests import builders


@pytest.fixture
def query() -> CompiledQuery[Assignment]:
    return CompiledQuery(
        lambda reader, least: (
            Assignment.objects.filter(reader=reader, position__gte=least, is_repeat=False)
            .select_related("reader__study")
            .only("position", "reader__code", "reader__study__slug")
            .order_by("-position")
        ),
        reader=1,
        least=2,
    )


@pytest.fixture
def readers(ana: User, ben: User) -> list[Reader]:
    study = builders.make_study(readers=(ana, ben), images=12, golden_size=4)
    return [builders.reader_of(user, study) for user in (ana, ben)]


def test_it_is_asked_for_other_values_each_time(query: CompiledQuery[Assignment], readers: list[Reader]) -> None:
    for reader in readers:
        for least in (1, 3, 1000):
            of_django = reader.assignments.filter(position__gte=least, is_repeat=False).order_by("-position")
            assert query.all(reader=reader.pk, least=least) == list(of_django)
            assert query.first(reader=reader.pk, least=least) == of_django.first()


def test_what_it_is_joined_with_is_there_and_the_rest_is_read_when_needed(
    query: CompiledQuery[Assignment], readers: list[Reader], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(1):
        assignment = query.first(reader=readers[1].pk, least=1)
        assert assignment is not None
        assert (assignment.reader.code, assignment.reader.study.slug) == (readers[1].code, "acne")
    assert assignment.public_id == Assignment.objects.get(pk=assignment.pk).public_id
    assert assignment.reader.user == readers[1].user


def test_a_value_that_the_query_does_not_use_is_a_mistake(db: None) -> None:
    unused = CompiledQuery(lambda slug, **_: Study.objects.filter(slug=slug), slug="a", title="b")
    with pytest.raises(TypeError, match="compares nothing with title"):
        unused.first(slug="acne", title="Acne")


def test_the_next_ones_are_the_first_of_those_upcoming(readers: list[Reader]) -> None:
    for reader in readers:
        label_store.record_label(assignment=list(queries.upcoming(reader))[2], version=0, submission=uuid4(), grade=3)
        upcoming = list(queries.upcoming(reader))
        for count in (1, 3, 1000):
            assert queries.next_ones(reader.pk, count=count) == upcoming[:count]
