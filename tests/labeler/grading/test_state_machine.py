"""Readers grade, take back, look back, leave and return while the study changes: always what the model says."""

import json
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.db.models import OuterRef, Subquery
from django.test import Client
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from labeler.dealing import joining_and_leaving, new_images
from labeler.grading import consensus, window
from labeler.images import consents
from labeler.models import Assignment, Image, Label, Reader, Study, User
from labeler.studies import closing, progress
from tests import builders
from tests.labeler.grading.model import STORED, Act, Book

STATUS = {STORED: 200, "outdated": 409, "reused": 422, "closed": 410, "left": 410, "withdrawn": 410, "no_consent": 410}
READERS = st.sampled_from(["ana", "ben"])
GRADES = st.integers(1, 5)
PLACES = st.integers(0, 10**6)  # of a list, taken modulo its length


class Grading(RuleBasedStateMachine):
    """Two readers of a study of 14 images, before the model and before the site."""

    def __init__(self) -> None:
        super().__init__()
        self.all = transaction.atomic()
        self.all.__enter__()
        self.study = Study.objects.get()
        self.readers = {one.user.username: one for one in self.study.readers.select_related("user")}
        self.clients = {name: builders.sign_in(Client(), reader.user) for name, reader in self.readers.items()}
        self.books = {name: Book() for name in self.readers}
        self.sent: list[tuple[str, Act]] = []
        self.left: set[str] = set()
        self.shut: set[int] = set()  # images without consent
        self.is_closed = False

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.all.__exit__(None, None, None)

    # What there is

    def assignments(self, name: str, **which: Any) -> list[Assignment]:
        return list(self.readers[name].assignments.filter(**which).select_related("image").order_by("position", "pk"))

    def waiting(self, name: str) -> list[Assignment]:
        done = set(self.books[name].done)
        ones = self.assignments(name, withdrawn_in=None)
        return [one for one in ones if str(one.public_id) not in done and one.image_id not in self.shut]

    def graded(self, name: str) -> list[Assignment]:
        done = set(self.books[name].done)
        return [one for one in self.assignments(name) if str(one.public_id) in done and one.image_id not in self.shut]

    def barred(self, name: str, assignment: Assignment) -> str:
        if self.is_closed or name in self.left:
            return "closed" if self.is_closed else "left"
        assignment.refresh_from_db()
        if assignment.withdrawn_in_id:
            return "withdrawn"
        return "no_consent" if assignment.image_id in self.shut else ""

    # What readers do

    def send(self, name: str, act: Act) -> None:
        """Send an act, hold the answer against the model."""
        assignment = Assignment.objects.get(public_id=act.assignment)
        fields = {"submission": act.submission, "version": act.version}
        if not act.is_undo:
            fields |= {"grade": act.grade or "", "not_gradable": act.not_gradable, "note": act.note}
        address = f"/read/acne/{act.assignment}/{'undo' if act.is_undo else 'label'}/"
        answer = self.clients[name].post(address, fields, headers={"Accept": "application/json"})
        said = json.loads(answer.content)
        meant = self.books[name].take(act, barred=self.barred(name, assignment))
        assert (said.get("refused", STORED), answer.status_code) == (meant, STATUS[meant]), said
        assert said["submission"] == act.submission
        assert bool(said.get("error")) == (meant != STORED)
        self.sent.append((name, act))

    def act(self, assignment: Assignment, *, version: int | None = None, **label: Any) -> Act:
        name = next(name for name, one in self.readers.items() if one.pk == assignment.reader_id)
        known = self.books[name].version(str(assignment.public_id)) if version is None else version
        return Act(str(uuid4()), str(assignment.public_id), known, **label)

    @rule(name=READERS, grade=GRADES)
    def grade(self, name: str, grade: int) -> None:
        for assignment in self.waiting(name)[:1]:
            self.send(name, self.act(assignment, grade=grade))

    @rule(name=READERS)
    def call_not_gradable(self, name: str) -> None:
        for assignment in self.waiting(name)[:1]:
            self.send(name, self.act(assignment, not_gradable="blurred", note="It moved."))

    @rule(name=READERS, place=PLACES)
    def undo(self, name: str, place: int) -> None:
        if graded := self.graded(name):
            self.send(name, self.act(graded[place % len(graded)]))

    @rule(name=READERS, place=PLACES, grade=GRADES)
    def regrade(self, name: str, place: int, grade: int) -> None:
        if graded := self.graded(name):
            self.send(name, self.act(graded[place % len(graded)], grade=grade, note="On second thoughts."))

    @rule(name=READERS, place=PLACES, grade=GRADES, behind=st.integers(-1, 1))
    def grade_anything_from_an_old_page(self, name: str, place: int, grade: int, behind: int) -> None:
        """Send a label for an assignment that the reader ever had, whatever became of it."""
        ever = self.assignments(name)
        assignment = ever[place % len(ever)]
        version = max(0, self.books[name].version(str(assignment.public_id)) + behind)
        self.send(name, self.act(assignment, version=version, grade=grade))

    @precondition(lambda self: self.sent)
    @rule(place=PLACES, other=st.booleans())
    def send_again_as_its_answer_was_lost(self, place: int, other: bool) -> None:
        """Send an act once more, or under its id another one."""
        name, act = self.sent[place % len(self.sent)]
        if other and not act.is_undo:
            act = Act(act.submission, act.assignment, act.version, grade=(act.grade or 0) % 5 + 1)
        self.send(name, act)

    @rule(name=READERS)
    def look_back(self, name: str) -> None:
        answer = self.clients[name].get("/read/acne/graded/")
        if self.is_closed or name in self.left:
            assert answer.status_code == 410
            return
        out = [one for one in self.assignments(name, withdrawn_in=None) if self.is_left_out(name, one)]
        for assignment in self.graded(name)[-window.BURST :]:
            number = (assignment.position or 0) - sum((one.position or 0) < (assignment.position or 0) for one in out)
            assert f"Image {number} of ".encode() in answer.content
            assert f'"/read/acne/{assignment.public_id}/label/"'.encode() in answer.content

    def is_left_out(self, name: str, one: Assignment) -> bool:
        return one.image_id in self.shut and str(one.public_id) not in self.books[name].done

    @rule(name=READERS, place=PLACES)
    def look_at_an_image(self, name: str, place: int) -> None:
        ever = self.assignments(name)
        assignment = ever[place % len(ever)]
        answer = self.clients[name].get(f"/read/acne/{assignment.public_id}/image/")
        barred = self.barred(name, assignment)
        near = [one.pk for one in [*self.graded(name), *self.waiting(name)[: window.WINDOW]]]
        assert answer.status_code == (STATUS[barred] if barred else 200 if assignment.pk in near else 404)
        if answer.status_code == 200:
            assert b"".join(answer).startswith(b"a picture")
        else:
            assert answer.json()["refused"] == (barred or "ahead")

    # What becomes of the study

    @precondition(lambda self: not (self.is_closed or self.left))
    @rule(name=READERS)
    def leave(self, name: str) -> None:
        joining_and_leaving.leave(reader=Reader.objects.get(pk=self.readers[name].pk), reason="Leaves")
        self.left.add(name)

    @precondition(lambda self: self.left and not self.is_closed)
    @rule()
    def come_back(self) -> None:
        name = self.left.pop()
        back = joining_and_leaving.admit(study=Study.objects.get(), user=self.readers[name].user)
        assert back.pk == self.readers[name].pk

    @precondition(lambda self: not self.is_closed)
    @rule(number=st.integers(1, 3))
    def deal_more_images(self, number: int) -> None:
        for image in builders.make_images(self.study, number):
            Image.objects.filter(pk=image.pk).update(subject=f"P{image.pk}", rendition="shown")
        new_images.add_images(study=self.study)

    @rule(place=PLACES, agrees=st.booleans())
    def say_whether_one_consents(self, place: int, agrees: bool) -> None:
        images = list(self.study.images.order_by("pk"))
        image = images[place % len(images)]
        consents.record(study=self.study, subject=image.subject, scopes=["grading"] if agrees else [], by=None)
        (self.shut.discard if agrees else self.shut.add)(image.pk)

    @precondition(lambda self: not self.is_closed and len(self.sent) > 8)
    @rule()
    def close(self) -> None:
        closing.close(study=self.study, reason="It is enough")
        self.is_closed = True

    # What always holds

    @invariant()
    def labels_are_what_the_model_has(self) -> None:
        current = Label.objects.filter(assignment=OuterRef("pk"), version=OuterRef("version")).values("grade")
        for name, reader in self.readers.items():
            rows = reader.assignments.annotate(grade=Subquery(current)).exclude(version=0)
            there = [(str(one.public_id), one.version, one.grade, one.is_done) for one in rows]
            book = self.books[name]
            assert not book.differs(there)
            assert Label.objects.filter(assignment__reader=reader).count() == len(book.kept)
            assert progress.reader_progress(reader).done == len(book.done)
        current_grades = consensus.current_labels(self.study).count()
        assert current_grades == sum(len(book.done) for book in self.books.values())

    @invariant()
    def pages_tell_the_next_few_images_and_how_many_are_done(self) -> None:
        for name, client in self.clients.items():
            answer = client.get("/read/acne/queue/")
            told = answer.json()
            if self.is_closed or name in self.left:
                assert (answer.status_code, told["refused"]) == (410, "closed" if self.is_closed else "left")
                continue
            assert [card["id"] for card in told["upcoming"]] == [
                str(one.public_id) for one in self.waiting(name)[: window.WINDOW]
            ]
            assert told["progress"]["done"] == len(self.books[name].done)

    @invariant()
    def the_database_holds_together(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")


@pytest.mark.timeout(300)
def test_whatever_happens_labels_are_what_the_model_says(ana: User, ben: User) -> None:
    study = builders.make_study(readers=(ana, ben), images=18, golden_size=3)
    default_storage.save("shown-full", ContentFile(b"a picture"))
    for image in study.images.all():
        Image.objects.filter(pk=image.pk).update(subject=f"P{image.pk}", rendition="shown")
    run_state_machine_as_test(
        Grading,
        settings=settings(
            max_examples=20,
            stateful_step_count=20,
            phases=[Phase.generate],  # the way that failed is short enough to read; a shorter one takes minutes to find
            suppress_health_check=list(HealthCheck),
        ),
    )
