"""A label that arrives within milliseconds of an end is stored before it or refused after it, and nothing between."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from django.db import connection, transaction

from labeler.dealing import changes, joining_and_leaving
from labeler.grading import label_store, queries, refusals
from labeler.models import Assignment, Label, Reader, Study
from labeler.studies import closing

PATIENCE = 30  # seconds
WAITS_FOR_US = (
    "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))"
)

Work = Callable[[], object]


@pytest.fixture
def study(transactional_db: None, study: Study) -> Study:
    return study


class Apart(threading.Thread):
    """Work on a connection of its own, which remembers what it raised."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        self.work = work
        self.raised: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self.work()
        except refusals.RefusedError as error:
            self.raised = error
        finally:
            connection.close()

    def await_lock(self) -> None:
        """Wait until the work waits for our transaction."""
        deadline = time.monotonic() + PATIENCE
        with connection.cursor() as cursor:
            while time.monotonic() < deadline:
                cursor.execute(WAITS_FOR_US)
                if cursor.fetchone() == (True,):
                    return
                assert self.is_alive(), "It did not wait."
        raise AssertionError("It never waited.")

    def finish(self) -> None:
        self.join(PATIENCE)
        assert not self.is_alive()


@contextmanager
def meanwhile(first: Work, second: Work) -> Iterator[Apart]:
    """Do `first` in a transaction that is still open when `second` comes on another connection, and then is not."""
    with transaction.atomic():
        first()
        late = Apart(second)
        late.await_lock()
    late.finish()
    yield late


def load(reader: Reader, act: str) -> tuple[Assignment, int | None]:
    """Return an assignment as a request loads it, and the label that comes: the first, another, an undo."""
    pk = queries.upcoming(reader)[0].pk
    if act != "first":
        label_store.record_label(assignment=Assignment.objects.get(pk=pk), version=0, submission=uuid4(), grade=2)
    assignment = Assignment.objects.select_related("reader__study", "image").get(pk=pk)
    return assignment, None if act == "undo" else 3


ENDS: dict[str, Callable[[Reader], object]] = {
    "closed": lambda reader: closing.close(study=reader.study, reason="It is enough"),
    "left": lambda reader: joining_and_leaving.leave(reader=reader, reason="On leave"),
}
ACTS = ("first", "another", "undo")


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("end", ENDS)
def test_a_label_that_comes_while_it_ends_is_refused(reader: Reader, end: str, act: str) -> None:
    assignment, grade = load(reader, act)
    before, done = Label.objects.count(), Reader.objects.get(pk=reader.pk).done

    def send() -> None:
        label_store.record_label(assignment=assignment, version=assignment.version, submission=uuid4(), grade=grade)

    with meanwhile(lambda: ENDS[end](reader), send) as late:
        assert isinstance(late.raised, refusals.GoneError)
        assert late.raised.name == end
    after = Assignment.objects.get(pk=assignment.pk)
    assert (after.version, after.is_done) == (assignment.version, assignment.is_done)
    assert (Label.objects.count(), Reader.objects.get(pk=reader.pk).done) == (before, done)


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("end", ENDS)
def test_an_end_that_comes_while_a_label_is_stored_waits_for_it(reader: Reader, end: str, act: str) -> None:
    assignment, grade = load(reader, act)
    submission = uuid4()

    def send() -> None:
        label_store.record_label(assignment=assignment, version=assignment.version, submission=submission, grade=grade)

    with meanwhile(send, lambda: ENDS[end](reader)) as late:
        assert late.raised is None
    stored, now = Label.objects.get(submission=submission), Reader.objects.select_related("study").get(pk=reader.pk)
    ended_at = now.study.closed_at if end == "closed" else now.left_at
    assert ended_at is not None
    assert stored.labeled_at < ended_at
    assert now.done == now.assignments.filter(is_done=True).count()


def test_other_work_on_a_study_holds_no_label_up(reader: Reader, study: Study) -> None:
    assignment, grade = load(reader, "another")
    with transaction.atomic():
        changes.lock_running(study)
        late = Apart(
            lambda: label_store.record_label(assignment=assignment, version=1, submission=uuid4(), grade=grade)
        )
        late.finish()
    assert Label.objects.filter(grade=3).exists()
