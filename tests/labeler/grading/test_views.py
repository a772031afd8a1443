"""What each address answers to each kind of user."""

import json
import re
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from labeler.grading import queries
from labeler.models import Assignment, Label, Reader, Study, User

JSON = {"Accept": "application/json"}


@pytest.fixture
def assignment(reader: Reader) -> Assignment:
    assignment = queries.next_assignment(reader)
    assert assignment is not None
    return assignment


def address(name: str, assignment: Assignment) -> str:
    return reverse(name, args=[assignment.reader.study.slug, assignment.public_id])


def post_grade(client: Client, assignment: Assignment, **fields: object) -> HttpResponse:
    data = {"submission": uuid4(), "version": assignment.version, **fields}
    answer = client.post(address("label", assignment), data, headers=JSON)
    assert isinstance(answer, HttpResponse)
    return answer


def test_a_reader_sees_their_lists(as_ana: Client, study: Study) -> None:
    assert b"0 of 6 images graded" in as_ana.get("/").content


def test_a_person_without_a_study_is_told_whom_to_ask(as_cleo: Client, study: Study) -> None:
    assert b"Ask the person who runs the study" in as_cleo.get("/").content


def test_the_grading_page_shows_the_next_image(as_ana: Client, assignment: Assignment) -> None:
    page = as_ana.get(reverse("grade", args=["acne"]))
    assert address("image", assignment).encode() in page.content
    assert b"1 of 6" in page.content


def test_a_grade_is_saved(as_ana: Client, assignment: Assignment) -> None:
    submission = uuid4()
    answer = post_grade(
        as_ana, assignment, submission=submission, grade=4, visible_ms=812, zoom=2.5, input_kind="touch"
    )
    known = {"reader": "acne R01", "submission": str(submission)}
    assert json.loads(answer.content) == known | {"version": 1, "upcoming": []}
    label = Label.objects.get()
    assert (label.assignment, label.grade) == (assignment, 4)
    assert (label.visible_ms, label.zoom, label.input_kind) == (812, 2.5, "touch")


def test_second_click_records_one_label(as_ana: Client, assignment: Assignment) -> None:
    submission = uuid4()
    answers = [post_grade(as_ana, assignment, submission=submission, grade=4) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert Label.objects.count() == 1


def test_the_plain_form_goes_on_to_the_next_image(as_ana: Client, assignment: Assignment) -> None:
    answer = as_ana.post(address("label", assignment), {"submission": uuid4(), "version": 0, "grade": 2})
    assert answer.headers["Location"] == reverse("grade", args=["acne"])


def test_not_gradable_takes_a_reason(as_ana: Client, assignment: Assignment) -> None:
    post_grade(as_ana, assignment, not_gradable="blurred", note="moved")
    label = Label.objects.get()
    assert (label.grade, label.not_gradable, label.note) == (None, "blurred", "moved")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"grade": 6}, "6 is not a grade of this study."),
        ({"grade": 3, "not_gradable": "blurred"}, "Give a grade, or a reason"),
        ({}, "Give a grade, or a reason"),
        ({"not_gradable": "boring"}, "not one of the available choices"),
    ],
)
def test_a_bad_label_says_why(as_ana: Client, assignment: Assignment, fields: dict[str, object], sentence: str) -> None:
    answer = post_grade(as_ana, assignment, **fields)
    assert answer.status_code == 422
    assert sentence in json.loads(answer.content)["error"]
    assert not Label.objects.exists()


def test_an_old_page_gets_a_conflict(as_ana: Client, assignment: Assignment) -> None:
    post_grade(as_ana, assignment, grade=4)
    assert post_grade(as_ana, assignment, grade=2).status_code == 409
    assert Label.objects.get().grade == 4


def test_undo_brings_the_image_back(as_ana: Client, assignment: Assignment) -> None:
    post_grade(as_ana, assignment, grade=4)
    as_ana.post(address("undo", assignment), {"submission": uuid4(), "version": 1})
    assert address("image", assignment).encode() in as_ana.get(reverse("grade", args=["acne"])).content


def test_the_queue_goes_on_after_an_image(as_ana: Client, reader: Reader) -> None:
    ids = [str(assignment.public_id) for assignment in queries.upcoming(reader)]
    answer = as_ana.get(reverse("queue", args=["acne"]), {"after": ids[2]}).json()
    assert [card["id"] for card in answer["upcoming"]] == ids[3:]


def test_the_answer_to_a_grade_brings_the_image_after_the_last_known(as_ana: Client, reader: Reader) -> None:
    ahead = list(queries.upcoming(reader))
    answer = post_grade(as_ana, ahead[0], grade=1, after=ahead[4].public_id)
    assert [card["id"] for card in json.loads(answer.content)["upcoming"]] == [str(ahead[5].public_id)]


def test_what_another_reader_knows_brings_a_readers_own_list(
    as_ana: Client, reader: Reader, ben: User, study: Study
) -> None:
    foreign = queries.upcoming(study.readers.get(user=ben))[0]
    answer = as_ana.get(reverse("queue", args=["acne"]), {"after": str(foreign.public_id)}).json()
    own = [str(assignment.public_id) for assignment in queries.upcoming(reader)]
    assert [card["id"] for card in answer["upcoming"]] == own


def test_the_last_grade_leads_to_thanks(as_ana: Client, reader: Reader) -> None:
    for assignment in queries.upcoming(reader):
        post_grade(as_ana, assignment, grade=1)
    assert b"You graded all 6 images" in as_ana.get(reverse("grade", args=["acne"])).content


def test_the_image_comes_without_a_trace(as_ana: Client, assignment: Assignment) -> None:
    default_storage.save(f"{assignment.image.rendition}-full", ContentFile(b"webp"))
    answer = as_ana.get(address("image", assignment))
    body = b"".join(answer)
    assert body.startswith(b"webp")
    assert int(answer.headers["Content-Length"]) == len(body)
    assert not {"ETag", "Last-Modified"} & set(answer.headers)
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["Content-Type"] == "image/webp"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "sandbox"


def test_an_unknown_size_is_404(as_ana: Client, assignment: Assignment) -> None:
    assert as_ana.get(address("image", assignment), {"size": "../secret"}).status_code == 404


def test_golden_and_ordinary_cards_differ_in_nothing_but_random_ids(as_ana: Client, reader: Reader) -> None:
    def shape(assignment: Assignment) -> str:
        page = as_ana.get(reverse("queue", args=["acne"])).json()["upcoming"]
        card = next(card for card in page if card["id"] == str(assignment.public_id))
        assert card.pop("number") == assignment.position
        post_grade(as_ana, assignment, grade=3)
        return json.dumps(card).replace(str(assignment.public_id), "ID")

    assert len({shape(assignment) for assignment in list(queries.upcoming(reader))}) == 1


PAGES = ["/read/acne/", "/read/acne/queue/", "/studies/acne/", "/studies/acne/report/"]


@pytest.mark.parametrize("page", PAGES)
def test_a_stranger_gets_404(as_cleo: Client, study: Study, page: str) -> None:
    assert as_cleo.get(page).status_code == 404


@pytest.mark.parametrize("page", ["/", *PAGES])
def test_anonymous_goes_to_sign_in(client: Client, study: Study, page: str) -> None:
    assert client.get(page).headers["Location"] == f"/accounts/login/?next={page}"


@pytest.mark.parametrize("page", ["/studies/acne/", "/studies/acne/report/"])
def test_a_reader_sees_nothing_of_the_study_but_their_list(as_ana: Client, study: Study, page: str) -> None:
    assert as_ana.get(page).status_code == 404


def test_an_admin_sees_progress(as_olga: Client, as_ana: Client, assignment: Assignment) -> None:
    post_grade(as_ana, assignment, grade=4)
    page = as_olga.get(reverse("study", args=["acne"])).content
    assert b"R01: 1 of 6 graded" in page


def test_nobody_signs_up_by_themselves(client: Client, db: None) -> None:
    client.post("/accounts/signup/", {"username": "eve", "password1": "a long enough password"})
    assert not User.objects.exists()


def test_whatever_scrolls_is_reached_by_keyboard_and_has_a_name() -> None:
    for template in (settings.BASE_DIR / "templates").rglob("*.html"):
        for element in re.findall(r'<[^>]*class="table-scroll[^>]*>', template.read_text()):
            assert 'tabindex="0" role="region" aria-label="' in element, template
