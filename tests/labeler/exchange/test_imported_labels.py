"""Labels in the published layout become a study, or nothing does and every bad row is named."""

import io
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from labeler.exchange.published_layout import PUBLISHED
from labeler.exchange.tables import as_csv
from labeler.grading import consensus
from labeler.intake import known_names
from labeler.models import Assignment, Image, Intake, IntakeFile, Label, NotGradable, Reader, Study, User
from labeler.studies import progress
from tests import builders
from tests.labeler.intake.test_metadata import workbook

HEADER = "labeler,image_name,label,label_at,shared_image"
# dora changed her mind about b.jpg; emil could not grade c.jpg for want of acne.
ROWS = (
    "emil@example.org,a.jpg,2,2018-05-30 09:00:00,1",
    "dora@example.org,a.jpg,4,2018-05-30 10:00:00,1",
    "dora@example.org,b.jpg,1,2018-05-30 09:30:00,0",
    "dora@example.org,b.jpg,3,2018-05-30 11:00:00+02:00,0",
    "emil@example.org,c.jpg,0,2018-05-31T09:00:00Z,0",
)


@pytest.fixture
def empty(db: None) -> Study:
    return builders.make_study("town")


@pytest.fixture
def photographed(empty: Study) -> Study:
    """Return a study that has the file's images, one of them in a folder."""
    images = builders.make_images(empty, 3)
    for image, name in zip(images, ("a.jpg", "2018/b.jpg", "c.jpg"), strict=True):
        Image.objects.filter(pk=image.pk).update(source_name=name)
    return empty


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "labels.csv", *ROWS)


def write(path: Path, *rows: str, header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def import_labels(path: Path, *options: str) -> str:
    said = io.StringIO()
    call_command("import_labels", "town", str(path), *options, stdout=said)
    return said.getvalue()


def refused(path: Path, *options: str) -> str:
    """Import what can't be, check that nothing came of it, and return what was said."""
    before = (Reader.objects.count(), User.objects.count(), Image.objects.count(), Label.objects.count())
    said = io.StringIO()
    with pytest.raises(CommandError) as failure:
        call_command("import_labels", "town", str(path), *options, stderr=said)
    assert before == (Reader.objects.count(), User.objects.count(), Image.objects.count(), Label.objects.count())
    return f"{said.getvalue()}{failure.value}"


def test_labels_keep_their_readers_their_history_and_their_times(photographed: Study, file: Path) -> None:
    assert "5 labels imported, 0 known already; 2 new readers, 0 new images" in import_labels(file)
    assert list(photographed.readers.values_list("code", "user__username")) == [
        ("R01", "town/dora@example.org"),
        ("R02", "town/emil@example.org"),
    ]
    changed = Assignment.objects.get(reader__code="R01", image__source_name="2018/b.jpg")
    assert list(changed.labels.values_list("version", "grade", "labeled_at")) == [
        (1, 3, datetime(2018, 5, 30, 9, 0, tzinfo=UTC)),
        (2, 1, datetime(2018, 5, 30, 9, 30, tzinfo=UTC)),
    ]
    assert (changed.version, changed.position, changed.is_done) == (2, 1, True)
    assert changed.labeled_at == datetime(2018, 5, 30, 9, 30, tzinfo=UTC)
    not_acne = Label.objects.get(assignment__image__source_name="c.jpg")
    assert (not_acne.grade, not_acne.not_gradable) == (None, NotGradable.NOT_ACNE)


@pytest.mark.parametrize(
    "written",
    [
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.encode("utf-16"),
        lambda text: f"sep=;\r\n{text.replace(',', ';')}".encode(),
        lambda text: text.replace(",", "\t").encode(),
        lambda text: text.replace("\n", ",,\n").encode(),
        lambda text: workbook(*(tuple(line.split(",")) for line in text.splitlines())),
    ],
    ids=["BOM", "UTF-16", "sep=", "tabs", "trailing empty columns", "workbook"],
)
def test_labels_are_read_as_spreadsheets_write_them(
    photographed: Study, file: Path, written: Callable[[str], bytes]
) -> None:
    file.write_bytes(written(file.read_text()))
    assert "5 labels imported" in import_labels(file)


def test_shared_images_are_the_golden_set(photographed: Study, file: Path) -> None:
    import_labels(file)
    golden = photographed.images.get(is_golden=True)
    assert golden.source_name == "a.jpg"
    assert [said.mean for said in consensus.golden_consensus(photographed)] == [3.0]
    ordinary = Assignment.objects.filter(image__is_golden=False)
    assert dict(ordinary.values_list("image__source_name", "reader__code")) == {"2018/b.jpg": "R01", "c.jpg": "R02"}
    photographed.refresh_from_db()
    assert photographed.golden_drawn_at
    assert photographed.dealt_at
    assert [(row.done, row.total) for row in map(progress.reader_progress, photographed.readers.all())] == [(2, 2)] * 2


def test_nobody_can_sign_in_as_an_imported_reader(photographed: Study, file: Path) -> None:
    import_labels(file)
    users = User.objects.filter(readerships__study=photographed)
    assert [(user.is_active, user.has_usable_password()) for user in users] == [(False, False)] * 2


def test_the_readers_count_what_was_imported(photographed: Study, file: Path) -> None:
    import_labels(file)
    found = [progress.reader_progress(reader) for reader in photographed.readers.order_by("code")]
    assert found == [progress.Progress(done=2, total=2), progress.Progress(done=2, total=2)]


def test_importing_again_changes_nothing(photographed: Study, file: Path) -> None:
    import_labels(file)
    stored = [list(model.objects.order_by("pk").values()) for model in (Label, Assignment, Image, Reader)]
    assert "0 labels imported, 5 known already; 0 new readers" in import_labels(file)
    assert stored == [list(model.objects.order_by("pk").values()) for model in (Label, Assignment, Image, Reader)]


def test_a_file_that_grew_adds_what_is_new(photographed: Study, file: Path) -> None:
    import_labels(file)
    write(file, *ROWS, "dora@example.org,c.jpg,Mild,2018-06-01 09:00:00,0", "fred,a.jpg,5,2018-06-01 09:00:00,yes")
    assert "2 labels imported, 5 known already; 1 new readers" in import_labels(file)
    assert Reader.objects.get(user__username="town/fred").code == "R03"
    added = Assignment.objects.get(reader__code="R01", image__source_name="c.jpg")
    assert (added.position, added.labels.get().grade) == (3, 3)


def test_history_does_not_change_afterwards(photographed: Study, file: Path) -> None:
    import_labels(file)
    write(file, *ROWS, "emil@example.org,a.jpg,5,2018-05-29 09:00:00,1")
    assert "line 7: a later label of this labeler and image was imported before" in refused(file)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("dora,a.jpg,6,2018-05-30 10:00:00,1", "the label '6' is neither 0 (Not acne) nor 1 (Clear)"),
        ("dora,a.jpg,²,2018-05-30 10:00:00,1", "the label '²' is neither"),
        ("dora,a.jpg,,2018-05-30 10:00:00,1", "the label '' is neither"),
        ("dora,a.jpg,2,yesterday,1", "the time 'yesterday' is not like"),
        ("dora,a.jpg,2,2999-05-30 10:00:00,1", "is in the future"),
        ("dora,a.jpg,2,2018-05-30 10:00:00,perhaps", "shared_image is 'perhaps'"),
        (",a.jpg,2,2018-05-30 10:00:00,1", "the labeler's name must have"),
        ("dora,,2,2018-05-30 10:00:00,1", "there is no image_name"),
        ("dora,a.jpg,2", "it has not 5 cells"),
        ("dora,a.jpg,2,2018-05-30 10:00:00,1,more", "it has not 5 cells"),
        ("dora,z.jpg,2,2018-05-30 10:00:00,1", "the study has no image z.jpg"),
        ("dora,a.jpg,2,2018-05-30 10:00:00,0", "shared_image of a.jpg is another one than in line 2"),
        ("emil@example.org,a.jpg,3,2018-05-30 09:00:00,1", "have another label in line 2"),
    ],
)
def test_a_bad_row_is_named_and_nothing_is_stored(photographed: Study, tmp_path: Path, row: str, reason: str) -> None:
    said = refused(write(tmp_path / "bad.csv", *ROWS, row))
    assert "line 7: " in said
    assert reason in said
    assert "1 row can't be imported, so nothing was." in said


def test_every_bad_row_is_named_in_the_files_order(photographed: Study, tmp_path: Path) -> None:
    rows = ["x,a.jpg,9,2018-05-30 10:00:00,1", ROWS[0], "x,a.jpg,9,2018-05-30 10:00:00,0", "x,a.jpg,1,never,1"]
    said = refused(write(tmp_path / "bad.csv", *rows))
    assert [line.split(":")[0] for line in said.splitlines()[:3]] == ["  line 2", "  line 4", "  line 5"]
    assert "3 rows can't be imported" in said


def test_a_name_that_two_images_have_is_refused(photographed: Study, file: Path) -> None:
    twin = builders.make_images(photographed, 1)[0]
    Image.objects.filter(pk=twin.pk).update(source_name="2019/b.jpg")
    assert "line 4: b.jpg: several files may be meant: 2018/b.jpg, 2019/b.jpg." in refused(file)


def test_a_copys_labels_are_its_images(photographed: Study, file: Path) -> None:
    known_names.keep_alias(photographed.images.get(source_name="c.jpg"), "Kopie von c.jpg")
    write(file, *ROWS, "dora@example.org,Kopie von c.jpg,2,2018-06-01 09:00:00,0")
    assert "6 labels imported" in import_labels(file)
    readers = Label.objects.filter(assignment__image__source_name="c.jpg").values_list("assignment__reader__code")
    assert sorted(readers) == [("R01",), ("R02",)]
    assert "0 labels imported, 6 known already" in import_labels(file)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("emil@example.org,Kopie von c.jpg,2,2018-06-01 09:00:00,1", "which has another shared_image"),
        ("emil@example.org,Kopie von c.jpg,2,2018-05-31 09:00:00,0", "gave both another label at the same time"),
    ],
)
def test_a_copy_of_which_other_things_are_said_is_named(photographed: Study, file: Path, row: str, why: str) -> None:
    known_names.keep_alias(photographed.images.get(source_name="c.jpg"), "Kopie von c.jpg")
    said = refused(write(file, *ROWS, row))
    assert "line 7: Kopie von c.jpg is the same file as c.jpg in line 6" in said
    assert why in said


def test_other_columns_than_the_layouts_are_asked_for(photographed: Study, tmp_path: Path) -> None:
    said = refused(write(tmp_path / "bad.csv", *ROWS, header="who,image_name,label,label_at,shared_image"))
    assert "there is no labeler" in said


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", f"{HEADER}\n".encode(), b"PK\x03\x04\x00\x00"])
def test_a_file_that_is_no_such_table_is_refused_with_a_sentence(
    photographed: Study, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    assert refused(path).endswith(".")
    assert "can't be read" in refused(tmp_path / "nowhere.csv")


def test_without_files_a_study_of_labels_is_made(empty: Study, file: Path) -> None:
    assert "or give --without-files" in refused(file)
    assert "2 new readers, 3 new images without a file" in import_labels(file, "--without-files")
    image = empty.images.get(source_name="a.jpg")
    assert not image.has_file
    assert image.content_hash.startswith("no-file:")
    assert image.is_golden
    assert "5 known already; 0 new readers, 0 new images" in import_labels(file, "--without-files")


def test_an_image_without_a_file_is_not_shown(client: Client, empty: Study, file: Path) -> None:
    import_labels(file, "--without-files")
    user = User.objects.get(username="town/dora@example.org")
    User.objects.filter(pk=user.pk).update(is_active=True)
    client.force_login(User.objects.get(pk=user.pk))
    assignment = Assignment.objects.filter(reader__user=user).earliest("pk")
    assert client.get(reverse("image", args=["town", assignment.public_id])).status_code == 404


def test_a_study_with_readers_of_its_own_takes_no_labels(ana: User, tmp_path: Path, file: Path) -> None:
    builders.make_study("town", readers=(ana,), images=3)
    assert "has readers of its own" in refused(file, "--without-files")


def test_a_study_whose_golden_set_is_drawn_takes_no_other(empty: Study, file: Path) -> None:
    Study.objects.update(golden_drawn_at=timezone.now() - timedelta(days=1))
    assert "has its golden set drawn" in refused(file, "--without-files")


def test_a_published_export_can_be_imported_into_another_study(empty: Study, file: Path, tmp_path: Path) -> None:
    import_labels(file, "--without-files")
    exported = tmp_path / "image_labels_new.csv"
    exported.write_bytes(b"".join(as_csv(PUBLISHED, empty)))
    other = builders.make_study("village")
    call_command("import_labels", "village", str(exported), "--without-files", stdout=io.StringIO())

    def facts(study: Study) -> list[tuple[object, ...]]:
        labels = Label.objects.filter(assignment__reader__study=study).order_by("labeled_at", "pk")
        fields = ("assignment__reader__code", "version", "grade", "labeled_at", "assignment__image__is_golden")
        return list(labels.values_list(*fields))

    assert facts(other) == facts(empty)


def test_one_labeler_is_one_however_their_name_is_composed(photographed: Study, tmp_path: Path) -> None:
    spelled = ("Zoë", unicodedata.normalize("NFD", "Zoë"), " Zo\u200bë\u00a0")
    rows = [f"{name},a.jpg,{n + 1},2018-05-30 0{n}:00:00,1" for n, name in enumerate(spelled)]
    assert "3 labels imported, 0 known already; 1 new readers" in import_labels(write(tmp_path / "l.csv", *rows))


def test_a_name_that_was_refused_first_is_imported_when_somebody_says_that_it_is_the_same(
    photographed: Study, file: Path
) -> None:
    for state in (IntakeFile.State.REFUSED, IntakeFile.State.IMPORTED):
        into = Intake.objects.create(study=photographed, source=Intake.Source.FOLDER)
        into.files.create(name="a.jpg", state=state)
    assert "was refused before" in refused(file)
    assert "5 labels imported" in import_labels(file, "--sent-again")
