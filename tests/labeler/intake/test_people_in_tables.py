"""Whom a table speaks of: one person has one code, and what a person refused holds until they give it back."""

import re
import unicodedata
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from labeler.images import consents, subjects
from labeler.intake import importing, metadata, metadata_tables
from labeler.intake.metadata import Answers, JoinReport
from labeler.models import Consent, Erasure, Image, Study, User
from labeler.platform.spreadsheets import TableError
from labeler.privacy import erasing
from scoring.platform import jobs
from tests import builders
from tests.labeler.intake.test_metadata import PAGE, add, confirm, upload
from tests.labeler.record.test_subject_codes import LOOKS_LIKE, SAME, ZOE

FIRST = "file;subject;consent;consent date\n"
ALL = frozenset(["grading", "training", "sharing"])


@pytest.fixture
def study(olga: User) -> Study:
    """Return a study of a.jpg and b.jpg, of whom nobody is known."""
    study = builders.make_study()
    study.admins.add(olga)
    add(study, "a.jpg", "b.jpg")
    return study


@pytest.fixture(autouse=True)
def no_table_left() -> Iterator[None]:
    yield
    for path in (settings.VAR_DIR / "uploads").glob("*"):
        path.unlink()


def join(study: Study, *rows: str, answers: Answers | None = None) -> JoinReport:
    """Join rows of file, subject, consent and its day."""
    return builders.join_metadata(study, FIRST + "".join(f"{row}\n" for row in rows), answers=answers)


def allowed(study: Study) -> list[frozenset[str]]:
    """Return what may be done with each image."""
    return [
        frozenset(scope for scope, mark in consents.MARKS.items() if getattr(image, mark))
        for image in study.images.all()
    ]


def people(study: Study) -> list[str]:
    return list(study.images.values_list("subject", flat=True))


@pytest.mark.parametrize("code", SAME.values(), ids=SAME)
def test_a_refusal_by_another_writing_of_a_code_holds_for_all_their_images(study: Study, code: str) -> None:
    join(study, f"a.jpg;{ZOE};all", f"b.jpg;{ZOE};all")
    report = join(study, f'a.jpg;"{code}";none'.replace("\x07", "").replace("\r", ""))
    assert report.moved == 0
    assert people(study) == [ZOE, ZOE]
    assert allowed(study) == [frozenset()] * 2


@pytest.mark.parametrize(("known", "code"), [*LOOKS_LIKE.values(), *((b, a) for a, b in LOOKS_LIKE.values())])
def test_a_code_that_looks_like_anothers_is_asked_about_and_its_refusal_holds(
    study: Study, known: str, code: str
) -> None:
    join(study, f'a.jpg;"{known}";all')
    report = join(study, f'b.jpg;"{code}";none')
    assert [(one.code, one.looks_like) for one in report.questions] == [(code, (known,))]
    assert people(study) == [known, ""]
    assert allowed(study) == [frozenset(), ALL]


def test_no_consent_is_inferred_for_who_only_looks_like_it(study: Study) -> None:
    join(study, "a.jpg;Zoë;none")
    join(study, "a.jpg;zoë;all")
    assert people(study) == ["Zoë", ""]
    assert allowed(study) == [frozenset(), ALL]


def test_an_answer_says_who_it_is(study: Study) -> None:
    join(study, "a.jpg;Zoë;all")
    report = join(study, "b.jpg;zoë;grading", answers=Answers({"zoë": "Zoë"}))
    assert (report.questions, people(study)) == ([], ["Zoë", "Zoë"])
    assert allowed(study) == [frozenset(["grading"])] * 2


def test_an_answer_says_that_it_is_another_person(study: Study) -> None:
    join(study, "a.jpg;Zoë;all")
    join(study, "b.jpg;zoë;none", answers=Answers({"zoë": "zoë"}))
    assert (people(study), allowed(study)) == (["Zoë", "zoë"], [ALL, frozenset()])
    assert join(study, "b.jpg;zoë;none").questions == []  # both are known now


def test_an_answer_names_one_of_those_who_may_be_meant(study: Study) -> None:
    join(study, "a.jpg;Zoë;all")
    assert len(join(study, "b.jpg;zoë;all", answers=Answers({"zoë": "P9"})).questions) == 1
    assert people(study) == ["Zoë", ""]


def test_two_codes_of_one_table_are_asked_about(study: Study) -> None:
    report = join(study, "a.jpg;Zoë;all", "b.jpg;zoë;none")
    assert [one.code for one in report.questions] == ["zoë"]
    assert (people(study), allowed(study)) == (["Zoë", ""], [frozenset(), ALL])


def test_the_page_asks_and_takes_the_answer(study: Study, as_olga: Client) -> None:
    join(study, "a.jpg;Zoë;all")
    page = upload(as_olga, f"{FIRST}b.jpg;zoë;grading;\n")
    assert "This is Zoë" in page
    ticket = re.findall(r'name="ticket" value="([^"]+)"', page)[0]
    again = as_olga.post(PAGE, {"ticket": ticket, "asked": ["zoë"], "meant": ["Zoë"]}).content.decode()
    assert "This is Zoë" not in again
    assert people(study) == ["Zoë", ""]
    confirm(as_olga, again)
    assert people(study) == ["Zoë", "Zoë"]


def test_the_command_asks_and_takes_the_answer(study: Study, tmp_path: Path) -> None:
    join(study, "a.jpg;Zoë;all")
    (tmp_path / "t.csv").write_text(f"{FIRST}b.jpg;zoë;all;\n")
    command = ("import_metadata", "acne", str(tmp_path / "t.csv"))
    assert "is zoë Zoë? Say so with --person zoë=WHO" in builders.command_output(*command)
    answer = ("--person", "zoë=Zoë")
    code = builders.command_output(*command, *answer).split()[-1]
    builders.command_output(*command, *answer, "--seen", code)
    assert people(study) == ["Zoë", "Zoë"]
    with pytest.raises(CommandError, match="CODE=WHO"):
        call_command(*command, "--person", "zoë")


def test_the_page_of_an_image_asks_too(study: Study, as_olga: Client) -> None:
    join(study, "a.jpg;Zoë;none")
    image = study.images.get(source_name="b.jpg")
    address = reverse("correct_subject", args=["acne", image.pk])
    answer = as_olga.post(address, {"subject": "zoë"}, follow=True).content.decode()
    assert "is this Zoë?" in answer
    as_olga.post(address, {"subject": unicodedata.normalize("NFD", " Zoë\u200b")})
    assert (people(study), allowed(study)) == (["Zoë", "Zoë"], [frozenset()] * 2)
    as_olga.post(address, {"subject": "zoë", "is_another": "on"})
    assert people(study) == ["Zoë", "zoë"]


def test_a_person_is_erased_by_any_writing_of_their_code(study: Study) -> None:
    join(study, "a.jpg;Zoë;all", "b.jpg;Zoë;all")
    with pytest.raises(erasing.ErasingError, match="zoë: is this Zoë"):
        erasing.request_subject(study=study, subject="zoë", reason="asked", by=None)
    erasing.request_subject(study=study, subject=unicodedata.normalize("NFD", "Zoë "), reason="asked", by=None)
    assert study.images.filter(is_erased=True).count() == 2


def test_an_import_with_people_writes_their_codes_alike(db: None, tmp_path: Path) -> None:
    study = builders.make_study()
    (tmp_path / "a.jpg").write_bytes(builders.make_jpeg(1))
    importing.import_folder(
        study=study, folder=tmp_path, subjects={"a.jpg": unicodedata.normalize("NFD", " Zoë\u200b")}
    )
    assert people(study) == ["Zoë"]


# Rows after a.jpg and b.jpg of P1 agreed to everything -> what may be done with both.
REFUSALS = {
    "a file that is not here": (["missing.jpg;P1;none"], frozenset()),
    "a part, of a file that is not here": (["missing.jpg;P1;grading"], {"grading"}),
    "beside a grant": (["a.jpg;P1;all", "missing.jpg;P1;none"], frozenset()),
    "two rows of one file that contradict each other": (["a.jpg;P1;all", "a.jpg;P1;none"], frozenset()),
    "a name that another row has better": (["a.jpg;P1;all", "a.jpeg;P1;grading"], {"grading"}),
    "several parts": (["x.jpg;P1;grading,training", "y.jpg;P1;training"], {"training"}),
    "of a person who is not sure": (["x.jpg;p1;none"], frozenset()),
    "nothing said": (["missing.jpg;P1;"], ALL),
    "a grant": (["missing.jpg;P1;all"], ALL),
}


@pytest.mark.parametrize(("rows", "left"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_holds_whatever_photograph_it_stands_beside(
    study: Study, rows: list[str], left: frozenset[str]
) -> None:
    join(study, "a.jpg;P1;all", "b.jpg;P1;all")
    join(study, *rows)
    assert allowed(study) == [left, left]


def test_a_refusal_of_somebody_who_is_not_here_yet_waits_for_them(study: Study) -> None:
    report = join(study, "missing.jpg;P9;none")
    assert [(one.subject, one.image) for one in report.refusing.first] == [("P9", None)]
    image = study.images.all()[0]
    subjects.correct(image=image, subject="P9", by=None)
    assert allowed(study) == [frozenset(), ALL]


@pytest.mark.parametrize("row", ["missing.jpg;P1;all;2026-07-01", "missing.jpg;P1;grading", "a.jpg;p1;all;2026-07-01"])
def test_a_grant_is_inferred_from_no_row_without_a_photograph(study: Study, row: str) -> None:
    consents.require(study, is_needed=True, by=None)
    study.refresh_from_db()
    join(study, "a.jpg;P1;", "b.jpg;P1;")
    join(study, row)
    assert allowed(study) == [frozenset()] * 2
    join(study, "a.jpg;P1;none;2026-06-01")
    join(study, row)
    assert allowed(study) == [frozenset()] * 2


# What was recorded, one after the other, and then a table -> what holds. The days of rows without one are today's.
LATER = {
    "an older grant": (["none;2026-06-01", "all;2020-01-01"], frozenset()),
    "a grant of the same day": (["none;2026-06-01", "all;2026-06-01"], frozenset()),
    "a later grant": (["none;2026-06-01", "all;2026-06-02"], ALL),
    "a grant without a day": (["none;2026-06-01", "all;"], frozenset()),
    "a grant with a day after a refusal without": (["none;", "all;2020-01-01"], frozenset()),
    "no days at all": (["none;", "all;"], frozenset()),
    "an older refusal": (["all;2026-06-01", "none;2020-01-01"], frozenset()),
    "a refusal taken twice": (["none;2026-06-01", "none;2020-01-01", "all;2026-01-01"], frozenset()),
    "a later refusal of the two": (["none;2020-01-01", "none;2026-06-01", "all;2026-01-01"], frozenset()),
    "an old table again and again": (["none;2026-06-01", "all;2020-01-01", "all;2020-01-01"], frozenset()),
    "more than was agreed to, of an older day": (["grading;2026-06-01", "all;2020-01-01"], {"grading"}),
    "more than was agreed to, later": (["grading;2026-06-01", "all;2026-07-01"], ALL),
    "less than was agreed to": (["all;2026-06-01", "grading;2020-01-01"], {"grading"}),
    "back, and refused again": (
        ["none;2026-01-01", "all;2026-02-01", "none;2026-03-01", "all;2026-02-01"],
        frozenset(),
    ),
}


@pytest.mark.parametrize(("said", "left"), LATER.values(), ids=LATER)
def test_a_later_refusal_is_not_undone_by_an_older_grant(study: Study, said: list[str], left: frozenset[str]) -> None:
    for row in said:
        report = join(study, f"a.jpg;P1;{row}")
    assert allowed(study)[0] == left
    was_more = said[-1].startswith("all") and left != ALL
    assert [one.subject for one in report.held_back.first] == (["P1"] if was_more else [])
    records = Consent.objects.count()
    assert join(study, f"a.jpg;P1;{said[-1]}").consents == {}  # the same again says nothing new
    assert Consent.objects.count() == records


def test_what_is_not_given_back_is_said_and_can_be_on_the_persons_page(study: Study, as_olga: Client) -> None:
    join(study, "a.jpg;P1;none;2026-06-01")
    page = upload(as_olga, f"{FIRST}a.jpg;P1;all;2020-01-01\n")
    person = reverse("person", args=["acne", study.images.all()[0].pk])
    assert person in page
    assert "refused grading, sharing, training on 2026-06-01; the row of 2020-01-01 does not give it back" in page
    as_olga.post(person, {"scopes": sorted(ALL)})
    assert allowed(study)[0] == ALL
    join(study, "a.jpg;P1;all;2020-01-01")
    assert allowed(study)[0] == ALL


def test_a_table_gives_nothing_back_after_an_erasure(study: Study) -> None:
    join(study, "a.jpg;P1;all;2026-01-01")
    asked = erasing.request_subject(study=study, subject="P1", reason="asked", by=None)
    claimed = jobs.claim(Erasure, asked.pk)
    assert claimed is not None
    erasing.erase(claimed)
    report = join(study, "b.jpg;P1;all;2026-01-01")
    assert [one.subject for one in report.held_back.first] == ["P1"]
    assert allowed(study)[1] == frozenset()


def test_a_day_that_is_still_to_come_is_refused(study: Study, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"{FIRST}a.jpg;P1;all;{timezone.localdate() + timedelta(days=2)}\n")
    with pytest.raises(TableError, match=r"Line 2, column D .* still to come"):
        metadata_tables.read(path)


def test_the_last_of_several_days_counts(study: Study) -> None:
    join(study, "a.jpg;P1;all;2026-01-01", "b.jpg;P1;all;2020-01-01")
    assert consents.latest(study).get().given_on == date(2026, 1, 1)


def test_what_waits_for_an_answer_is_not_written_by_an_older_look(study: Study, tmp_path: Path) -> None:
    join(study, "a.jpg;Zoë;all")
    path = tmp_path / "t.csv"
    path.write_text(f"{FIRST}b.jpg;zoë;all;\n")
    table = metadata_tables.read(path)
    seen = metadata.preview(study=study, table=table).code
    with pytest.raises(metadata.SeenError):
        metadata.join(study=study, table=table, seen=seen, answers=Answers({"zoë": "Zoë"}))
    assert Image.objects.filter(subject="Zoë").count() == 1


def test_a_value_is_one_however_it_is_composed(study: Study) -> None:
    table = "file;Größe\na.jpg;groß ö\n"
    builders.join_metadata(study, table)
    builders.join_metadata(study, unicodedata.normalize("NFD", table.replace("a.jpg", "b.jpg")))
    assert [image.metadata for image in study.images.all()] == [{"Größe": "groß ö"}] * 2
