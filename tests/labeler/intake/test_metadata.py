"""A table is joined to the right photographs, once somebody has seen what it writes."""

import html
import io
import random
import re
import unicodedata
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from openpyxl import Workbook

from labeler.images import consents
from labeler.intake import known_names, metadata_tables
from labeler.intake.metadata import Unjoined
from labeler.models import AuditEvent, Consent, Image, Intake, IntakeFile, Study, User
from labeler.platform.spreadsheets import TableError
from labeler.screening import gallery
from labeler.screening.gallery import Wanted
from tests import builders
from tests.labeler.intake.test_file_names import MANGLINGS

PAGE = "/studies/acne/images/metadata/"
HEADER = "file;subject;sex;consent\n"
A, B = "Patient A/IMG_0001.jpg", "Patient B/IMG_0001.jpg"


@pytest.fixture
def empty(olga: User) -> Study:
    study = builders.make_study()
    study.admins.add(olga)
    return study


@pytest.fixture(autouse=True)
def no_table_left() -> Iterator[None]:
    yield
    for path in (settings.VAR_DIR / "uploads").glob("*"):
        path.unlink()


def add(study: Study, *names: str) -> list[Image]:
    images = builders.make_images(study, len(names))
    for image, name in zip(images, names, strict=True):
        image.source_name = name
    Image.objects.bulk_update(images, ["source_name"])
    return images


def refuse(study: Study, name: str) -> None:
    into = Intake.objects.create(study=study, source=Intake.Source.FOLDER)
    into.files.create(name=name, state=IntakeFile.State.REFUSED)


def said(study: Study) -> dict[str, tuple[str, str]]:
    rows = study.images.values_list("source_name", "subject", "metadata")
    return {name: (subject, known.get("sex", "")) for name, subject, known in rows}


def upload(client: Client, table: str | bytes, name: str = "table.csv") -> str:
    data = table.encode() if isinstance(table, str) else table
    return client.post(PAGE, {"table": SimpleUploadedFile(name, data)}).content.decode()


def confirm(client: Client, page: str) -> str:
    form = page[page.index('name="seen"') - 400 :]
    fields: dict[str, list[str]] = {}
    for name, value in re.findall(r'name="(ticket|seen|asked|meant|sent_again)" value="([^"]*)"', form):
        fields.setdefault(name, []).append(html.unescape(value))
    return client.post(PAGE, fields, follow=True).content.decode()


def test_one_patients_row_is_never_anothers(empty: Study) -> None:
    add(empty, A)
    refuse(empty, B)
    report = builders.join_metadata(empty, f"{HEADER}{B};P2;m;all\n{A};P1;f;none\n")
    assert said(empty) == {A: ("P1", "f")}
    assert [consent.scopes for consent in consents.latest(empty)] == [[]]
    assert [(row.line, row.name) for row in report.refused] == [(2, B)]
    assert "was not imported" in report.refused[0].why


def test_a_row_without_a_folder_is_nobodys_while_another_file_of_its_name_was_refused(empty: Study) -> None:
    add(empty, A)
    refuse(empty, B)
    assert "several files" in builders.join_metadata(empty, f"{HEADER}IMG_0001.jpg;P2;m;all\n").refused[0].why


def test_a_file_of_a_refused_ones_name_is_asked_about(empty: Study, as_olga: Client) -> None:
    add(empty, A)
    refuse(empty, B)
    later = Intake.objects.create(study=empty, source=Intake.Source.FOLDER)  # mended, or another patient's
    later.files.create(name=B, state=IntakeFile.State.IMPORTED)
    add(empty, B)
    page = upload(as_olga, f"{HEADER}{B};P2;m;all\n")
    assert "a file of this name was refused before" in page
    assert "There is nothing new to write" in page
    ticket = re.findall(r'name="ticket" value="([^"]+)"', page)[0]
    again = as_olga.post(PAGE, {"ticket": ticket, "sent_again": "on"}).content.decode()
    confirm(as_olga, again)
    assert said(empty) == {A: ("", ""), B: ("P2", "m")}


def test_a_folder_from_a_browser_and_rows_below_it_meet(empty: Study) -> None:
    add(empty, f"Klinik/{A}", f"Klinik/{B}")
    report = builders.join_metadata(empty, f"{HEADER}{A};P1;f;all\n{B};P2;m;none\n")
    assert said(empty) == {f"Klinik/{A}": ("P1", "f"), f"Klinik/{B}": ("P2", "m")}
    assert (report.exact, report.alike) == (0, 2)


def test_a_copys_row_arrives_and_the_copy_is_named(empty: Study) -> None:
    image = add(empty, "P001.jpg")[0]
    known_names.keep_alias(image, "Kopie von P001.jpg")
    report = builders.join_metadata(empty, f"{HEADER}Kopie von P001.jpg;P1;;all\nP001.jpg;;f;\n")
    assert said(empty) == {"P001.jpg": ("P1", "f")}
    assert report.same_files == [("Kopie von P001.jpg", "P001.jpg")]


def test_rows_of_one_image_that_contradict_each_other_write_nothing(empty: Study) -> None:
    image = add(empty, "P001.jpg")[0]
    known_names.keep_alias(image, "Kopie von P001.jpg")
    report = builders.join_metadata(empty, f"{HEADER}Kopie von P001.jpg;P1;f;all\nP001.jpg;P1;m;all\n")
    assert said(empty) == {"P001.jpg": ("", "")}
    assert [row.why.startswith(Unjoined.CONTRADICTS) for row in report.refused] == [True, True]
    assert not Consent.objects.exists()


def test_a_refusal_in_a_row_without_an_image_counts_for_the_person(empty: Study) -> None:
    add(empty, "1.jpg")
    builders.join_metadata(empty, f"{HEADER}1.jpg;P1;;all\n2.jpg;P1;;grading\n")
    assert consents.latest(empty).get().scopes == ["grading"]


@pytest.mark.parametrize("seed", range(12))
def test_a_mangled_table_gives_nobody_anothers_consent(empty: Study, seed: int) -> None:
    draw = random.Random(seed)  # noqa: S311  which names to mangle
    consents.require(empty, is_needed=True, by=None)
    parts = ["A", "a", "Nord", "B b", "B_b", "Mü"]
    names = {
        "/".join([*draw.choices(parts, k=draw.randint(0, 2)), draw.choice(["1.jpg", "1.JPG", "ö.jpg"])])
        for _ in range(9)
    }
    files = sorted(names)
    refused, sent = files[::4], [name for name in files if name not in files[::4]]
    for name in refused:
        refuse(empty, name)
    add(empty, *sent)
    agreed = {name: draw.random() < 0.5 for name in files}
    rows = []
    for number, name in enumerate(files):
        mangled = draw.choice(MANGLINGS)(name)
        rows.append(f"{mangled};P{number};;{'all' if agreed[name] else 'none'}\n")
    builders.join_metadata(empty, HEADER + "".join(draw.sample(rows, len(rows) - 1)))
    for image in empty.images.all():
        own = f"P{files.index(image.source_name)}"
        assert image.subject in {"", own}
        assert not image.may_be_graded or (image.subject == own and agreed[image.source_name])


def test_nothing_is_written_before_it_was_seen(empty: Study, as_olga: Client) -> None:
    add(empty, f"Klinik/{A}", B, "C.jpg")
    page = upload(as_olga, f"{HEADER}{A};P1;f;ja\n{B};P2;m;nein\nD.jpg;P3;;all\n")
    assert said(empty)[B] == ("", "")
    assert not Consent.objects.exists()
    for words in ("ALIKE", f"Klinik/{A}", "D.jpg", "person agrees", "to nothing", "taken for the person in it"):
        assert words in page, words
    assert "Written" in confirm(as_olga, page)
    assert said(empty) == {f"Klinik/{A}": ("P1", "f"), B: ("P2", "m"), "C.jpg": ("", "")}
    assert AuditEvent.objects.filter(action="metadata joined").count() == 1
    assert "not kept any more" in confirm(as_olga, page)  # a second click


def test_what_changed_after_it_was_seen_is_shown_again(empty: Study, as_olga: Client) -> None:
    add(empty, A)
    page = upload(as_olga, f"{HEADER}{A};P1;f;all\nIMG_2.jpg;P2;f;all\n")
    add(empty, "Klinik/IMG_2.jpg")
    again = confirm(as_olga, page)
    assert "Nothing was written" in again
    assert said(empty)[A] == ("", "")
    confirm(as_olga, again)
    assert said(empty) == {A: ("P1", "f"), "Klinik/IMG_2.jpg": ("P2", "f")}


def test_a_table_waits_for_the_person_who_sent_it_alone(empty: Study, as_olga: Client) -> None:
    add(empty, A)
    page = upload(as_olga, f"{HEADER}{A};P1;f;all\n")
    other = builders.make_user("oskar")
    empty.admins.add(other)
    assert "not kept any more" in confirm(builders.sign_in(Client(), other), page)
    assert said(empty)[A] == ("", "")


def test_the_command_writes_what_was_seen(empty: Study, tmp_path: Path) -> None:
    add(empty, f"Klinik/{A}")
    table = tmp_path / "known.csv"
    table.write_text(f"{HEADER}{A};P1;f;all\n")
    shown = builders.command_output("import_metadata", "acne", str(table))
    assert "1 person agrees to grading, sharing, training." in shown
    assert said(empty) == {f"Klinik/{A}": ("", "")}
    with pytest.raises(CommandError, match="Nothing was written"):
        call_command("import_metadata", "acne", str(table), "--seen", "0123456789ab", stdout=io.StringIO())
    code = shown.split()[-1]
    assert "Written: 1 images changed" in builders.command_output("import_metadata", "acne", str(table), "--seen", code)
    assert said(empty) == {f"Klinik/{A}": ("P1", "f")}


def test_a_column_of_the_table_can_be_searched_for(empty: Study) -> None:
    add(empty, "1.jpg")
    builders.join_metadata(empty, "file;age\n1.jpg;31,5\n")
    builders.make_images(empty, 60)  # of which nothing is known
    assert gallery.columns(empty) == ["age"]
    assert empty.images.get(source_name="1.jpg").metadata == {"age": "31.5"}


def test_an_image_is_found_by_the_names_of_its_copies(empty: Study, as_olga: Client) -> None:
    first, second, _ = add(empty, "P001.jpg", "P002.jpg", "Z.jpg")
    for name in ("Kopie von P001.jpg", "Kopie ä.jpg"):
        known_names.keep_alias(first, name)
    known_names.keep_alias(second, "P001 neu.jpg")
    found = {
        name: [image.pk for image in gallery.find(empty, Wanted(name=name))] for name in ("Kopie", "P001", "P", "Q")
    }
    assert found == {"Kopie": [first.pk], "P001": [first.pk, second.pk], "P": [first.pk, second.pk], "Q": []}
    page = as_olga.get("/studies/acne/gallery/", {"name": unicodedata.normalize("NFD", "Kopie ä")}).content.decode()
    assert "the same file as" in page
    assert "Z.jpg" not in page


def workbook(*rows: tuple[object, ...], before: str = "") -> bytes:
    book, stream = Workbook(), io.BytesIO()
    if before:
        book.active.title = before
        book.active.append(["Studie Akne 2026"])
        book.create_sheet("Fotos")
    for row in rows:
        book.worksheets[-1].append(row)
    book.save(stream)
    return stream.getvalue()


ROW = ("Müller/1.jpg", "P1", "31.5", frozenset({"grading", "training", "sharing"}), date(2026, 5, 31))
PLAIN = "file,subject,age,consent,consent_date\nMüller/1.jpg,P1,31.5,all,2026-05-31\n"
GERMAN = "Dateiname;Patient;age;Einwilligung;Einwilligungsdatum\nMüller/1.jpg;P1;31,5;ja;31.05.2026\n"
QUOTED = '"File name","Subject","age","Consent","Consent date"\n"Müller/1.jpg","P1","31,5","Yes","2026-05-31"\n'
# Tables as people's programs write them; all say the same.
TABLES = {
    "plain": PLAIN.encode(),
    "BOM": b"\xef\xbb\xbf" + PLAIN.encode(),
    "UTF-16 with a BOM": PLAIN.encode("utf-16"),
    "UTF-16 without one": PLAIN.encode("utf-16-le"),
    "lines of an old Mac": PLAIN.replace("\n", "\r").encode(),
    "lines of Windows": PLAIN.replace("\n", "\r\n").encode(),
    "tabs": PLAIN.replace(",", "\t").encode(),
    "German": GERMAN.encode(),
    "sep=": f"sep=;\r\n{GERMAN}".encode(),
    "trailing empty columns": "".join(f"{line};;;\n" for line in GERMAN.splitlines()).encode(),
    "a title, and lines before the headings": f"Studie Akne, 2026, Hautklinik\n\n{GERMAN}".encode(),
    "trailing empty lines": f"{GERMAN};;;;\n\n\n".encode(),
    "trailing cells dropped": f"{GERMAN}2.jpg\n".encode(),
    "quotes": QUOTED.encode(),
    "the name not first": b"subject,age,consent,consent_date,File name\nP1,31.5,oui,31/05/2026,M\xc3\xbcller/1.jpg\n",
    "an unknown heading": GERMAN.replace("Dateiname", "wer").replace("ja", "TRUE").encode(),
    "an unknown heading, not first": b"subject;wer;age;consent;consent_date\nP1;M\xc3\xbcller/1.jpg;31,5;x;31.5.2026\n",
    "a workbook": workbook(
        ("Dateiname", "Patient", "age", "Einwilligung", "Einwilligungsdatum", None),
        ("Müller/1.jpg", "P1", 31.5, True, date(2026, 5, 31)),
    ),
    "a workbook's second sheet, below a title": workbook(
        ("Stand: Mai",),
        (),
        ("Foto", "Patient", "age", "consent", "consent date"),
        ("Müller/1.jpg", "P1", "31,5", "ja", "31.05.2026"),
        before="Deckblatt",
    ),
}


@pytest.mark.parametrize("data", TABLES.values(), ids=TABLES)
def test_a_table_is_read_as_its_program_writes_it(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "table"
    path.write_bytes(data)
    row = next(iter(metadata_tables.read(path)))
    assert (row.name, row.subject, row.metadata["age"], row.scopes, row.given_on) == ROW
    assert set(row.metadata) == {"age"}


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("", "empty"),
        ("\n \n", "empty"),
        ("file,age", "no row below its headings in line 1"),
        ("file,age\n1.jpg,1\n2.jpg,1,3\n", r"Line 3 has '3' in column C, which has no name in line 1\. .* comma"),
        ("file,,age\n1.jpg,x,1\n", "Line 2 has 'x' in column B, which has no name"),
        ("file,age,age\n1.jpg,1,2\n", "Line 1 calls columns B and C age"),
        ("file,Dateiname\n1.jpg,2.jpg\n", r"Columns A \(file\) and B \(Dateiname\) in line 1 may both be the photog"),
        ("x;y\n1.jpg;2.jpg\n", r"Columns A \(x\) and B \(y\) both hold names of pictures"),
        ("file,note\n1.jpg," + "x" * 201, r"Line 2, column B \(note\) has 201 characters"),
        ("file,subject\n1.jpg," + "x" * 101, r"Line 2, column B \(subject\) has more than 100"),
        ("file,consent\n1.jpg,publishing\n", r"Line 2, column B \(consent\) says 'publishing'\. Write all"),
        ("file,consent\n1.jpg,none grading\n", "Line 2, column B .* Write all"),
        ("file,consent_date\n1.jpg,05/06/2026\n", r"says '05/06/2026', which may be two days\. Write the day as"),
        ("file,consent_date\n1.jpg,46173\n", "says '46173'"),
        ("file,consent_date\n1.jpg,31.02.2026\n", r"says '31\.02\.2026'\. Write the day as"),
        ("file,age\n1.jpg,#REF!\n", "Line 2, column B holds the error #REF!"),
        ("file,age\n1.jpg,\0\n", "Line 2 holds bytes that are no text"),
        ('file,age\n1.jpg,"1\n' + "x" * 200_000, "quotation mark without its pair"),
        ("file,age\nM\xfcller.jpg,1\n".encode("latin-1"), r"Line 2, column A is not UTF-8 text, after 'M'\. In Excel"),
        ("file,age\n1.jpg,gro\xdf\n".encode("latin-1"), "Line 2, column B is not UTF-8"),
        (b"\xff\xfe,", "UTF-16"),
        (b"PK\x03\x04 no zip", "damaged"),
        (builders.make_zip({"a.txt": b"x"}), "no Excel workbook"),
        (b"\xd0\xcf\x11\xe0" + bytes(512), "old Excel workbook"),
        (b"%PDF-1.7", "a PDF"),
        (workbook(), "no sheet with a table"),
        (workbook(("file", "age"), ("1.jpg", "#N/A")), "Line 2, column B holds the error #N/A"),
    ],
)
def test_a_table_that_is_none_is_refused_with_its_place_and_a_cure(
    tmp_path: Path, table: str | bytes, sentence: str
) -> None:
    path = tmp_path / "table"
    path.write_bytes(table.encode() if isinstance(table, str) else table)
    with pytest.raises(TableError, match=sentence) as refusal:
        metadata_tables.read(path)
    assert str(refusal.value).endswith(".")


def test_a_bad_table_is_refused_on_the_page(empty: Study, as_olga: Client) -> None:
    answer = as_olga.post(PAGE, {"table": SimpleUploadedFile("t.csv", b"file,consent\n1.jpg,perhaps\n")})
    assert answer.status_code == 422
    assert "says &#x27;perhaps&#x27;" in answer.content.decode()


def test_one_name_that_is_too_long_costs_one_row(empty: Study) -> None:
    add(empty, "1.jpg")
    report = builders.join_metadata(empty, f"file,sex\n{'x' * 600}/2.jpg,m\n1.jpg,f\n")
    assert said(empty) == {"1.jpg": ("", "f")}
    assert [row.line for row in report.refused] == [2]


def test_numbers_that_may_have_thousands_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("file;cells;size\n1.jpg;1,234;1,234\n2.jpg;2;1,5\n")
    first = next(iter(metadata_tables.read(path)))
    assert dict(first.metadata) == {"cells": "1,234", "size": "1.234"}
