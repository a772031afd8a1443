"""A folder of photographs becomes a study's images, and nothing half-made stays."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.utils import timezone
from PIL import Image as PillowImage

from labeler import intake
from labeler.models import Image, Study
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
    intake.import_folder(study=empty_study, folder=tmp_path)
    with default_storage.open(f"{empty_study.images.get().rendition}-full") as file:
        data = file.read()
    assert b"EXIF" not in data
    assert b"Phone Maker" not in data


def test_importing_again_adds_nothing(empty_study: Study, tmp_path: Path) -> None:
    photographs = {"IMG_1.jpg": builders.make_jpeg(1), "copy of IMG_1.jpg": builders.make_jpeg(1)}
    first = builders.import_photographs(empty_study, photographs, tmp_path)
    again = intake.import_folder(study=empty_study, folder=tmp_path)
    assert (first.imported, first.known) == (1, 1)
    assert (again.imported, again.known) == (0, 2)
    assert len(stored_files("originals")) == 1


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


def test_no_file_stays_when_its_row_is_refused(
    empty_study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scoring.images.content_hash", lambda _: "longer than the column" * 9)
    (tmp_path / "IMG_1.jpg").write_bytes(builders.make_jpeg(1))
    with pytest.raises(Exception, match="too long"):
        intake.import_folder(study=empty_study, folder=tmp_path)
    assert not stored_files("originals")
    assert not Image.objects.exists()


@pytest.mark.parametrize("folder", ["missing", "empty"])
def test_a_folder_without_photographs_is_one_sentence(empty_study: Study, tmp_path: Path, folder: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(CommandError, match=r"^(The folder|There is no photograph).*\.$"):
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
