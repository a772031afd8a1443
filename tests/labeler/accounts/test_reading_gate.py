"""A person's place in a study: every address of a reading list asks one gate, whatever has become of the person."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone

from labeler.accounts import access, unblinding
from labeler.grading import label_store, queries
from labeler.models import Assignment, AtlasPicture, AuditEvent, Label, Reader, Role, Study, User
from labeler.record import audit
from tests import builders

PAGES = ("page", "look back", "atlas", "report")  # the others are asked by the page's script
SCRIPT = {"Accept": "application/json"}
ACCEPT, SIGN_IN = "/read/acne/accept/", "/accounts/login/"

Answers = dict[str, Any]


@pytest.fixture
def study(study: Study) -> Study:
    default_storage.save("shown-full", ContentFile(b"a picture"))
    study.images.update(rendition="shown")
    AtlasPicture.objects.create(level=study.grade_levels.all()[0], file="shown-full")
    return study


def ask_everything(client: Client, one: Assignment) -> Answers:
    """Ask every address of a list, about an image that is still to grade there, or was."""
    picture = AtlasPicture.objects.get()
    before = Label.objects.count()
    addresses = {
        "page": "/read/acne/",
        "look back": "/read/acne/graded/",
        "atlas": f"/read/acne/atlas/{picture.pk}/",
        "report": "/read/acne/report/",
        "queue": "/read/acne/queue/",
        "image": f"/read/acne/{one.public_id}/image/",
    }
    answers: Answers = {
        name: client.get(address, headers=None if name in PAGES else SCRIPT) for name, address in addresses.items()
    }
    label = {"submission": uuid4(), "version": one.version, "grade": 3}
    answers["label"] = client.post(f"/read/acne/{one.public_id}/label/", label, headers=SCRIPT)
    undo = {"submission": uuid4(), "version": one.version + 1}
    answers["undo"] = client.post(f"/read/acne/{one.public_id}/undo/", undo, headers=SCRIPT)
    for answer in answers.values():
        if answer.streaming:
            b"".join(answer)  # to its end, where the file is closed
    stored = Label.objects.count() - before
    assert stored == [answers["label"].status_code, answers["undo"].status_code].count(200)
    return answers


def grade_one(reader: Reader) -> Assignment:
    one = queries.upcoming(reader)[0]
    label_store.record_label(assignment=one, version=0, submission=uuid4(), grade=3)
    return Assignment.objects.get(pk=one.pk)


def close(reader: Reader, *, release: bool = False) -> None:
    now = timezone.now()
    Study.objects.filter(pk=reader.study_id).update(closed_at=now, reports_released_at=now if release else None)


def ask_anew(reader: Reader) -> None:
    Reader.objects.filter(pk=reader.pk).update(accepted_at=None)


def leave(reader: Reader) -> None:
    Reader.objects.filter(pk=reader.pk).update(left_at=timezone.now())


def take_role(reader: Reader) -> None:
    User.objects.filter(pk=reader.user_id).update(roles=[Role.ADMIN])


def run_it(reader: Reader) -> None:
    reader.study.admins.add(reader.user)


def audit_it(reader: Reader) -> None:
    User.objects.filter(pk=reader.user_id).update(roles=[Role.AUDITOR, Role.READER])


def looked(reader: Reader) -> None:
    audit.record(reader.study, reader.user, unblinding.LOOKED)


def unblinded(reader: Reader) -> None:
    audit.record(reader.study, reader.user, unblinding.ACTION, reason="It is over.")


def make_inactive(reader: Reader) -> None:
    User.objects.filter(pk=reader.user_id).update(is_active=False)


def shut(status: int, **other: int) -> dict[str, int]:
    """Return the status of each address, `status` but for those that are named."""
    names = ("page", "look_back", "atlas", "report", "queue", "image", "label", "undo")
    return {name.replace("_", " "): other.get(name, status) for name in names}


READS = shut(200, report=404)  # nothing of a report before it is released
ASKED = shut(403, page=302, look_back=302, atlas=302, report=404)
OVER = shut(410, report=404)
STATES: dict[str, tuple[list[Callable[[Reader], object]], dict[str, int], str]] = {
    "reads": ([], READS, ""),
    "was added just now": ([ask_anew], READS, ""),
    "was added, and runs it": ([ask_anew, run_it], {**ASKED, "atlas": 200}, "whether you accept"),
    "was added, and audits it": ([ask_anew, audit_it], ASKED, "whether you accept"),
    "was added, and saw grades once": ([ask_anew, looked], ASKED, "whether you accept"),
    "was added, and knew what is golden": ([ask_anew, unblinded], ASKED, "whether you accept"),
    "left": ([leave], OVER, "You left this study"),
    "left before they ever came": ([ask_anew, leave], OVER, "You left this study"),
    "left, and runs it": ([leave, run_it], {**OVER, "atlas": 200}, "You left this study"),
    "role taken": ([take_role], shut(403), "no longer hold the role"),
    "role taken, and left": ([leave, take_role], shut(403), "no longer hold the role"),
    "role taken, and closed": ([close, take_role], shut(403), "no longer hold the role"),
    "inactive": ([make_inactive], shut(302), ""),
    "closed": ([close], OVER, "The study is closed"),
    "closed before they ever came": ([ask_anew, close], OVER, "The study is closed"),
    "closed, was added, and runs it": ([ask_anew, run_it, close], {**OVER, "atlas": 200}, "The study is closed"),
    "closed, and left": ([leave, close], OVER, "The study is closed"),
}


@pytest.mark.parametrize("state", STATES)
def test_every_address_of_a_list_passes_one_gate(as_ana: Client, reader: Reader, state: str) -> None:
    acts, expected, words = STATES[state]
    for act in acts:
        act(reader)
    accepted = Reader.objects.get(pk=reader.pk).accepted_at
    answers = ask_everything(as_ana, queries.upcoming(reader)[0])
    assert {name: answer.status_code for name, answer in answers.items()} == expected
    for name, answer in answers.items():
        if answer.status_code == 302:
            onward = SIGN_IN if state == "inactive" else ACCEPT
            assert answer.headers["Location"].startswith(onward)
        elif answer.status_code in {403, 410}:
            assert words in answer.content.decode(), name
        if name not in PAGES and answer.status_code in {403, 410}:
            assert answer.json()["reader"] == "acne R01"
            assert ("submission" in answer.json()) == (answer.status_code == 410 and name in {"label", "undo"})
    if expected is not READS:
        assert Reader.objects.get(pk=reader.pk).accepted_at == accepted
    assert not AuditEvent.objects.filter(action=unblinding.ACCEPTED).exists()


@pytest.mark.parametrize("place", ["", "graded/", "queue/", "atlas/{atlas}/", "{image}/image/", "{image}/label/"])
def test_whoever_may_read_accepts_by_coming_to_any_address(as_ana: Client, reader: Reader, place: str) -> None:
    """The table above asks one after the other, so the first would hide what the others do."""
    ask_anew(reader)
    place = place.format(atlas=AtlasPicture.objects.get().pk, image=queries.upcoming(reader)[0].public_id)
    label = {"submission": uuid4(), "version": 0, "grade": 3}
    ask: Any = as_ana.post if place.endswith("label/") else as_ana.get
    answer = ask(f"/read/acne/{place}", label)
    if answer.streaming:
        b"".join(answer)
    assert Reader.objects.get(pk=reader.pk).accepted_at


def test_a_person_of_another_study_finds_nothing(dora: User, reader: Reader) -> None:
    builders.make_study("other", readers=(dora,), images=6, golden_size=2)
    answers = ask_everything(builders.sign_in(Client(), dora), queries.upcoming(reader)[0])
    assert {name: answer.status_code for name, answer in answers.items()} == shut(404)


REPORTS: dict[str, tuple[list[Callable[[Reader], object]], int]] = {
    "read it": ([grade_one], 200),
    "left": ([grade_one, leave], 200),
    "came back, and was not there again": ([grade_one, ask_anew], 200),
    "never came": ([ask_anew], 403),
    "never came, and runs it": ([ask_anew, run_it], 403),
    "left before they ever came": ([ask_anew, leave], 403),
    "lost the role": ([grade_one, take_role], 403),
}


@pytest.mark.parametrize("state", REPORTS)
def test_who_read_a_study_gets_their_released_report(as_ana: Client, reader: Reader, state: str) -> None:
    acts, status = REPORTS[state]
    for act in acts:
        act(reader)
    close(reader, release=True)
    answer = as_ana.get("/read/acne/report/")
    assert answer.status_code == status
    assert status == 200 or b"You never began" in answer.content or b"You no longer hold" in answer.content


def test_home_says_that_the_role_was_taken(as_ana: Client, reader: Reader) -> None:
    assert access.NO_READER.encode() not in as_ana.get("/").content
    take_role(reader)
    home = as_ana.get("/").content
    assert access.NO_READER.encode() in home
    assert b"not a reader of any study yet" not in home


def test_a_closed_study_has_no_more_readers_to_keep_blind(as_ana: Client, reader: Reader) -> None:
    run_it(reader)
    assert as_ana.get("/studies/acne/report/").status_code == 403
    close(reader)
    assert as_ana.get("/studies/acne/report/").status_code == 200
