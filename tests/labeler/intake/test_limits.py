"""Studies take what phones and cameras make, and name what is over a limit, by whatever way it comes."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image as PillowImage

from labeler.images import thumbnails
from labeler.intake import importing, uploads
from labeler.intake.importing import ImportReport
from labeler.models import Intake, Study, User
from scoring.photograph import decoding
from tests import builders
from training.fitting.dataset import GoldenImage

MEGABYTE = 2**20
FILES = {
    "fine.jpg": builders.make_jpeg(2),
    "empty.jpg": b"",
    "heavy.jpg": builders.make_jpeg(3) + bytes(MEGABYTE),
    "wide.jpg": builders.make_jpeg(4, size=(1500, 1000)),
}
SAID = {
    "empty.jpg": "is empty.",
    "heavy.jpg": "is larger than 1 MB. Send a smaller version.",
    "wide.jpg": "has more than 1 million pixels. Send a smaller version.",
}
Way = Callable[[Study, User, Path], ImportReport]


def by_folder(study: Study, by: User, folder: Path) -> ImportReport:
    del by
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    return importing.import_folder(study=study, folder=folder)


def by_zip(study: Study, by: User, folder: Path) -> ImportReport:
    del by
    (folder / "all.zip").write_bytes(builders.make_zip(FILES))
    return importing.import_folder(study=study, folder=folder / "all.zip")


def by_browser(study: Study, by: User, folder: Path) -> ImportReport:
    """As the page's script sends them, one a request."""
    del folder
    client = builders.sign_in(Client(), by)
    upload = client.post(f"/studies/{study.slug}/images/begin/").json()["upload"]
    for name, data in FILES.items():
        piece = f"{upload}?name={name}&size={len(data)}&offset=0"
        client.post(piece, data, content_type="application/octet-stream")
    return finished(study)


def by_form(study: Study, by: User, folder: Path) -> ImportReport:
    del folder
    files = [SimpleUploadedFile(name, data) for name, data in FILES.items()]
    builders.sign_in(Client(), by).post(f"/studies/{study.slug}/images/", {"files": files})
    return finished(study)


def by_zip_in_browser(study: Study, by: User, folder: Path) -> ImportReport:
    del folder
    packed = SimpleUploadedFile("all.zip", builders.make_zip(FILES))
    builders.sign_in(Client(), by).post(f"/studies/{study.slug}/images/", {"files": [packed]})
    return finished(study)


def finished(study: Study) -> ImportReport:
    into = study.intakes.get()
    uploads.finish(into)
    uploads.import_waiting(into)
    return uploads.report(into)


@pytest.fixture
def study(olga: User) -> Study:
    made = builders.make_study()
    made.admins.add(olga)
    return made


@pytest.mark.parametrize("way", [by_folder, by_zip, by_browser, by_form, by_zip_in_browser])
def test_what_is_empty_or_over_a_limit_is_named_and_counted(
    study: Study, olga: User, tmp_path: Path, settings: Any, way: Way
) -> None:
    settings.INTAKE_MAX_BYTES, settings.INTAKE_MAX_PIXELS = MEGABYTE, 10**6
    report = way(study, olga, tmp_path)
    assert (report.imported, report.files) == (1, 4)
    said = {refusal.name.rpartition("/")[2]: refusal.reason for refusal in report.refused}
    assert said.keys() == SAID.keys()
    for name, sentence in SAID.items():
        assert said[name].endswith(sentence), said[name]
    assert study.intakes.get().files.filter(state="refused").count() == 3


def test_a_file_that_no_page_could_ever_send_is_named_too(study: Study, olga: User) -> None:
    client = builders.sign_in(Client(), olga)
    upload = client.post(f"/studies/{study.slug}/images/begin/").json()["upload"]
    sent = client.post(f"{upload}?name=film.mov&size={2**45}&offset=0", b"x", content_type="application/octet-stream")
    assert (sent.status_code, sent.json()["detail"][:23]) == (422, "film.mov is larger than")
    assert Intake.objects.get().files.get().name == "film.mov"


def test_a_photograph_of_108_megapixels_is_imported_and_used(study: Study, tmp_path: Path) -> None:
    """Its file stays as it came; what is shown, measured and learned from has a quarter of its pixels."""
    tile = PillowImage.open(io.BytesIO(builders.make_jpeg(1, size=(3000, 4000))))
    picture = PillowImage.new("RGB", (9000, 12000))
    for left in range(0, 9000, 3000):
        for top in range(0, 12000, 4000):
            picture.paste(tile, (left, top))
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=85)
    del picture
    (tmp_path / "108.jpg").write_bytes(stream.getvalue())
    report = importing.import_folder(study=study, folder=tmp_path)
    assert report.imported == 1, report.refused
    image = study.images.get()
    assert (image.width, image.height) == (4500, 6000)
    with default_storage.open(image.original) as file:
        original = file.read()
    assert original == stream.getvalue()
    assert image.content_hash == decoding.content_hash(original)
    assert default_storage.exists(thumbnails.storage_name(image))
    learned = GoldenImage(image.content_hash, image.original, image.turn, {}).selfie.pixels
    assert learned.shape == (6000, 4500, 3)
    middle = learned[:2000, :1500].astype(int) - np.asarray(tile.resize((1500, 2000), PillowImage.Resampling.BOX))
    assert np.abs(middle).mean() < 4
