"""A folder of photographs becomes a study's images, and nothing half-made stays."""

import io
import os
import unicodedata
from io import StringIO
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.utils import timezone
from PIL import Image as PillowImage

from labeler.images import preprocessing
from labeler.intake import importing, uploads
from labeler.models import Image, Study, User
from labeler.screening import prescreen
from tests import builders


@pytest.fixture
def empty_study(db: None) -> Study:
    return builders.make_study()


def stored_files(kind: str) -> list[Path]:
    return [path for path in Path(default_storage.path(kind)).rglob("*") if path.is_file()]


def test_a_photograph_becomes_an_image_with_a_rendition(empty_study: Study, tmp_path: Path) -> None:
    builders.import_photographs(empty_study, {"IMG_1.jpg": builders.make_jpeg(1)}, tmp_path)
    image = empty_study.images.get()
    assert (image.source_name, image.width, image.height) == ("IMG_1.jpg", 96, 128)
    with default_storage.open(f"{image.rendition}-full") as file, PillowImage.open(file) as rendition:
        assert (rendition.format, rendition.size) == ("WEBP", (96, 128))


def test_a_rendition_carries_no_metadata(empty_study: Study, tmp_path: Path) -> None:
    exif = PillowImage.Exif()
    exif[0x010F] = "Phone Maker"
    exif.get_ifd(0x8825)[1] = "N"
    PillowImage.new("RGB", (400, 300), "tan").save(tmp_path / "gps.jpg", exif=exif)
    importing.import_folder(study=empty_study, folder=tmp_path)
    with default_storage.open(f"{empty_study.images.get().rendition}-full") as file:
        data = file.read()
    assert b"EXIF" not in data
    assert b"Phone Maker" not in data


def test_importing_again_adds_nothing(empty_study: Study, tmp_path: Path) -> None:
    photographs = {"IMG_1.jpg": builders.make_jpeg(1), "copy of IMG_1.jpg": builders.make_jpeg(1)}
    first = builders.import_photographs(empty_study, photographs, tmp_path)
    again = importing.import_folder(study=empty_study, folder=tmp_path)
    assert (first.imported, first.known) == (1, 1)
    assert (again.imported, again.known) == (0, 2)
    assert len(stored_files("originals")) == 1


def test_the_command_names_copies_and_what_it_refused_keeps_its_row(empty_study: Study, tmp_path: Path) -> None:
    for patient in "AB":
        (tmp_path / f"Patient {patient}").mkdir()
    (tmp_path / "Patient A" / "IMG_0001.jpg").write_bytes(builders.make_jpeg(1))
    (tmp_path / "Patient A" / "Kopie.jpg").write_bytes(builders.make_jpeg(1))
    (tmp_path / "Patient B" / "IMG_0001.jpg").write_bytes(b"no photograph")
    said = builders.command_output("import_images", "acne", str(tmp_path))
    assert "Patient A/Kopie.jpg: It is the same file as Patient A/IMG_0001.jpg." in said
    report = builders.join_metadata(
        empty_study, "file,subject,sex\nPatient A/Kopie.jpg,P1,f\nPatient B/IMG_0001.jpg,P2,m\nIMG_0001.jpg,P3,m\n"
    )
    image = empty_study.images.get()
    assert (image.subject, image.metadata) == ("P1", {"sex": "f"})
    assert [row.line for row in report.refused] == [3, 4]


def test_the_same_files_by_zip_by_command_and_by_browser_join_the_same_rows(
    db: None, olga: User, tmp_path: Path
) -> None:
    photographs = {f"Patient {letter}/Grün {n}.jpg": builders.make_jpeg(n) for n, letter in enumerate("ABC")}
    photographs["Patient A/Grün 1.jpg"] = photographs["Patient B/Grün 1.jpg"]
    photographs["Patient C/Grün 0.jpg"] = b"no photograph"
    stored = {unicodedata.normalize("NFD", name): data for name, data in photographs.items()}
    (tmp_path / "all.zip").write_bytes(builders.make_zip(stored))
    for name, data in stored.items():
        (tmp_path / "Klinik" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "Klinik" / name).write_bytes(data)
    for way in ("zip", "folder", "browser", "browser-zip"):
        study = builders.make_study(way)
        if way in {"zip", "folder"}:
            importing.import_folder(study=study, folder=tmp_path / {"zip": "all.zip", "folder": "Klinik"}[way])
        else:
            into = uploads.begin(study=study, by=olga)
            sent = {"Klinik.zip": (tmp_path / "all.zip").read_bytes()}
            for name, data in (sent if way == "browser-zip" else {f"Klinik/{n}": d for n, d in stored.items()}).items():
                uploads.receive(into, name=name, size=len(data), offset=0, body=io.BytesIO(data))
            uploads.finish(into)
            uploads.import_waiting(into)
    table = "file,subject\n" + "".join(f"{name},{number}\n" for number, name in enumerate(photographs))
    joined = {}
    for study in Study.objects.all():
        report = builders.join_metadata(study, table)
        people = sorted(study.images.values_list("content_hash", "subject"))
        joined[study.slug] = (people, [(row.line, row.why[:20]) for row in report.refused])
    assert len({str(what) for what in joined.values()}) == 1, joined


def test_what_is_no_photograph_is_refused_by_name_and_leaves_nothing(empty_study: Study, tmp_path: Path) -> None:
    whole = builders.make_jpeg(1)
    files = {
        "note.jpg": b"<html>hello</html>",
        "cut.jpg": whole[: len(whole) // 2],
        "good.jpg": whole,
        "empty.png": b"",
    }
    report = builders.import_photographs(empty_study, files, tmp_path)
    assert report.imported == 1
    assert {refusal.name for refusal in report.refused} == {"note.jpg", "cut.jpg", "empty.png"}
    assert all(refusal.reason.endswith(".") for refusal in report.refused)
    assert len(stored_files("originals")) == len(stored_files("renditions")) == 1


def test_every_file_of_a_folder_is_imported_or_listed(empty_study: Study, tmp_path: Path) -> None:
    files = {"no suffix": builders.make_jpeg(1), "notes.txt": b"hello", ".DS_Store": b"hidden"}
    report = builders.import_photographs(empty_study, files, tmp_path)
    assert report.imported == 1
    assert [refusal.name for refusal in report.refused] == ["notes.txt"]


def test_a_name_that_is_no_text_does_not_stop_an_import(empty_study: Study, tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/M\xfcller.jpg")).write_bytes(builders.make_jpeg(1))
    report = builders.import_photographs(empty_study, {"IMG_2.jpg": builders.make_jpeg(2)}, tmp_path)
    assert report.imported == 2
    assert empty_study.images.filter(source_name="M\ufffdller.jpg").exists()


def test_an_image_keeps_to_the_limits_from_its_import_on(empty_study: Study, tmp_path: Path) -> None:
    prescreen.set_limits(study=empty_study, limits={"short_side": (100, None)}, by=None)
    small, large = builders.make_jpeg(1), builders.make_jpeg(2, size=(120, 160))
    importing.import_photograph(study=empty_study, data=small, name="small.jpg")
    importing.import_photograph(study=empty_study, data=large, name="large.jpg")
    assert dict(empty_study.images.values_list("source_name", "is_kept")) == {"small.jpg": False, "large.jpg": True}


def test_several_processes_import_what_one_would(empty_study: Study, tmp_path: Path) -> None:
    photographs = {f"IMG_{n:02}.jpg": builders.make_jpeg(n) for n in range(2 * importing.WORTH_A_PROCESS)}
    photographs |= {"copy.jpg": photographs["IMG_00.jpg"], "cut.jpg": photographs["IMG_01.jpg"][:500]}
    for name, data in photographs.items():
        (tmp_path / name).write_bytes(data)
    heard: list[tuple[int, int]] = []
    report = importing.import_folder(
        study=empty_study, folder=tmp_path, processes=2, on_file=lambda *now: heard.append(now)
    )
    assert (report.imported, report.known, [one.name for one in report.refused]) == (50, 1, ["cut.jpg"])
    assert heard == [(done, 52) for done in range(1, 53)]
    image = empty_study.images.get(source_name="IMG_07.jpg")
    alone = preprocessing.prepare(photographs["IMG_07.jpg"])
    assert bytes(image.measurement.fingerprint) == alone.measures.fingerprint
    with default_storage.open(f"{image.rendition}-full") as file:
        assert file.read() == alone.renditions["full"]


def test_a_command_says_how_far_it_is(empty_study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(20):
        (tmp_path / f"IMG_{number}.jpg").write_bytes(builders.make_jpeg(number))
    call_command("import_images", "acne", str(tmp_path))
    said = capsys.readouterr()
    assert said.err.splitlines() == [f"Imported: {done} of 20" for done in range(2, 21, 2)]
    assert said.out == "20 imported, 0 known already, 0 refused.\n"


def test_no_file_stays_when_its_row_is_refused(
    empty_study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scoring.photograph.decoding.content_hash", lambda _: "longer than the column" * 9)
    (tmp_path / "IMG_1.jpg").write_bytes(builders.make_jpeg(1))
    with pytest.raises(Exception, match="too long"):
        importing.import_folder(study=empty_study, folder=tmp_path)
    assert not stored_files("originals")
    assert not Image.objects.exists()


@pytest.mark.parametrize("folder", ["missing", "empty"])
def test_a_folder_without_photographs_is_one_sentence(empty_study: Study, tmp_path: Path, folder: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CommandError, match=r"^(The folder|There is no file in).*\.$"):
        call_command("import_images", "acne", str(tmp_path / folder))


def test_an_unknown_study_is_one_sentence(empty_study: Study, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"There is no study acme \(known: acne\)"):
        call_command("import_images", "acme", str(tmp_path))


def test_a_closed_study_takes_no_more_images(study: Study, tmp_path: Path) -> None:
    Study.objects.filter(pk=study.pk).update(closed_at=timezone.now())
    with pytest.raises(CommandError, match="was closed"):
        call_command("import_images", "acne", str(tmp_path))


def test_a_photograph_is_measured_as_it_comes(empty_study: Study, tmp_path: Path) -> None:
    builders.import_photographs(empty_study, {"IMG_1.jpg": builders.make_jpeg(1)}, tmp_path)
    assert empty_study.images.get().measurement.short_side == 96


def test_a_study_is_set_up_by_commands_alone(db: None, tmp_path: Path) -> None:
    for seed in range(4):
        (tmp_path / f"IMG_{seed}.jpg").write_bytes(builders.make_jpeg(seed))
    said = StringIO()
    call_command("create_study", "town", "The town study", stdout=said)
    call_command("import_images", "town", str(tmp_path), stdout=said)
    call_command("add_reader", "town", "dora", stdout=said)
    call_command("draw_golden", "town", "2", stdout=said)
    call_command("deal_folds", "town", stdout=said)
    assert "R01: 2 ordinary + 2 golden images" in said.getvalue()
