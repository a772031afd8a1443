"""A clever reader looks for what tells golden images from ordinary ones, in all that a list's addresses answer."""

from typing import Any
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client

from labeler.dealing import joining_and_leaving, new_images, remaining_lists, undo
from labeler.grading import label_store, queries, window
from labeler.models import Assignment, Reader, Study, User
from tests import builders

SCRIPT = {"Accept": "application/json"}

Told = tuple[int, str]  # the status, and what is said


@pytest.fixture
def study(ana: User, ben: User, dora: User) -> Study:
    study = builders.make_study(readers=(ana, ben, dora), images=60, golden_size=24)
    default_storage.save("shown-full", ContentFile(b"a picture"))
    study.images.update(rendition="shown")
    return study


def ask(client: Client, known: object) -> list[Told]:
    """Return what every address says of a public id, without what a person sent with it."""
    act: dict[str, Any] = {"version": 7, "grade": 3, "submission": uuid4()}
    answers: list[Any] = [
        client.get(f"/read/acne/{known}/image/", headers=SCRIPT),
        client.post(f"/read/acne/{known}/label/", act, headers=SCRIPT),
        client.post(f"/read/acne/{known}/undo/", act, headers=SCRIPT),
        client.post(f"/read/acne/{known}/label/", act),
    ]
    told = []
    for answer in answers:
        text = "" if answer.streaming else answer.content.decode().replace(str(act["submission"]), "")
        told.append((answer.status_code, text if "application/json" in answer.headers["Content-Type"] else ""))
        if answer.streaming:
            b"".join(answer)
    return told


def come_back(reader: Reader) -> None:
    joining_and_leaving.leave(reader=reader, reason="On leave")
    joining_and_leaving.admit(study=reader.study, user=reader.user)


def come_back_twice(reader: Reader) -> None:
    come_back(reader)
    come_back(Reader.objects.get(pk=reader.pk))


def take_back(reader: Reader) -> None:
    leaving = joining_and_leaving.leave(reader=reader, reason="On leave")
    undo.take_back(dealing=leaving, reason="She stays.")


def get_more(reader: Reader) -> None:
    builders.make_images(reader.study, 12)
    new_images.add_images(study=Study.objects.get(pk=reader.study_id))


def reorder(reader: Reader) -> None:
    remaining_lists.reorder(study=reader.study)


CHANGES = [come_back, come_back_twice, take_back, get_more, reorder]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("graded", [0, 5])
def test_what_a_reader_knew_before_a_change_is_answered_alike_after_it(
    as_ana: Client, reader: Reader, change: Any, graded: int
) -> None:
    """All ids of the list, as if the reader had found them out: the answer may not depend on the image's kind."""
    for one in list(queries.upcoming(reader))[:graded]:
        label_store.record_label(assignment=one, version=0, submission=uuid4(), grade=3)
    ahead = list(queries.upcoming(reader)[: window.WINDOW])
    rest = list(queries.upcoming(reader)[remaining_lists.STAYS :])
    change(reader)
    for known in (ahead, rest):
        answers: dict[bool, set[str]] = {True: set(), False: set()}
        for one in known:
            answers[one.image.is_golden].add(repr(ask(as_ana, one.public_id)))
        assert answers[True] == answers[False], change.__name__
        assert len(answers[True]) == 1


def test_another_readers_image_is_answered_as_none_at_all(as_ana: Client, reader: Reader) -> None:
    others = Assignment.objects.exclude(reader=reader)
    told = {repr(ask(as_ana, one.public_id)) for one in others[:40]} | {repr(ask(as_ana, uuid4()))}
    assert len(told) == 1


def test_a_grade_for_an_image_that_came_back_under_another_name_is_refused_with_words(
    as_ana: Client, reader: Reader
) -> None:
    """Given without a network before the reader left, it would wait for ever for an answer that settles it."""
    known = queries.upcoming(reader)[0].public_id
    come_back(reader)
    act = {"version": 0, "grade": 3, "submission": str(uuid4())}
    answer = as_ana.post(f"/read/acne/{known}/label/", act, headers=SCRIPT)
    assert (answer.status_code, answer.json()["refused"]) == (410, "withdrawn")
    assert answer.json()["submission"] == act["submission"]
    assert answer.json()["reader"] == "acne R01"
