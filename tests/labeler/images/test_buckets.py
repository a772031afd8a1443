"""Photographs come out of object storage, from where the operator allows; and all files may lie there."""

import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.test import Client

from labeler.images import buckets
from labeler.images.buckets import BucketError
from labeler.images.renditions import storage_name
from labeler.intake import uploads
from labeler.intake.file_names import clean
from labeler.intake.known_names import own_name
from labeler.models import Image, Intake, IntakeFile, Study
from scoring.photograph import decoding
from scoring.platform import blobs
from tests import builders, object_storage

PLACE = "s3://clinic/selfies"
PAGE = "/studies/acne/images/"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, object_storage.serve() as address:
        for name, value in object_storage.KEYS.items():
            patch.setenv(name, value)
        yield address


@pytest.fixture
def clinic(address: str, settings: Any) -> Any:
    """Return a bucket with three photographs, one of them out of bounds, and two files that are none."""
    settings.S3_ENDPOINT, settings.INTAKE_PLACES = address, [PLACE]
    buckets._storage.cache_clear()
    bucket = object_storage.bucket(address, "clinic")
    for number, name in enumerate(("selfies/selfie_1.jpg", "selfies/day 2/selfie_2.JPG", "private/selfie_3.jpg")):
        bucket.put_object(Key=name, Body=builders.make_jpeg(number))
    bucket.put_object(Key="selfies/broken.jpg", Body=b"<html>no photograph</html>")
    bucket.put_object(Key="selfies/notes.txt", Body=b"hello")
    return bucket


def names(study: Study) -> list[str]:
    return sorted(study.images.filter(source_name__contains="selfie_").values_list("source_name", flat=True))


def test_the_command_imports_what_lies_at_a_place_and_again_nothing(clinic: Any, db: None) -> None:
    study = builders.make_study()
    said = builders.command_output("import_images", study.slug, PLACE)
    assert said.startswith("2 imported, 0 known already, 2 refused.")
    assert names(study) == ["day 2/selfie_2.JPG", "selfie_1.jpg"]
    assert builders.command_output("import_images", study.slug, PLACE).startswith("0 imported, 2 known already")


def test_a_page_imports_a_folder_below_an_allowed_place(clinic: Any, as_olga: Client, study: Study) -> None:
    assert PLACE in as_olga.get(PAGE).content.decode()
    as_olga.post(f"{PAGE}place/", {"place": f"{PLACE}/day 2"})
    into = Intake.objects.get()
    uploads.import_waiting(into)
    assert names(study) == ["selfie_2.JPG"]
    assert as_olga.get(f"/studies/acne/imports/{into.pk}/now.json").json()["is_over"]


@pytest.mark.parametrize(
    "place", ["s3://clinic", "s3://clinic/private", "s3://clinic/self", "s3://clinic/selfies2", "s3://other/selfies"]
)
def test_no_other_place_is_read(clinic: Any, as_olga: Client, study: Study, place: str) -> None:
    answer = as_olga.post(f"{PAGE}place/", {"place": place}, follow=True)
    assert b"not among the places" in answer.content
    assert not Intake.objects.exists()


def test_a_name_is_taken_as_it_is(clinic: Any, study: Study) -> None:
    odd = ("selfie_a//selfie_1.jpg", "../private/selfie_3.jpg", "selfie_+ %2F é?#.jpg")
    for number, name in enumerate(odd, start=10):
        clinic.put_object(Key=f"selfies/{name}", Body=builders.make_jpeg(number))
    uploads.import_waiting(uploads.begin_bucket(study=study, place=PLACE, by=None))
    assert names(study) == sorted([*odd, "day 2/selfie_2.JPG", "selfie_1.jpg"])
    out_of_bounds = decoding.content_hash(builders.make_jpeg(2))
    assert not study.images.filter(content_hash=out_of_bounds).exists()


def test_a_bucket_and_a_folder_of_the_same_files_make_the_same_study(clinic: Any, db: None, tmp_path: Path) -> None:
    files = {
        unicodedata.normalize("NFD", "Müller/selfie_1.jpg"): builders.make_jpeg(21),
        "Müller/Kopie von selfie_1.jpg": builders.make_jpeg(21),
        "Zoë/selfie_1.jpg": builders.make_jpeg(22),
        "Zoë/leer.jpg": b"",
        "Zoë/groß.jpg": b"\xff\xd8" + bytes(decoding.MAX_SELFIE_BYTES),
        "Zoë/._selfie_1.jpg": b"\0\5\x16\7",
        ".DS_Store": b"Bud1",
        "Müller/Thumbs.db": b"\xd0\xcf",
        "__MACOSX/Zoë/selfie_9.jpg": builders.make_jpeg(23),
    }
    for name, data in files.items():
        clinic.put_object(Key=f"selfies/praxis/{name}", Body=data)
        place = tmp_path / "praxis" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    made = []
    for slug, where in (("far", f"{PLACE}/praxis"), ("near", str(tmp_path / "praxis"))):
        study = builders.make_study(slug)
        said = builders.command_output("import_images", slug, where)
        assert said.startswith("2 imported, 1 known already, 2 refused.")
        table = "file,subject,consent\nMüller/selfie_1.jpg,P1,none\nKopie von selfie_1.jpg,P1,\nZoë/leer.jpg,P2,none\n"
        report = builders.join_metadata(study, f"{table}selfie_1.jpg,P3,all\n")
        images = study.images.order_by("content_hash").values_list("content_hash", "subject", "may_be_graded")
        named = [{image.source_name, *image.aliases.values_list("name", flat=True)} for image in study.images.all()]
        refused = IntakeFile.objects.filter(intake__study=study, state="refused")
        made.append(
            (
                list(images),
                sorted(map(sorted, named)),
                sorted((clean(own_name(file)), file.reason) for file in refused),
                [(row.name, row.why) for row in report.refused],
            )
        )
    assert made[0] == made[1]


class Film(BaseHTTPRequestHandler):
    """Answers any question with a large file, and counts what of it is taken."""

    SIZE = 256 * 2**20  # bytes
    taken = 0

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(self.SIZE))
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        with suppress(ConnectionError):
            while Film.taken < self.SIZE:
                Film.taken += self.wfile.write(bytes(2**16))


def test_of_a_large_file_not_much_more_is_fetched_than_a_photograph_may_have(clinic: Any, settings: Any) -> None:
    server = HTTPServer(("127.0.0.1", 0), Film)
    thread = Thread(target=server.serve_forever)
    thread.start()
    settings.S3_ENDPOINT = f"http://127.0.0.1:{server.server_port}"
    settings.INTAKE_MAX_BYTES = 20 * 2**20
    buckets._storage.cache_clear()
    try:
        data = buckets.read(buckets.find(PLACE), "film.mov")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert len(data) == settings.INTAKE_MAX_BYTES + 1
    assert Film.taken < 2 * settings.INTAKE_MAX_BYTES


def test_what_is_empty_or_over_a_limit_is_named_and_counted(clinic: Any, study: Study, settings: Any) -> None:
    settings.INTAKE_MAX_BYTES, settings.INTAKE_MAX_PIXELS = 2**20, 10**6
    clinic.put_object(Key="selfies/empty.jpg", Body=b"")
    clinic.put_object(Key="selfies/heavy.jpg", Body=builders.make_jpeg(8) + bytes(2**20))
    clinic.put_object(Key="selfies/wide.jpg", Body=builders.make_jpeg(9, size=(1500, 1000)))
    into = uploads.begin_bucket(study=study, place=PLACE, by=None)
    uploads.import_waiting(into)
    said = {refusal.name.rpartition("/")[2]: refusal.reason for refusal in uploads.report(into).refused}
    assert said.pop("empty.jpg") == "This file is empty."
    assert said.pop("heavy.jpg") == "This file is larger than 1 MB. Send a smaller version."
    assert said.pop("wide.jpg") == "This image has more than 1 million pixels. Send a smaller version."


@pytest.mark.parametrize("place", ["", "clinic/selfies", "https://clinic/selfies", "s3:///selfies", "s3://clinic/a?b"])
def test_what_is_no_place_is_said_so(place: str) -> None:
    with pytest.raises(BucketError, match="no place in object storage"):
        buckets.Place.parse(place)


def test_an_import_that_lost_its_worker_goes_on(clinic: Any, olga: Any, study: Study) -> None:
    into = uploads.begin_bucket(study=study, place=PLACE, by=olga)
    listing = uploads._take(into)
    assert listing is not None
    uploads._unpack(listing)  # and then its worker is lost, with one file of three
    assert uploads._take(into) is not None
    into.files.update(lease_until=None)
    uploads.import_waiting(into)
    assert names(study) == ["day 2/selfie_2.JPG", "selfie_1.jpg"]
    assert not uploads.waiting(into)


def test_a_bucket_that_is_not_there_is_said_so(clinic: Any, db: None, settings: Any) -> None:
    settings.INTAKE_PLACES = ["s3://nowhere"]
    with pytest.raises(CommandError, match="No file could be imported"):
        call_command("import_images", builders.make_study().slug, "s3://nowhere")
    assert "NoSuchBucket" in Intake.objects.get().files.get().reason


def test_all_files_may_lie_in_object_storage(clinic: Any, address: str, db: None, settings: Any) -> None:
    options = {"bucket_name": "files", "endpoint_url": address, "file_overwrite": True}
    object_storage.bucket(address, "files")
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options},
    }
    study = builders.make_study()
    call_command("import_images", study.slug, PLACE)
    image = Image.objects.get(source_name="selfie_1.jpg")
    assert blobs.read(image.original) == builders.make_jpeg(0)
    assert storages["default"].exists(storage_name(image.rendition, "full"))
    blobs.write("features/one", b"first")
    blobs.write("features/one", b"second")
    assert (blobs.read("features/one"), blobs.files("features")) == (b"second", ["one"])
    with pytest.raises(FileNotFoundError):
        blobs.read("features/none")
