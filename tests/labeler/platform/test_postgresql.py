"""A connection to the database is asked whether it is well, but not at every request."""

from collections.abc import Iterator

import pytest
from django.db import OperationalError, connection

from labeler.platform.postgresql.base import FRESH, DatabaseWrapper

pytestmark = pytest.mark.django_db


@pytest.fixture
def ours() -> Iterator[DatabaseWrapper]:
    """Give a connection of our own that has answered a request."""
    wrapper = connection.copy()
    assert isinstance(wrapper, DatabaseWrapper)
    request(wrapper)
    yield wrapper
    wrapper.close()


def request(wrapper: DatabaseWrapper) -> int:
    """Do what a request does with a connection; return the server's process that answered."""
    wrapper.close_if_unusable_or_obsolete()
    with wrapper.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (process,) = cursor.fetchone()
    return int(process)


def end(process: int) -> None:
    """End one of the server's processes, and wait until it is gone."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [process])
        assert cursor.fetchone() == (True,)


def test_one_that_broke_while_nobody_asked_is_replaced_unseen(ours: DatabaseWrapper) -> None:
    process = request(ours)
    end(process)
    ours.well_at -= FRESH  # a second goes by
    assert request(ours) != process


def test_one_that_broke_a_moment_ago_costs_one_request(ours: DatabaseWrapper) -> None:
    process = request(ours)
    end(process)
    with pytest.raises(OperationalError):
        request(ours)
    assert request(ours) != process


def test_one_that_is_well_is_kept(ours: DatabaseWrapper) -> None:
    process = request(ours)
    ours.well_at -= FRESH
    assert request(ours) == process
