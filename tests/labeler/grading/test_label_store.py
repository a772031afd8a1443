"""A grade is stored exactly once, as a new row, and never changed."""

from uuid import uuid4

import pytest
from django.db import DatabaseError, transaction

from labeler.grading import consensus, label_store, queries, refusals
from labeler.models import Assignment, Label, Reader, Study
from labeler.studies import progress


def first(reader: Reader) -> Assignment:
    assignment = queries.next_assignment(reader)
    assert assignment is not None
    return assignment


def give(assignment: Assignment, grade: int) -> Label:
    return label_store.record_label(assignment=assignment, version=assignment.version, submission=uuid4(), grade=grade)


def test_a_grade_moves_the_reader_on(reader: Reader) -> None:
    assignment = first(reader)
    give(assignment, 3)
    assert first(reader).position == (assignment.position or 0) + 1


def test_the_same_submission_again_changes_nothing(reader: Reader) -> None:
    assignment, submission = first(reader), uuid4()
    once = label_store.record_label(assignment=assignment, version=0, submission=submission, grade=3)
    twice = label_store.record_label(assignment=assignment, version=0, submission=submission, grade=3)
    assert once == twice
    assert Label.objects.count() == 1


def test_a_submission_id_with_another_grade_is_refused(reader: Reader) -> None:
    assignment, submission = first(reader), uuid4()
    label_store.record_label(assignment=assignment, version=0, submission=submission, grade=3)
    with pytest.raises(refusals.ReusedSubmissionError):
        label_store.record_label(assignment=assignment, version=0, submission=submission, grade=4)
    assert Label.objects.get().grade == 3


def test_a_submission_id_used_for_another_image_is_refused(reader: Reader) -> None:
    submission = uuid4()
    label_store.record_label(assignment=first(reader), version=0, submission=submission, grade=3)
    second = first(reader)
    with pytest.raises(refusals.ReusedSubmissionError):
        label_store.record_label(assignment=second, version=0, submission=submission, grade=3)
    second.refresh_from_db()
    assert not second.is_done
    assert second.version == 0


def test_a_second_window_with_an_old_page_is_told(reader: Reader) -> None:
    assignment = first(reader)
    label_store.record_label(assignment=assignment, version=0, submission=uuid4(), grade=3)
    with pytest.raises(refusals.OutdatedVersionError):
        label_store.record_label(assignment=assignment, version=0, submission=uuid4(), grade=5)
    assert Label.objects.get().grade == 3


def test_undo_adds_a_row_and_shows_the_image_again(reader: Reader, study: Study) -> None:
    assignment = first(reader)
    give(assignment, 3)
    label_store.undo(assignment=assignment, version=1, submission=uuid4())
    assert first(reader) == assignment
    assert [label.is_undo for label in Label.objects.all()] == [False, True]
    assert not consensus.current_labels(study).exists()


def test_the_latest_label_is_current(reader: Reader, study: Study) -> None:
    assignment = first(reader)
    give(assignment, 3)
    label_store.undo(assignment=assignment, version=1, submission=uuid4())
    assignment.refresh_from_db()
    give(assignment, 4)
    assert [label.grade for label in consensus.current_labels(study)] == [4]
    assert Label.objects.count() == 3


@pytest.mark.parametrize("change", [lambda labels: labels.update(grade=5), lambda labels: labels.delete()])
def test_the_database_refuses_to_change_history(reader: Reader, change: object) -> None:
    give(first(reader), 3)
    with pytest.raises(DatabaseError, match="only ever added"), transaction.atomic():
        change(Label.objects.all())  # type: ignore[operator]
    assert Label.objects.get().grade == 3


def test_consensus_is_the_mean_of_current_golden_grades(study: Study) -> None:
    image = study.images.filter(is_golden=True)[0]
    for assignment, grade in zip(image.assignments.order_by("reader"), (2, 5), strict=True):
        give(assignment, grade)
    assert list(consensus.golden_consensus(study)) == [(image.content_hash, 3.5, 2)]


def test_the_reader_counts_what_is_done(reader: Reader) -> None:
    one, two = list(queries.upcoming(reader))[:2]
    for assignment, act in ((one, {"grade": 3}), (two, {"not_gradable": "blurred"})):
        label_store.record_label(assignment=assignment, version=0, submission=uuid4(), **act)
    assert progress.reader_progress(reader).done == 2
    label_store.record_label(assignment=one, version=1, submission=uuid4(), grade=4)
    assert progress.reader_progress(reader).done == 2
    submission = uuid4()
    for _ in range(2):
        label_store.undo(assignment=two, version=1, submission=submission)
    assert progress.reader_progress(reader) == progress.Progress(done=1, total=6)
    assert reader.assignments.filter(is_done=True).count() == 1
