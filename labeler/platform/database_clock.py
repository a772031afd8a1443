"""The database's clock, shared by all processes whatever their machines' clocks say."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import connection, transaction


def now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment


@contextmanager
def one_moment() -> Iterator[None]:
    """Let all queries see the database as the first one does, and write nothing."""
    is_outermost = not connection.in_atomic_block  # an outer transaction has chosen for itself
    with transaction.atomic():
        if is_outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield
