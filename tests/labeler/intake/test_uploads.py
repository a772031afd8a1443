"""Files that a browser sends arrive whole, are imported once, and nothing of a refused one stays."""

import errno
import io
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from labeler.intake import message_slots, uploads
from labeler.models import AuditEvent, Intake, IntakeFile, Study, User
from scoring.photograph import decoding
from tests import builders


@pytest.fixture
def empty(olga: User) -> Study:
    study = builders.make_study()
    study.admins.add(olga)
    return study


@pytest.fixture
def browser(olga: User) -> Client:
    client = Client()
    client.force_login(olga)
    return client


def begun(study: Study, olga: User) -> Intake:
    return uploads.begin(study=study, by=olga)


def send(into: Intake, name: str, data: bytes) -> int:
    return uploads.receive(into, name=name, size=len(data), offset=0, body=io.BytesIO(data))


def full(*_: object) -> str:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def left() -> list[Path]:
    return list((settings.VAR_DIR / "uploads").glob("*"))


def outcome(into: Intake) -> dict[str, str]:
    return dict(into.files.values_list("name", "state"))


def test_a_file_comes_in_pieces_and_goes_on_after_an_interruption(empty: Study, olga: User) -> None:
    data = builders.make_jpeg(1)
    into = begun(empty, olga)
    half = len(data) // 2

    def send_from(offset: int, part: bytes) -> int:
        return uploads.receive(into, name="IMG_1.jpg", size=len(data), offset=offset, body=io.BytesIO(part))

    assert send_from(0, data[:half]) == half
    again = begun(empty, olga)
    assert again == into
    assert uploads.received(again, name="IMG_1.jpg", size=len(data)) == half
    assert send_from(0, data) == half  # not from the end: ignored
    assert uploads.import_waiting(into) == 0
    assert send_from(half, data[half:]) == len(data)
    assert uploads.import_waiting(into) == 1
    assert empty.images.get().source_name == "IMG_1.jpg"
    assert not left()


def test_a_zip_is_unpacked_file_by_file(empty: Study, olga: User) -> None:
    photographs = {f"day 1/IMG_{n}.jpg": builders.make_jpeg(n) for n in range(3)}
    others = {"__MACOSX/day 1/._IMG_0.jpg": b"x", ".DS_Store": b"x", "notes.txt": b"hello"}
    escaping = {"../../etc/IMG_9.jpg": builders.make_jpeg(9), "copy.jpg": builders.make_jpeg(1)}
    into = begun(empty, olga)
    send(into, "all.zip", builders.make_zip(photographs | others | escaping))
    uploads.import_waiting(into)
    assert empty.images.count() == 4
    states = outcome(into)
    assert states["all.zip/notes.txt"] == IntakeFile.State.REFUSED
    assert states["all.zip/copy.jpg"] == IntakeFile.State.KNOWN
    assert len(states) == 7
    assert not left()


@pytest.mark.parametrize(
    "data",
    [b"no zip at all", builders.make_zip({}), builders.make_zip({"a.jpg": b"x"})[:-30]],
    ids=["text", "empty", "cut short"],
)
def test_a_zip_that_is_none_is_refused_in_a_sentence(empty: Study, olga: User, data: bytes) -> None:
    into = begun(empty, olga)
    send(into, "bad.zip", data)
    uploads.import_waiting(into)
    file = into.files.get()
    assert file.state == IntakeFile.State.REFUSED
    assert file.reason.endswith(".")
    assert not left()


def test_a_bomb_in_a_zip_is_read_no_further_than_a_photograph_may_go(empty: Study, olga: User, settings: Any) -> None:
    settings.INTAKE_MAX_BYTES = 20 * 2**20
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.jpg", bytes(200 * 2**20))
    into = begun(empty, olga)
    send(into, "bomb.zip", stream.getvalue())
    uploads.import_waiting(into)
    assert "larger than 20 MB" in into.files.get(name="bomb.zip/bomb.jpg").reason


def stop_the_worker_thrice(into: Intake) -> None:
    into.files.filter(state="waiting").update(attempts=3, lease_until=timezone.now() - uploads.FILE_LEASE)
    uploads.import_waiting(into)


def hours_later() -> None:
    long_ago = (timezone.now() - 2 * uploads.ORPHANED_AFTER).timestamp()
    for path in left():
        os.utime(path, (long_ago, long_ago))
    uploads.clean_up()


SENT = {"IMG_1.jpg": builders.make_jpeg(1), "all.zip": builders.make_zip({"IMG_1.jpg": builders.make_jpeg(1)})}


@pytest.mark.parametrize("name", SENT)
def test_a_file_that_stops_its_workers_is_set_aside_and_tried_again(
    empty: Study, browser: Client, olga: User, name: str
) -> None:
    into = begun(empty, olga)
    send(into, name, SENT[name])
    stop_the_worker_thrice(into)
    assert (into.files.get().state, into.files.get().reason) == ("refused", uploads.GIVEN_UP)
    hours_later()
    page = f"/studies/acne/imports/{into.pk}/"
    assert "Try again" in browser.get(page).content.decode()
    assert browser.post(f"{page}again/").status_code == 302
    assert uploads.stalled() == [into.pk]
    uploads.import_waiting(into)
    assert empty.images.count() == 1
    assert not left()
    assert "Try again" not in browser.get(page).content.decode()
    browser.post(f"{page}again/")  # a second click
    events = AuditEvent.objects.filter(action="tried an import again")
    assert list(events.values_list("user__username", "detail")) == [("olga", f"{into}, files: 1")]


def test_what_was_set_aside_inside_a_zip_keeps_the_zip_for_a_week(empty: Study, olga: User) -> None:
    into = begun(empty, olga)
    send(into, "all.zip", builders.make_zip({"IMG_1.jpg": builders.make_jpeg(1)}))
    uploads._unpack(into.files.get())
    stop_the_worker_thrice(into)
    hours_later()
    assert len(left()) == 1
    Intake.objects.update(requested_at=timezone.now() - uploads.SET_ASIDE)
    hours_later()
    assert not left()
    assert uploads.retry(into, by=olga) == 0


def test_a_disk_that_is_full_makes_no_file_a_poison(empty: Study, olga: User, monkeypatch: pytest.MonkeyPatch) -> None:
    into = begun(empty, olga)
    send(into, "a.jpg", builders.make_jpeg(1))
    uploads.finish(into)
    with monkeypatch.context() as patched:
        patched.setattr(default_storage, "save", full)
        for _ in range(uploads.MAX_ATTEMPTS + 1):
            with pytest.raises(OSError, match="No space left"):
                uploads.import_waiting(into)
            into.files.update(lease_until=timezone.now() - uploads.FILE_LEASE)
    uploads.import_waiting(into)
    assert outcome(into) == {"a.jpg": "imported"}


def test_what_another_worker_holds_is_left_to_it(empty: Study, olga: User) -> None:
    into = begun(empty, olga)
    send(into, "IMG_1.jpg", builders.make_jpeg(1))
    into.files.update(lease_until=timezone.now() + uploads.FILE_LEASE)
    assert uploads.import_waiting(into) == 0
    assert uploads.stalled() == []
    into.files.update(lease_until=timezone.now() - uploads.FILE_LEASE)
    assert uploads.stalled() == [into.pk]
    assert uploads.import_waiting(into) == 1


def test_an_upload_that_nobody_went_on_with_is_given_up(empty: Study, olga: User) -> None:
    into = begun(empty, olga)
    uploads.receive(into, name="IMG_1.jpg", size=9000, offset=0, body=io.BytesIO(b"half"))
    Intake.objects.update(requested_at=timezone.now() - uploads.LEFT)
    uploads.clean_up()
    assert into.files.get().state == IntakeFile.State.REFUSED
    assert not left()


def test_a_file_whose_last_piece_was_not_written_down_is_imported(empty: Study, olga: User) -> None:
    into = begun(empty, olga)
    send(into, "IMG_1.jpg", builders.make_jpeg(1))
    into.files.update(state=IntakeFile.State.UPLOADING)  # its server was killed before it committed
    uploads.finish(into)
    assert uploads.import_waiting(into) == 1
    assert empty.images.count() == 1


def test_a_file_that_came_late_into_a_finished_upload_is_given_up_too(empty: Study, olga: User) -> None:
    into = begun(empty, olga)
    uploads.finish(into)
    uploads.receive(into, name="IMG_1.jpg", size=9000, offset=0, body=io.BytesIO(b"half"))
    Intake.objects.update(requested_at=timezone.now() - uploads.LEFT)
    uploads.clean_up()
    assert into.files.get().state == IntakeFile.State.REFUSED


def test_bytes_that_a_killed_worker_left_are_deleted_and_no_others(empty: Study, olga: User) -> None:
    into = begun(empty, olga)
    send(into, "IMG_1.jpg", builders.make_jpeg(1))
    send(into, "IMG_2.jpg", builders.make_jpeg(2))
    send(into, "one.zip", builders.make_zip({"IMG_3.jpg": builders.make_jpeg(3)}))
    send(into, "two.zip", builders.make_zip({"IMG_4.jpg": builders.make_jpeg(4)}))
    into.files.filter(name="IMG_1.jpg").update(state=IntakeFile.State.IMPORTED)
    for archive in into.files.filter(name__endswith=".zip"):
        uploads._unpack(archive)
    into.files.filter(name="two.zip/IMG_4.jpg").update(state=IntakeFile.State.KNOWN)
    long_ago = (timezone.now() - 2 * uploads.ORPHANED_AFTER).timestamp()
    for path in left():
        os.utime(path, (long_ago, long_ago))
    uploads.clean_up()
    needed = into.files.filter(name__in=["IMG_2.jpg", "one.zip"]).values_list("upload", flat=True)
    assert sorted(path.name for path in left()) == sorted(needed)


def test_a_member_with_too_long_a_name_is_listed(empty: Study, olga: User) -> None:
    into = begun(empty, olga)
    send(into, "all.zip", builders.make_zip({"folder/" * 80 + "IMG_1.jpg": builders.make_jpeg(1)}))
    uploads.import_waiting(into)
    assert into.files.get(state=IntakeFile.State.REFUSED).reason == uploads.TOO_LONG


def test_all_workers_are_called_when_a_zip_is_open(empty: Study, olga: User) -> None:
    into = begun(empty, olga)
    send(into, "all.zip", builders.make_zip({f"IMG_{n}.jpg": builders.make_jpeg(n) for n in range(3)}))
    waiting: list[int] = []
    uploads.import_waiting(into, on_unpacked=lambda: waiting.append(into.files.filter(state="waiting").count()))
    assert waiting == [3]


def test_two_files_of_one_name_are_both_taken(empty: Study, olga: User) -> None:
    into = begun(empty, olga)
    for number in (1, 2):
        send(into, "IMG.jpg", builders.make_jpeg(number, size=(96, 100 + number)))
    uploads.import_waiting(into)
    assert empty.images.count() == 2


@pytest.mark.parametrize(("has_marks", "asked_for"), [(False, [True, False, False]), (True, [True, True, False])])
def test_two_files_of_one_name_and_size_are_both_taken(
    empty: Study, olga: User, has_marks: bool, asked_for: list[bool]
) -> None:
    into, files = begun(empty, olga), [builders.make_jpeg(n) for n in range(2)]
    size = max(map(len, files))
    files = [data.ljust(size, b"\0") for data in files]
    found = []
    for data in (*files, files[0]):
        mark = decoding.content_hash(data) if has_marks else ""
        found.append(uploads.received(into, name="IMG.jpg", size=size, mark=mark) == 0)
        uploads.receive(into, name="IMG.jpg", size=size, offset=0, body=io.BytesIO(data), mark=mark)
    assert found == asked_for
    uploads.import_waiting(into)
    assert list(empty.images.values_list("source_name", flat=True)) == ["IMG.jpg"] * 2
    assert outcome(into) == {"IMG.jpg": "imported", "IMG.jpg [2]": "imported"}


def test_a_file_that_changed_while_it_was_sent_is_refused(empty: Study, olga: User) -> None:
    into, data = begun(empty, olga), builders.make_jpeg(1)
    mark = decoding.content_hash(b"what it was before")
    uploads.receive(into, name="IMG.jpg", size=len(data), offset=0, body=io.BytesIO(data), mark=mark)
    uploads.import_waiting(into)
    assert into.files.get().reason == "It changed while it was sent. Send it again."


def test_what_systems_put_beside_photographs_is_not_asked_for(empty: Study, olga: User) -> None:
    into = begun(empty, olga)
    for name in ("A/._IMG_1.jpg", "A/.DS_Store", "A\\Thumbs.db", "desktop.ini", "__MACOSX/A/1.jpg", "~$table.xlsx"):
        assert uploads.received(into, name=name, size=9) == 9
        assert uploads.receive(into, name=name, size=9, offset=0, body=io.BytesIO(b"x" * 9)) == 9
    assert not into.files.exists()


def test_a_copy_is_said_to_be_one_and_its_name_is_kept(empty: Study, browser: Client, olga: User) -> None:
    into, data = begun(empty, olga), builders.make_jpeg(1)
    for name in ("P001.jpg", "Kopie von P001.jpg", "B/P001.jpg"):
        send(into, name, data)
    uploads.import_waiting(into)
    image = empty.images.get()
    assert [alias.name for alias in image.aliases.all()] == ["Kopie von P001.jpg", "B/P001.jpg"]
    page = browser.get(f"/studies/acne/imports/{into.pk}/").content.decode()
    assert page.count("It is the same file as P001.jpg.") == 2
    assert "Kopie von P001.jpg" in browser.get(f"/studies/acne/images/{image.pk}/").content.decode()


def test_files_are_sent_and_watched_through_the_pages(empty: Study, browser: Client) -> None:
    data = builders.make_jpeg(1)
    places = browser.post("/studies/acne/images/begin/").json()
    piece = f"{places['upload']}?name=IMG_1.jpg&size={len(data)}&offset=0"
    assert browser.post(piece, data, content_type="application/octet-stream").json() == {"here": len(data)}
    assert browser.get(piece).json() == {"here": len(data)}
    empty_piece = f"{places['upload']}?name=empty.jpg&size=0&offset=0"
    assert browser.get(empty_piece).json() == {"here": 0}
    for _ in range(2):
        refusal = browser.post(empty_piece, b"", content_type="application/octet-stream")
        assert (refusal.status_code, refusal.json()) == (422, {"detail": "empty.jpg is empty."})
    browser.post(f"{places['progress']}finish/")
    uploads.import_waiting(Intake.objects.get())
    now = browser.get(f"{places['progress']}now.json")
    assert now.json() == {"total": 2, "done": 2, "imported": 1, "known": 0, "refused": 1, "is_over": True}
    assert browser.get(f"{places['progress']}now.json", headers={"If-None-Match": now["ETag"]}).status_code == 304


def test_a_browser_without_scripts_sends_whole_files(empty: Study, browser: Client, settings: Any) -> None:
    settings.INTAKE_MAX_BYTES = 2**20
    files = [SimpleUploadedFile(f"IMG_{n}.jpg", builders.make_jpeg(n)) for n in range(2)]
    files += [SimpleUploadedFile("note.jpg", b"<html>"), SimpleUploadedFile("empty.jpg", b"")]
    files.append(SimpleUploadedFile("large.jpg", bytes(2**20 + 1)))
    browser.post("/studies/acne/images/", {"files": files})
    uploads.import_waiting(Intake.objects.get())
    page = browser.get(f"/studies/acne/imports/{Intake.objects.get().pk}/").content.decode()
    for words in ("note.jpg", "empty.jpg is empty.", "large.jpg is larger than 1 MB."):
        assert words in page, words
    assert "not a JPEG, PNG, WebP, HEIC or TIFF" in page
    assert empty.images.count() == 2


@pytest.mark.parametrize("page", ["images/", "imports/{}/", "imports/{}/now.json"])
def test_strangers_and_readers_get_nothing(study: Study, ana: User, olga: User, page: str) -> None:
    into = Intake.objects.create(study=study, source=Intake.Source.UPLOAD)
    for user in (ana, builders.make_user("stranger")):
        client = Client()
        client.force_login(user)
        assert client.get(f"/studies/acne/{page.format(into.pk)}").status_code == 404


def test_a_closed_study_takes_no_files(empty: Study, browser: Client) -> None:
    Study.objects.update(closed_at=timezone.now())
    assert browser.post("/studies/acne/images/begin/").status_code == 409


def test_a_message_works_for_a_turn_and_at_least_at_one_file(empty: Study, olga: User) -> None:
    into = uploads.begin(study=empty, by=olga)
    for number in range(3):
        data = builders.make_jpeg(number)
        uploads.receive(into, name=f"{number}.jpg", size=len(data), offset=0, body=io.BytesIO(data))
    assert uploads.import_waiting(into, seconds=0) == 1
    assert uploads.waiting(into)
    assert uploads.import_waiting(into, seconds=60) == 2
    assert not uploads.waiting(into)


def test_no_more_messages_go_round_than_there_are_slots(db: None) -> None:
    tickets = [message_slots.take("import-1") for _ in range(message_slots.SLOTS)]
    assert all(tickets)
    assert message_slots.take("import-1") == ""
    assert message_slots.take("import-2")  # another import has its own
    assert message_slots.take("import-1", tickets[3]) == tickets[3]
    message_slots.leave("import-1", tickets[3])
    assert message_slots.take("import-1").partition("-")[0] == "3"


def test_a_late_message_has_its_slot_again_or_ends_where_another_has_it(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as quick:
        quick.setattr(message_slots, "SLOT_SECONDS", -1)  # it is over at once
        late, later = message_slots.take("import-1"), message_slots.take("import-1")
    assert late.partition("-")[0] == later.partition("-")[0] == "0"
    assert message_slots.take("import-1", later) == later
    assert message_slots.take("import-1", late) == ""
