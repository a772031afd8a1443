"""After an erasure nothing of a person is left but what was said of their images, and everything still adds up."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage, default_storage
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.test import Client
from django.utils import timezone

from labeler.exchange import export
from labeler.images import consents, thumbnails
from labeler.intake import importing
from labeler.models import (
    Alias,
    Assignment,
    AtlasPicture,
    AuditEvent,
    ErasedImage,
    Erasure,
    Image,
    Intake,
    IntakeFile,
    Label,
    Measurement,
    Reader,
    SimilarPair,
    Study,
    User,
)
from labeler.privacy import erasing, retention_erasures
from labeler.record import ledger, ledger_check, pseudonyms
from labeler.studies import atlas, retention
from scoring.photograph import decoding
from scoring.photograph.decoding import Selfie
from scoring.platform import jobs
from scoring.regressor import feature_store, recipes
from tests import builders, object_storage
from tests.labeler.record.test_ledger import every_right, seal
from tests.training.builders import give_grade, photographed_study

SUBJECT = "Grace Hopper"
REASON = "She asked for it on 3 May."


@pytest.fixture
def graded(ana: User, ben: User, olga: User, tmp_path: Path) -> Study:
    """Return a graded study of 8 photographs, two of them of one person, with everything that is made of such."""
    study = photographed_study((ana, ben), tmp_path / "photographs", images=8, golden_size=3)
    study.admins.add(olga)
    golden, ordinary = (study.images.filter(is_golden=flag).earliest("pk") for flag in (True, False))
    study.images.filter(pk__in=[golden.pk, ordinary.pk]).update(subject=SUBJECT, metadata={"eyes": "grey"})
    consents.record(study=study, subject=SUBJECT, scopes=["grading", "training"], by=olga)
    give_grade(golden.assignments.earliest("pk"), not_gradable="other")
    assignment = golden.assignments.latest("pk")
    Label.objects.create(
        submission="a6a5e1c4-92e7-4b4c-8a52-dc1f6e5fbb2f",
        assignment=assignment,
        version=assignment.version + 1,
        grade=2,
        note="Tattoo: Grace",
    )
    Assignment.objects.filter(pk=assignment.pk).update(version=F("version") + 1, is_done=True)
    for image in of_her(study):
        thumbnails.storage_name(image)
        feature_store.describe(Selfie.of(blob(image.original)), recipes.ms2019("resnet50"))
        into = Intake.objects.create(study=study, source=Intake.Source.UPLOAD)
        IntakeFile.objects.create(intake=into, name=f"holiday.zip/{image.source_name}", state="imported")
    atlas.add_picture(level=study.grade_levels.get(value=2), pixels=decoding.decode(blob(golden.original)))
    atlas.add_picture(level=study.grade_levels.get(value=2), pixels=decoding.decode(builders.make_jpeg(99)))
    SimilarPair.objects.create(first=min(golden, ordinary, key=pk), second=max(golden, ordinary, key=pk), distance=3)
    of_her(study).update(cluster=min(golden.pk, ordinary.pk))
    seal()
    return study


def pk(image: Image) -> int:
    return image.pk


def blob(name: str) -> bytes:
    with default_storage.open(name) as file:
        return bytes(file.read())


def of_her(study: Study) -> Any:
    return study.images.filter(subject=SUBJECT).order_by("pk")


def ask(study: Study, *, by: User | None = None) -> Erasure:
    return erasing.request_subject(study=study, subject=SUBJECT, reason=REASON, by=by)


def do(erasure: Erasure) -> Erasure:
    claimed = jobs.claim(Erasure, erasure.pk)
    assert claimed is not None
    erasing.erase(claimed)
    return claimed


def everything_stored(folder: str = "") -> Iterator[tuple[str, bytes]]:
    folders, files = default_storage.listdir(folder)
    for name in files:
        yield f"{folder}/{name}", blob(f"{folder}/{name}")
    for name in folders:
        yield from everything_stored(f"{folder}/{name}".strip("/"))


def assert_nothing_is_left(study: Study, erasure: Erasure, originals: dict[str, bytes]) -> None:
    erased = {file["sha256"] for one in erasure.images.all() for file in one.files or []}
    assert len(erased) >= 8
    for name, data in everything_stored():
        assert hashlib.sha256(data).hexdigest() not in erased, name
        assert not any(original[-400:-100] in data for original in originals.values()), name
        assert not any(content_hash in name for content_hash in originals), name
    for content_hash in originals:
        assert feature_store.stored(content_hash) == []


def test_nothing_of_the_person_is_left_in_storage(graded: Study, olga: User) -> None:
    originals = {image.content_hash: blob(image.original) for image in of_her(graded)}
    kinds = {"original": 2, "rendition": 2, "thumbnail": 2, "embeddings": 2, "atlas picture": 1}
    others = graded.images.exclude(subject=SUBJECT)
    before = {image.pk: blob(image.original) for image in others}
    erasure = do(ask(graded, by=olga))
    assert erasure.certificate["totals"]["by_kind"] == kinds  # type: ignore[index]
    assert_nothing_is_left(graded, erasure, originals)
    assert {image.pk: blob(image.original) for image in others} == before
    assert AtlasPicture.objects.count() == 1


def test_the_rows_forget_who_it_was(graded: Study) -> None:
    names = [image.source_name for image in of_her(graded)]
    erased = list(of_her(graded).values_list("pk", flat=True))
    erasure = do(ask(graded))
    for image in graded.images.filter(pk__in=erased):
        assert (image.subject, image.metadata, image.original, image.rendition) == ("", {}, "", "")
        assert (image.source_name, image.cluster, image.is_erased) == (f"erased-{image.pk}", None, True)
    assert not Measurement.objects.filter(image__in=erased).exists()
    assert not SimilarPair.objects.exists()
    everything = json.dumps([erasure.certificate, [one.files for one in ErasedImage.objects.all()]])
    log = " ".join(AuditEvent.objects.values_list("detail", flat=True))
    imports = " ".join(IntakeFile.objects.values_list("name", flat=True))
    said = " ".join(consents.latest(graded).values_list("subject", flat=True))
    for name in (*names, SUBJECT, "Grace"):
        assert name not in everything + log + imports + said + json.dumps(
            list(Label.objects.values("note")), default=str
        )
    assert consents.latest(graded).get().subject == pseudonyms.of_subject(graded, SUBJECT) == erasure.subject
    assert consents.latest(graded).get().scopes == []


def test_labels_stay_and_the_ledger_holds(graded: Study) -> None:
    labels = Label.objects.count()
    erasure = do(ask(graded))
    seal()
    assert Label.objects.count() == labels
    assert erasure.certificate["totals"]["notes_erased"] == 1  # type: ignore[index]
    assert ledger_check.inspect(files=False).findings == []
    event = AuditEvent.objects.get(action=erasing.ACTION)
    assert event.reason == REASON
    assert ledger.blocks(graded).latest("number").events_until >= event.pk


def test_a_note_goes_with_its_image_only(graded: Study) -> None:
    label = Label.objects.exclude(note="").get()
    with pytest.raises(IntegrityError, match="only ever added"), transaction.atomic():
        Label.objects.filter(pk=label.pk).update(note="")
    with connection.cursor() as cursor:
        cursor.execute("SELECT labeler_erase_notes(%s)", [label.assignment.image_id])
        assert cursor.fetchone() == (0,)
    ask(graded)
    with pytest.raises(IntegrityError, match="only ever added"), transaction.atomic():
        Label.objects.filter(pk=label.pk).update(note="Another")
    with every_right():
        Label.objects.filter(pk=label.pk).update(note="Another")
    seal()
    assert len(ledger_check.inspect(files=False).findings) == 1


def test_nobody_is_shown_an_image_from_the_moment_it_is_asked_for(
    graded: Study, as_ana: Client, as_olga: Client, ana: User
) -> None:
    image = of_her(graded).filter(is_golden=True).get()
    public_id = image.assignments.get(reader__user=ana).public_id
    addresses = [f"/studies/acne/images/{image.pk}/picture/", f"/studies/acne/images/{image.pk}/picture/?size=full"]
    for address in addresses:
        assert b"".join(as_olga.get(address).streaming_content)  # type: ignore[attr-defined]
    erasure = ask(graded)
    for _ in ("asked for", "done"):
        assert as_ana.get(f"/read/acne/{public_id}/image/").status_code == 410
        for address in addresses:
            answer = as_olga.get(address)
            assert (answer.status_code, answer["Cache-Control"]) == (410, "private, no-store")
        if erasure.certificate is None:
            erasure = do(erasure)
    assert b"was erased" in as_olga.get(f"/studies/acne/images/{image.pk}/").content


def test_the_same_photograph_does_not_come_back(graded: Study) -> None:
    data = blob(of_her(graded)[0].original)
    do(ask(graded))
    assert not importing.import_photograph(study=graded, data=data, name="again.jpg")
    assert graded.images.count() == 8


def test_the_names_of_copies_are_erased_too(graded: Study, tmp_path: Path) -> None:
    (tmp_path / "copies").mkdir()
    (tmp_path / "copies" / "Kopie von Grace.jpg").write_bytes(blob(of_her(graded)[0].original))
    importing.import_folder(study=graded, folder=tmp_path / "copies")
    assert Alias.objects.get().name == "Kopie von Grace.jpg"
    do(ask(graded))
    assert not Alias.objects.exists()
    kept = [f"{file.name} {file.came_as} {file.reason}" for file in IntakeFile.objects.all()]
    assert not any("Grace" in line for line in kept)


class BreakingStorage(FileSystemStorage):
    """A folder whose disk fails at a certain deletion."""

    deletions_left = 0

    def delete(self, name: str) -> None:
        if BreakingStorage.deletions_left == 0:
            raise OSError("The disk is gone.")
        BreakingStorage.deletions_left -= 1
        super().delete(name)


def test_a_row_of_an_erased_person_is_not_joined_to_another_of_the_same_name(db: None, tmp_path: Path) -> None:
    study = builders.make_study()
    for number, person in enumerate(("Ada", "Bea"), start=1):
        (tmp_path / person).mkdir()
        builders.import_photographs(study, {"IMG_1.jpg": builders.make_jpeg(number)}, tmp_path / person)
    ada, bea = study.images.all()
    importing.same_file(study, builders.make_jpeg(1), "Kopien/Ada heiter.jpg")
    (tmp_path / "Ada" / "IMG_2.jpg").write_bytes(b"no photograph")
    importing.import_folder(study=study, folder=tmp_path / "Ada")
    asked = erasing.request(study=study, images=study.images.filter(pk=ada.pk), reason=REASON, by=None)
    table = "file,subject,consent\nIMG_1.jpg,Ada,all\n"
    assert builders.join_metadata(study, table).exact == 0  # from the moment it is asked for
    do(asked)
    importing.import_photograph(study=study, data=builders.make_jpeg(3), name="Kopien/Ada heiter.jpg")
    for name in ("IMG_1.jpg", "Kopien/Ada heiter.jpg", "Ada heiter.JPG"):
        report = builders.join_metadata(study, f"file,subject,consent\n{name},Ada,all\n")
        assert (report.exact, report.alike) == (0, 0), name
        assert "erased" in report.refused[0].why
    assert not study.images.filter(subject="Ada").exists()
    again = builders.make_jpeg(1)  # the erased bytes, under a name that Bea's has too
    assert not importing.import_photograph(study=study, data=again, name="Neu/1.jpg")
    importing.same_file(study, again, "Neu/1.jpg")
    Image.objects.filter(pk=bea.pk).update(source_name="Bea/1.jpg")
    assert builders.join_metadata(study, "file,subject\n1.jpg,Ada\n").exact == 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT string_agg(row::text, ' ') FROM labeler_erasedname row")
        kept = cursor.fetchone()[0]
    assert "heiter" not in kept.lower()
    assert "img_1" not in kept.lower()


@pytest.mark.parametrize("deletions", range(13))
def test_an_erasure_that_broke_anywhere_goes_on_and_says_the_same(graded: Study, settings: Any, deletions: int) -> None:
    originals = {image.content_hash: blob(image.original) for image in of_her(graded)}
    erasure = ask(graded)
    whole = settings.STORAGES
    settings.STORAGES = {**whole, "default": {"BACKEND": "tests.labeler.privacy.test_erasing.BreakingStorage"}}
    BreakingStorage.deletions_left = deletions
    with pytest.raises(OSError, match="The disk is gone"):
        do(erasure)
    settings.STORAGES = whole
    assert erasing.retry(erasure)
    assert not erasing.retry(erasure)
    done = do(erasure)
    assert done.certificate["totals"]["files"] == 9  # type: ignore[index]
    assert_nothing_is_left(graded, done, originals)


def test_what_a_worker_stored_late_is_erased_too(graded: Study) -> None:
    selfie = Selfie.of(blob(of_her(graded)[0].original))
    do(ask(graded))
    feature_store.describe(selfie, recipes.ms2019("resnet50"))
    assert feature_store.stored(selfie.content_hash)
    erasing.watch()
    assert not feature_store.stored(selfie.content_hash)


def test_all_of_it_goes_from_object_storage_too(
    ana: User, ben: User, settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in object_storage.KEYS.items():
        monkeypatch.setenv(name, value)
    with object_storage.serve() as address:
        bucket = object_storage.bucket(address, "files")
        options = {"bucket_name": "files", "endpoint_url": address, "file_overwrite": True}
        backend = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
        settings.STORAGES = {**settings.STORAGES, "default": backend}
        study = photographed_study((ana, ben), tmp_path / "photographs", images=4, golden_size=1)
        image = study.images.earliest("pk")
        Image.objects.filter(pk=image.pk).update(subject=SUBJECT)
        thumbnails.storage_name(image)
        feature_store.describe(Selfie.of(blob(image.original)), recipes.ms2019("resnet50"))
        before = {item.key for item in bucket.objects.all()}
        do(ask(study))
        gone = before - {item.key for item in bucket.objects.all()}
    assert sorted(name.split("/")[0] for name in gone) == ["features", "originals", "renditions", "renditions"]


def test_who_is_not_known_is_erased_by_their_image(graded: Study) -> None:
    image = graded.images.filter(subject="").earliest("pk")
    call_command("erase_subject", "acne", "--image", str(image.pk), "--reason", REASON)
    image.refresh_from_db()
    assert image.is_erased
    assert Erasure.objects.get().subject == ""
    with pytest.raises(CommandError, match="isn't erased already"):
        call_command("erase_subject", "acne", "--image", str(image.pk), "--reason", REASON)


def test_the_command_prints_a_certificate_that_erases_again_after_a_restore(graded: Study, tmp_path: Path) -> None:
    said = builders.command_output("erase_subject", "acne", SUBJECT, "--reason", REASON)
    certificate = json.loads(said)
    assert certificate["totals"]["images"] == 2
    (tmp_path / "certificate.json").write_text(said)
    hashes = [one["content_sha256"] for one in certificate["images"]]
    back = graded.images.filter(content_hash__in=hashes)
    back.update(is_erased=False)  # as after restoring yesterday's backup
    ErasedImage.objects.all().delete()
    call_command("erase_subject", "acne", "--certificate", str(tmp_path / "certificate.json"), "--reason", "Restored")
    assert back.filter(is_erased=True).count() == 2
    with pytest.raises(CommandError, match="Study acne has no subject"):
        call_command("erase_subject", "acne", "nobody", "--reason", REASON)


def test_studies_that_hold_the_same_file_are_named(graded: Study) -> None:
    data = blob(of_her(graded)[0].original)
    other = builders.make_study("other")
    importing.import_photograph(study=other, data=data, name="same.jpg")
    certificate = do(ask(graded)).certificate
    assert certificate["same_files_in_other_studies"] == ["other"]  # type: ignore[index]
    assert not other.images.get().is_erased


def test_the_export_says_what_is_erased(graded: Study) -> None:
    do(ask(graded))
    columns = [column.name for column in export.IMAGES.columns]
    rows = [dict(zip(columns, row, strict=True)) for row in export.IMAGES.rows(graded)]
    erased = [row for row in rows if row["is_erased"]]
    assert len(erased) == 2
    assert not any(row["has_file"] or row["subject"] or row["may_be_shared"] for row in erased)


@pytest.mark.parametrize(
    ("closed", "months", "erase_on", "due"),
    [
        (None, 6, None, None),
        (date(2026, 8, 31), 6, None, date(2027, 2, 28)),
        (date(2026, 8, 31), 0, None, date(2026, 8, 31)),
        (date(2026, 8, 31), 6, date(2026, 12, 1), date(2026, 12, 1)),
        (None, None, date(2026, 12, 1), date(2026, 12, 1)),
        (None, None, None, None),
    ],
)
def test_the_day_of_erasure(closed: date | None, months: int | None, erase_on: date | None, due: date | None) -> None:
    noon = datetime(closed.year, closed.month, closed.day, 12, tzinfo=UTC) if closed else None
    study = Study(closed_at=noon, erase_months_after_closing=months, erase_on=erase_on)
    assert retention.due_on(study) == due


def test_what_is_due_is_erased_and_what_is_near_is_warned_of(
    graded: Study, olga: User, caplog: pytest.LogCaptureFixture
) -> None:
    today = timezone.localdate()
    retention.set_time(study=graded, erase_on=today + timedelta(days=31), months=None, by=olga)
    assert retention_erasures.request_due() == []
    assert not retention.is_near(graded)
    retention.set_time(study=graded, erase_on=today + timedelta(days=30), months=None, by=olga)
    assert retention_erasures.request_due() == []
    assert retention.is_near(graded)
    assert "study acne are erased on" in caplog.text
    retention.set_time(study=graded, erase_on=today, months=None, by=olga)
    (erasure,) = retention_erasures.request_due()
    do(erasure)
    assert list(everything_stored("originals")) == list(everything_stored("renditions")) == []
    assert not retention.is_near(graded)
    assert retention_erasures.request_due() == []
    assert Reader.objects.filter(skipped__gt=0).count() == 0  # they had graded everything
