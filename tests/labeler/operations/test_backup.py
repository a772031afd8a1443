"""A backup put back gives the same rows, files and numbers; a bad one gives a sentence and changes nothing."""

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from pyrage.x25519 import Identity

from labeler.models import Image, Label, Study, User
from labeler.operations import health
from labeler.operations.backup import restoring, rows, writing
from labeler.operations.backup.places import BackupError
from scoring.platform import blobs
from tests import builders, object_storage
from tests.training.builders import grade_everything

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def graded(ana: User, ben: User, tmp_path: Path) -> Study:
    """Return a study whose images have files and whose readers are done."""
    study = builders.make_study(readers=(ana, ben), images=8, golden_size=4)
    for image in study.images.all():
        blobs.write(image.original, b"a face " + image.source_name.encode())
    grade_everything(study)
    return study


@pytest.fixture
def place(graded: Study, tmp_path: Path) -> Path:
    """Return a backup of it, after which everything was lost."""
    place = tmp_path / "backup.tar"
    writing.write(str(place))
    lose_everything()
    return place


def lose_everything() -> None:
    call_command("flush", interactive=False, verbosity=0)
    for folder in blobs.folders(""):
        for name in blobs.files(folder):
            blobs.erase(f"{folder}/{name}")
        blobs.erase(folder)


def stored() -> dict[str, bytes]:
    return {f"originals/{name}": blobs.read(f"originals/{name}") for name in blobs.files("originals")}


def counts() -> dict[str, int]:
    return {table.name: rows.count(table) for table in rows.stored_tables()}


def test_what_was_lost_is_back_with_the_same_numbers(graded: Study, tmp_path: Path) -> None:
    before = (counts(), stored(), builders.command_output("report", "acne", "--json"))
    said = builders.command_output("backup", str(tmp_path / "backup.tar"))
    lose_everything()
    assert builders.command_output("restore", str(tmp_path / "backup.tar")) == said
    assert (counts(), stored(), builders.command_output("report", "acne", "--json")) == before


def test_after_a_restore_new_rows_come_after_the_old_ones(place: Path) -> None:
    restoring.restore(str(place))
    newest = max(Image.objects.values_list("pk", flat=True))
    (image,) = builders.make_images(Study.objects.get(), 1)
    assert image.pk > newest


def test_an_encrypted_backup_needs_its_key(graded: Study, tmp_path: Path) -> None:
    place, key, other = tmp_path / "backup.age", tmp_path / "key", tmp_path / "other"
    identity = Identity.generate()
    key.write_text(f"# public key: {identity.to_public()}\n{identity}\n")
    other.write_text(str(Identity.generate()))
    before = counts()
    writing.write(str(place), recipient=str(identity.to_public()))
    assert b"a face" not in place.read_bytes()
    lose_everything()
    with pytest.raises(BackupError, match="with --identity"):
        restoring.restore(str(place))
    with pytest.raises(BackupError, match="can't be decrypted with this key"):
        restoring.restore(str(place), identity=other)
    restoring.restore(str(place), identity=key)
    assert counts() == before


def cut_short(data: bytes) -> bytes:
    return data[: len(data) // 2]


def without_manifest(data: bytes) -> bytes:
    return data[: data.rindex(b"manifest.json")] + bytes(4096)


def with_another_face(data: bytes) -> bytes:
    return data.replace(b"a face IMG_0", b"a nose IMG_0")


@pytest.mark.parametrize("damage", [cut_short, without_manifest, with_another_face])
def test_a_damaged_backup_changes_nothing(damage: Any, place: Path) -> None:
    place.write_bytes(damage(place.read_bytes()))
    with pytest.raises(CommandError, match=r"This .* (damaged|cut short)"):
        call_command("restore", str(place))
    assert not Label.objects.exists()
    assert not User.objects.exists()
    assert stored() == {}


def test_a_name_that_leads_out_of_the_storage_is_refused(place: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    with tarfile.open(place, "a") as archive, (tmp_path / "x").open("w+b") as nothing:
        member = tarfile.TarInfo(f"files/../{outside.name}")
        archive.addfile(member, nothing)
    moved = tmp_path / "moved.tar"
    with tarfile.open(place) as archive, tarfile.open(moved, "w") as other:
        for member in sorted(archive.getmembers(), key=lambda one: one.name == "manifest.json"):
            other.addfile(member, archive.extractfile(member))
    with pytest.raises(BackupError, match="damaged"):
        restoring.restore(str(moved))
    assert not outside.exists()
    assert not User.objects.exists()


def test_nothing_is_restored_over_something(graded: Study, tmp_path: Path) -> None:
    place = tmp_path / "backup.tar"
    writing.write(str(place))
    with pytest.raises(CommandError, match="Restore into an empty database"):
        call_command("restore", str(place))
    with pytest.raises(CommandError, match="Give the backup a name of its own"):
        call_command("backup", str(place))


def test_what_probes_leave_in_the_storage_is_in_nobodys_way(place: Path) -> None:
    health.storage()
    restoring.restore(str(place))
    assert Study.objects.exists()


def test_a_backup_of_another_version_says_so(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "migrations", lambda: ["labeler.0001_initial"])
    with pytest.raises(BackupError, match="of another version"):
        restoring.restore(str(place))


def test_a_full_disk_leaves_no_half_backup(graded: Study, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file or directory"):
        call_command("backup", str(tmp_path / "missing" / "backup.tar"))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def bucket(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in object_storage.KEYS.items():
        monkeypatch.setenv(name, value)
    with object_storage.serve() as address:
        settings.S3_ENDPOINT = address
        yield object_storage.bucket(address, "backups")


def test_it_goes_to_object_storage_and_comes_from_there(graded: Study, bucket: Any) -> None:
    before = (counts(), stored())
    writing.write("s3://backups/night/1.tar")
    lose_everything()
    restoring.restore("s3://backups/night/1.tar")
    assert (counts(), stored()) == before


def test_a_file_that_is_erased_meanwhile_is_named(
    graded: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = blobs.files

    def files(folder: str) -> list[str]:
        names = listed(folder)
        if folder == "originals":
            default_storage.delete(f"originals/{names[0]}")
        return names

    monkeypatch.setattr(blobs, "files", files)
    gone = f"originals/{sorted(listed('originals'))[0]}"
    assert writing.write(str(tmp_path / "backup.tar"))["erased_meanwhile"] == [gone]
