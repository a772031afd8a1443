"""Who is served what: a reader what is near their place, at a person's pace; nobody anything once it is over."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from labeler.dealing import joining_and_leaving
from labeler.grading import label_store, look_back_views, queries, window
from labeler.images import consents
from labeler.models import Assignment, Image, Label, Reader, Study, User
from labeler.oversight import tallies
from labeler.oversight.progress_report import study_state
from labeler.studies import closing
from tests import builders
from tests.labeler.oversight.test_progress_report import NOW

JSON = {"Accept": "application/json"}


@pytest.fixture
def study(ana: User, ben: User, olga: User) -> Study:
    study = builders.make_study(readers=(ana, ben), images=60, golden_size=3)
    default_storage.save("shown-full", ContentFile(b"a picture"))
    study.images.update(rendition="shown")
    study.admins.add(olga)
    return study


def grade(assignment: Assignment, grade: int = 3, **more: object) -> Label:
    return label_store.record_label(
        assignment=assignment,
        version=assignment.version,
        submission=uuid4(),
        grade=grade,
        **more,  # type: ignore[arg-type]
    )


def look(client: Client, assignment: Assignment) -> Any:
    answer: Any = client.get(f"/read/acne/{assignment.public_id}/image/")
    if answer.streaming:
        b"".join(answer)  # to its end, where the file is closed
    return answer


# Near the reader's place


@pytest.mark.parametrize("done", [0, 1, 5])
def test_images_are_served_up_to_a_few_ahead_and_as_far_back_as_graded(
    as_ana: Client, reader: Reader, done: int
) -> None:
    everything = list(queries.upcoming(reader))
    for assignment in everything[:done]:
        grade(assignment)
    statuses = [look(as_ana, assignment).status_code for assignment in everything]
    near = done + window.WINDOW
    assert statuses == [200] * near + [404] * (len(everything) - near)
    assert look(as_ana, everything[near]).json()["refused"] == "ahead"


def test_no_page_and_no_answer_names_an_image_further_ahead(as_ana: Client, reader: Reader) -> None:
    everything = list(queries.upcoming(reader))
    known = [str(one.public_id) for one in everything[: window.WINDOW]]
    asked = [
        {},
        *({"after": name} for name in known),
        {"after": str(everything[-1].public_id)},
        {"after": str(uuid4())},
    ]
    told = [as_ana.get("/read/acne/queue/", one).content for one in asked]
    told.append(as_ana.get("/read/acne/").content)
    label = {"submission": uuid4(), "version": 0, "grade": 3, "after": known[-1]}
    for assignment in everything[window.WINDOW :]:
        assert not any(str(assignment.public_id).encode() in one for one in told)
    answer = as_ana.post(f"/read/acne/{known[0]}/label/", label, headers=JSON).json()
    assert [card["id"] for card in answer["upcoming"]] == [str(everything[window.WINDOW].public_id)]


def test_whoever_grades_faster_than_anybody_looks_waits_for_images_and_loses_no_grade(
    as_ana: Client, reader: Reader, settings: Settings
) -> None:
    everything = list(queries.upcoming(reader))
    for assignment in everything[: window.BURST]:
        grade(assignment)
    ahead, behind = everything[window.BURST], everything[0]
    refused = look(as_ana, ahead)
    assert (refused.status_code, refused.json()["refused"]) == (429, "too_fast")
    assert int(refused.headers["Retry-After"]) > 0
    assert look(as_ana, behind).status_code == 200
    address = f"/read/acne/{ahead.public_id}/label/"
    assert as_ana.post(address, {"submission": uuid4(), "version": 0, "grade": 3}, headers=JSON).status_code == 200
    settings.IMAGES_PER_SECOND = 1e9
    reader.assignments.filter(is_done=True).update(labeled_at=timezone.now() - timedelta(minutes=1))
    assert look(as_ana, everything[window.BURST + 1]).status_code == 200


# When it is over

ENDS: dict[str, Callable[[Reader], object]] = {
    "closed": lambda reader: closing.close(study=reader.study, reason="It is enough"),
    "left": lambda reader: joining_and_leaving.leave(reader=reader, reason="On leave"),
}


@pytest.mark.parametrize("end", ENDS)
def test_every_address_of_a_list_says_that_it_is_over(as_ana: Client, reader: Reader, end: str) -> None:
    first, second = list(queries.upcoming(reader))[:2]
    grade(first)
    ENDS[end](reader)
    label = {"submission": uuid4(), "version": 1, "grade": 5, "note": "a comment"}
    answers: dict[str, Any] = {
        "page": as_ana.get("/read/acne/"),
        "look back": as_ana.get("/read/acne/graded/"),
        "queue": as_ana.get("/read/acne/queue/"),
        "graded image": look(as_ana, first),
        "image": look(as_ana, second),
        "another grade": as_ana.post(f"/read/acne/{first.public_id}/label/", label, headers=JSON),
        "in flight": as_ana.post(f"/read/acne/{second.public_id}/label/", label | {"version": 0}, headers=JSON),
        "undo": as_ana.post(f"/read/acne/{first.public_id}/undo/", {"submission": uuid4(), "version": 1}, headers=JSON),
        "plain form": as_ana.post(f"/read/acne/{first.public_id}/label/", label),
    }
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 410)
    for name, answer in answers.items():
        if answer.headers["Content-Type"] == "application/json":
            assert answer.json()["refused"] == end, name
            assert answer.json()["error"].endswith("."), name
        else:
            assert b"1 image" in answer.content or b"The image that you graded stays" in answer.content, name
            assert b"<button name=" not in answer.content
    assert Label.objects.get().grade == 3
    home = as_ana.get("/").content
    assert b"1 image graded, which stays" in home
    assert b"/read/acne/" not in home


@pytest.mark.parametrize("end", ENDS)
def test_a_label_whose_answer_was_lost_is_acknowledged_after_the_end(as_ana: Client, reader: Reader, end: str) -> None:
    first = queries.upcoming(reader)[0]
    label = {"submission": uuid4(), "version": 0, "grade": 5}
    once = as_ana.post(f"/read/acne/{first.public_id}/label/", label, headers=JSON)
    ENDS[end](reader)
    again = as_ana.post(f"/read/acne/{first.public_id}/label/", label, headers=JSON)
    assert (once.status_code, again.status_code, again.json()["version"]) == (200, 200, 1)
    other = as_ana.post(f"/read/acne/{first.public_id}/label/", label | {"grade": 1}, headers=JSON)
    assert (other.status_code, other.json()["refused"]) == (422, "reused")


def test_an_image_that_went_to_another_list_or_lost_its_consent_is_gone(as_ana: Client, reader: Reader) -> None:
    moved, shut = list(queries.upcoming(reader))[:2]
    joining_and_leaving.leave(reader=reader, reason="On leave")
    joining_and_leaving.admit(study=reader.study, user=reader.user)
    moved = reader.assignments.filter(withdrawn_in__isnull=False)[0]
    Image.objects.filter(pk=shut.image_id).update(subject="P1")
    consents.record(study=reader.study, subject="P1", scopes=[], by=None)
    shut = reader.assignments.filter(withdrawn_in=None, image__is_golden=True)[0]
    Image.objects.filter(pk=shut.image_id).update(may_be_graded=False)
    answer: Any
    for assignment, name in ((moved, "withdrawn"), (shut, "no_consent")):
        label = {"submission": uuid4(), "version": 0, "grade": 5}
        for answer in (
            look(as_ana, assignment),
            as_ana.post(f"/read/acne/{assignment.public_id}/label/", label, headers=JSON),
        ):
            assert (answer.status_code, answer.json()["refused"]) == (410, name)


# Looking back


def test_everything_graded_can_be_looked_at_page_by_page(as_ana: Client, reader: Reader) -> None:
    graded = list(queries.upcoming(reader))
    for assignment in graded:
        grade(assignment)
    seen, query = b"", ""
    for _ in range(-(-len(graded) // look_back_views.PAGE)):
        page = as_ana.get(f"/read/acne/graded/{query}")
        seen += page.content
        query = page.context["page"].next
    assert query == ""
    for assignment in graded:
        assert f"Image {assignment.position} of {len(graded)}".encode() in seen
    assert b"/read/acne/graded/" in as_ana.get("/read/acne/").content  # the list is finished


def test_a_page_asks_for_what_was_graded_before_until_there_is_no_more(as_ana: Client, reader: Reader) -> None:
    graded = list(queries.upcoming(reader))
    for number, assignment in enumerate(graded):
        grade(assignment)
        then = timezone.now() - timedelta(seconds=len(graded) - number)
        Assignment.objects.filter(pk=assignment.pk).update(labeled_at=then)
    known = as_ana.get("/read/acne/queue/").json()["back"]
    while older := as_ana.get("/read/acne/queue/", {"before": known[-1]["id"]}).json()["back"]:
        known += older
    assert [card["number"] for card in known] == [one.position for one in reversed(graded)]


def test_a_regraded_image_keeps_its_number_and_its_comment(as_ana: Client, reader: Reader, study: Study) -> None:
    graded = list(queries.upcoming(reader))[:20]
    for assignment in graded:
        grade(assignment)
    fifth = graded[4]
    label = {"submission": uuid4(), "version": 1, "grade": 5, "note": "A scar.", "looking_back": 13}
    answer = as_ana.post(f"/read/acne/{fifth.public_id}/label/", label, follow=True)
    assert answer.redirect_chain[0][0] == "/read/acne/graded/?after=13#image-5"
    total = reader.assignments.count()
    assert f"Image 5 of {total}: your answer is changed.".encode() in answer.content
    assert b'value="A scar."' in answer.content
    card = next(card for card in as_ana.get("/read/acne/queue/").json()["back"] if card["number"] == 5)
    assert (card["id"], card["grade"], card["note"]) == (str(fifth.public_id), 5, "A scar.")
    assert [label.grade for label in Label.objects.filter(assignment=fifth)] == [3, 5]


def test_a_refused_change_leaves_the_reader_where_they_looked(as_ana: Client, reader: Reader) -> None:
    first = queries.upcoming(reader)[0]
    grade(first)
    label = {"submission": uuid4(), "version": 0, "grade": 5, "looking_back": 0}
    answer = as_ana.post(f"/read/acne/{first.public_id}/label/", label)
    assert answer.status_code == 409
    assert b"graded in another window" in answer.content
    assert b"What you graded" in answer.content


# Too quick to have looked


def test_labels_in_haste_are_counted_for_each_reader(as_olga: Client, reader: Reader, study: Study) -> None:
    for assignment, ms in zip(list(queries.upcoming(reader)), (0, 249, 250, 4000, None), strict=False):
        grade(assignment, viewing=label_store.Viewing(visible_ms=ms))
    tallies.count(study, settled=NOW)
    tallies.count(study, settled=NOW)
    assert [state.hasty for state in study_state(study).readers] == [2, 0]
    page = as_olga.get("/studies/acne/oversight/").content.decode()
    assert '<td class="number" data-cell="hasty">2</td>' in page


@pytest.mark.parametrize(
    ("said", "status"), [("400", 302), ("0", 302), ("2001", 422), ("-1", 422), ("soon", 422), ("", 422)]
)
def test_the_shortest_look_is_set_and_handed_to_the_page(
    as_olga: Client, as_ana: Client, study: Study, said: str, status: int
) -> None:
    assert as_olga.post("/studies/acne/oversight/", {"shortest_look_ms": said}).status_code == status
    kept = said if status == 302 else "250"
    assert f'data-shortest-look="{kept}"' in as_ana.get("/read/acne/").content.decode()
