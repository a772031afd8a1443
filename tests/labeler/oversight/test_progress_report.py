"""Oversight: the tallies are what the labels say, pages show them, and no reader sees them."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone

from labeler.grading import label_store, queries
from labeler.grading.label_store import Viewing
from labeler.models import Assignment, AuditEvent, DayTally, Image, Label, Reader, ReasonTally, Study, StudyTally, User
from labeler.oversight import progress_report, tallies
from labeler.platform.keyset_pages import ID, TEXT
from labeler.record import audit
from labeler.screening import gallery
from labeler.screening.gallery import Wanted
from tests import builders
from tests.labeler.accounts.test_unblinding import unblind
from tests.labeler.platform.test_keyset_pages import walk

NOW = timedelta(0)
PAGES = ("oversight/", "oversight/now/", "gallery/", "disputed/", "unstable/", "log/")
BLINDED = ("disputed/", "unstable/")  # several grades tell which images are golden
OF_IMAGES = ("gallery/", "disputed/", "unstable/")


def count(study: Study) -> None:
    """Count every label that is there: the first call sees the newest, the second counts up to it."""
    tallies.count(study, settled=NOW)
    assert tallies.count(study, settled=NOW)


def say(assignment: Assignment, grade: int | None = None, *, reason: str = "", ms: int | None = None) -> Label:
    assignment.refresh_from_db()
    return label_store.record_label(
        assignment=assignment,
        version=assignment.version,
        submission=uuid4(),
        grade=grade,
        not_gradable=reason,
        viewing=Viewing(visible_ms=ms),
    )


def history(reader: Reader, seconds: Iterable[int]) -> None:
    """Let the reader have graded their next images, so many seconds ago each. A label's time can't be changed."""
    now = timezone.now()
    for ago, assignment in zip(seconds, list(queries.upcoming(reader)), strict=False):
        Label.objects.create(
            assignment=assignment, version=1, submission=uuid4(), grade=2, labeled_at=now - timedelta(seconds=ago)
        )
        Assignment.objects.filter(pk=assignment.pk).update(version=1, is_done=True)
        Reader.objects.filter(pk=reader.pk).update(done=reader.done + 1)
        reader.refresh_from_db()


@pytest.fixture
def long_list(ana: User, olga: User) -> Reader:
    """Return ana with a list of 60 images."""
    study = builders.make_study(readers=(ana,), images=60, golden_size=5)
    study.admins.add(olga)
    return builders.reader_of(ana, study)


def state_of(reader: Reader) -> progress_report.ReaderState:
    count(reader.study)
    states = progress_report.study_state(reader.study).readers
    return next(state for state in states if state.reader == reader)


def test_an_image_taken_back_and_graded_again_is_one_image(study: Study, reader: Reader) -> None:
    first, second, *_ = queries.upcoming(reader)
    for grade in (3, None, 4):
        say(first, grade)
    say(second, 2)
    count(study)
    day = DayTally.objects.get(reader=reader)
    assert (day.labels, day.images) == (3, 2)
    reader.refresh_from_db()
    assert day.images == reader.done


def test_labels_counted_in_two_parts_are_as_those_counted_at_once(study: Study, reader: Reader, ben: User) -> None:
    other = builders.reader_of(ben, study)
    for one, two in zip(queries.upcoming(reader), list(queries.upcoming(other)), strict=False):
        for assignment in (one, two):
            say(assignment, 1, ms=900)
            say(assignment, None, reason="blurred", ms=5000)
        count(study)
    in_parts = list(DayTally.objects.order_by("reader").values_list("labels", "images", "timed_images", "milliseconds"))
    for table in (DayTally, ReasonTally, StudyTally):
        table.objects.all().delete()
    study.doubts.all().delete()
    count(study)
    at_once = list(DayTally.objects.order_by("reader").values_list("labels", "images", "timed_images", "milliseconds"))
    assert [row[:3] for row in at_once] == [row[:3] for row in in_parts]
    assert all(abs(one[3] - two[3]) <= 10 for one, two in zip(at_once, in_parts, strict=True))  # rounded per part


def test_a_label_is_counted_once_however_often_the_worker_comes(study: Study, reader: Reader) -> None:
    say(queries.upcoming(reader)[0], 3)
    for _ in range(3):
        count(study)
    assert DayTally.objects.get(reader=reader).labels == 1


def test_the_newest_labels_wait_until_older_ids_must_be_there(study: Study, reader: Reader) -> None:
    tallies.count(study)
    say(queries.upcoming(reader)[0], 3)
    assert not tallies.count(study)
    assert not DayTally.objects.exists()


def test_a_clock_that_was_a_day_early_does_not_stop_the_counting(study: Study, reader: Reader) -> None:
    tallies.count(study)
    say(queries.upcoming(reader)[0], 3)
    StudyTally.objects.update(seen_at=timezone.now() + timedelta(days=1))
    assert not tallies.count(study, settled=NOW)
    assert tallies.count(study, settled=NOW)
    assert DayTally.objects.get(reader=reader).labels == 1


def test_a_break_is_neither_time_nor_an_image(long_list: Reader) -> None:
    before_lunch = [7200 - 10 * n for n in range(15)]
    after_lunch = [3000 - 10 * n for n in range(15)]
    history(long_list, [*before_lunch, *after_lunch])
    count(long_list.study)
    days = DayTally.objects.filter(reader=long_list)
    assert sum(day.timed_images for day in days) == 28
    assert sum(day.milliseconds for day in days) == pytest.approx(28 * 10_000, abs=5)
    assert state_of(long_list).pace == pytest.approx(360, rel=1e-3)


def test_a_finish_needs_a_habit(long_list: Reader) -> None:
    history(long_list, [400 - 10 * n for n in range(30)])
    assert state_of(long_list).finish is None


def test_the_finish_follows_from_pace_and_habit(long_list: Reader) -> None:
    """30 images in 3 sittings on 3 days: 10 a day, of which 9 are timed, so the 30 that are left take 3 days."""
    day = 24 * 3600
    history(long_list, [n * day + 200 - 10 * place for n in (2, 1, 0) for place in range(10)])
    state = state_of(long_list)
    assert state.progress.done == 30
    assert state.finish is not None
    assert (state.finish - timezone.localdate()).days in (3, 4)  # the timed nine tenths make it a third of a day more


def test_the_median_time_is_within_a_twentieth(study: Study, reader: Reader) -> None:
    for assignment, ms in zip(list(queries.upcoming(reader)), (800, 2000, 90_000), strict=False):
        say(assignment, 3, ms=ms)
    assert state_of(reader).median_ms == pytest.approx(2000, rel=0.05)


def test_reasons_are_those_of_current_labels(study: Study, reader: Reader) -> None:
    first, second, third, *_ = queries.upcoming(reader)
    say(first, reason="blurred")
    say(second, reason="blurred")
    say(third, reason="not_acne")
    count(study)
    say(second, 4)
    assert state_of(reader).reasons == (("Blurred", 1), ("Not acne", 1))
    assert progress_report.reason_totals(progress_report.study_state(study)) == [("Blurred", 1), ("Not acne", 1)]


def golden_of(study: Study) -> list[Assignment]:
    """Return both readers' assignments of the study's first golden image."""
    image = study.images.filter(is_golden=True).earliest("pk")
    return list(image.assignments.order_by("reader__code"))


def test_the_most_disputed_image_comes_first(study: Study) -> None:
    apart, nearer, alike = study.images.filter(is_golden=True)
    for image, grades in ((nearer, (2, 3)), (apart, (1, 5)), (alike, (4, 4))):
        for assignment, grade in zip(image.assignments.order_by("reader__code"), grades, strict=True):
            say(assignment, grade)
    count(study)
    assert [(doubt.image, doubt.spread) for doubt in gallery.disputed(study)] == [(apart, 2), (nearer, 0.5)]
    assert not gallery.unstable(study).exists()


def test_a_dispute_that_is_settled_leaves_the_list(study: Study) -> None:
    one, two = golden_of(study)
    say(one, 1)
    say(two, 5)
    count(study)
    say(two, 1)
    count(study)
    assert not gallery.disputed(study).exists()
    assert [doubt.unstable for doubt in gallery.unstable(study)] == [1]


def test_an_image_graded_alike_after_an_undo_is_stable(study: Study) -> None:
    one, _ = golden_of(study)
    for grade in (3, None, 3):
        say(one, grade)
    count(study)
    assert not gallery.unstable(study).exists()


def test_an_image_graded_otherwise_at_the_repeat_is_unstable(study: Study, reader: Reader) -> None:
    image = study.images.filter(is_golden=False, assignments__reader=reader).earliest("pk")
    again = Assignment.objects.create(reader=reader, image=image, position=100, is_repeat=True)
    say(reader.assignments.get(image=image, is_repeat=False), 2)
    say(again, 4)
    count(study)
    assert [doubt.image for doubt in gallery.unstable(study)] == [image]
    assert not gallery.disputed(study).exists()


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(grade=4), {"IMG_1.jpg"}),
        (Wanted(not_gradable="blurred"), {"IMG_2.jpg"}),
        (Wanted(is_kept=False), {"IMG_3.jpg"}),
        (Wanted(has_duplicates=True), {"IMG_4.jpg"}),
        (Wanted(column="skin", value="II"), {"IMG_5.jpg"}),
        (Wanted(column="age", value="31"), {"IMG_5.jpg"}),
        (Wanted(name="IMG_6"), {"IMG_6.jpg"}),
        (Wanted(grade=4, name="IMG_6"), set()),
    ],
)
def test_the_gallery_finds_what_is_wanted(study: Study, wanted: Wanted, found: set[str]) -> None:
    images = {image.source_name: image for image in study.images.all()}
    say(images["IMG_1.jpg"].assignments.earliest("pk"), 4)
    say(images["IMG_2.jpg"].assignments.earliest("pk"), reason="blurred")
    changed = images["IMG_7.jpg"].assignments.earliest("pk")
    say(changed, 4)
    say(changed, 2)
    Image.objects.filter(source_name="IMG_3.jpg").update(is_kept=False)
    Image.objects.filter(source_name="IMG_4.jpg").update(cluster=images["IMG_4.jpg"].pk)
    Image.objects.filter(source_name="IMG_5.jpg").update(metadata={"skin": "II", "age": 31})
    assert {image.source_name for image in gallery.find(study, wanted)} == found


def test_the_gallery_goes_on_where_a_page_ended(as_olga: Client, long_list: Reader) -> None:
    first = as_olga.get("/studies/acne/gallery/").content.decode()
    shown = first.count("/picture/")
    assert shown == gallery.PAGE
    last = list(long_list.study.images.order_by("pk"))[gallery.PAGE - 1]
    assert f"?after={last.pk}" in first
    assert as_olga.get("/studies/acne/gallery/", {"after": last.pk}).content.decode().count("/picture/") == 60 - shown


@pytest.mark.parametrize("page", PAGES)
def test_who_runs_the_study_sees_it(as_olga: Client, study: Study, page: str) -> None:
    for assignment, grade in zip(golden_of(study), (1, 5), strict=True):
        say(assignment, grade)
    count(study)
    assert as_olga.get(f"/studies/acne/{page}").status_code == (302 if page in BLINDED else 200)
    unblind(as_olga)
    assert as_olga.get(f"/studies/acne/{page}").status_code == 200


@pytest.mark.parametrize("page", PAGES)
def test_readers_and_strangers_see_nothing_of_it(
    client: Client, ana: User, cleo: User, study: Study, page: str
) -> None:
    address = f"/studies/acne/{page}"
    assert client.get(address).status_code == 302
    for person in (ana, cleo):
        client.force_login(person)
        assert client.get(address).status_code == 404


@pytest.mark.parametrize("page", [*OF_IMAGES, "images/{image}/", "images/{image}/picture/"])
def test_an_admin_who_reads_the_study_sees_no_others_grades(as_ana: Client, ana: User, study: Study, page: str) -> None:
    study.admins.add(ana)
    image = study.images.earliest("pk")
    answer = as_ana.get(f"/studies/acne/{page.format(image=image.pk)}")
    assert answer.status_code == 403
    assert b"You read this study yourself" in answer.content


def test_an_image_of_another_study_is_not_found(as_olga: Client, study: Study) -> None:
    other = builders.make_study("other", images=1)
    assert as_olga.get(f"/studies/acne/images/{other.images.get().pk}/").status_code == 404


def test_the_image_page_tells_who_said_what(as_olga: Client, study: Study) -> None:
    one, two = golden_of(study)
    say(one, 1)
    say(one, 5)
    say(two, reason="occluded")
    blind = as_olga.get(f"/studies/acne/images/{one.image_id}/").content.decode()
    assert "R01" not in blind
    assert "olden" not in blind.partition("<h1")[2].partition("Whether and how many readers graded")[0]
    unblind(as_olga)
    page = as_olga.get(f"/studies/acne/images/{one.image_id}/").content.decode()
    assert "R01" in page
    assert "replaced" in page
    assert "Not gradable: covered or made up" in page


def test_polling_answers_304_until_something_comes(as_olga: Client, study: Study, reader: Reader) -> None:
    address = "/studies/acne/oversight/now/"
    first = as_olga.get(address)
    assert ">0</td>" in first.content.decode()
    assert ">1</td>" not in first.content.decode()
    assert as_olga.get(address, headers={"If-None-Match": first["ETag"]}).status_code == 304
    say(queries.upcoming(reader)[0], 3)
    after = as_olga.get(address, headers={"If-None-Match": first["ETag"]})
    assert after.status_code == 200
    assert ">1</td>" in after.content.decode()


@pytest.mark.parametrize("size", [{}, {"size": "1600"}])
def test_a_picture_is_served_like_a_readers(
    as_olga: Client, olga: User, tmp_path_factory: pytest.TempPathFactory, size: dict[str, str]
) -> None:
    study = builders.make_study("pictures")
    study.admins.add(olga)
    photograph = {"a.jpg": builders.make_jpeg(1, size=(1500, 2000))}
    builders.import_photographs(study, photograph, tmp_path_factory.mktemp("one"))
    address = f"/studies/pictures/images/{study.images.get().pk}/picture/"
    once, again = (as_olga.get(address, size) for _ in range(2))
    pictures = [b"".join(answer.streaming_content) for answer in (once, again)]  # type: ignore[attr-defined]
    assert pictures[0] == pictures[1]
    assert once["Content-Type"] == "image/webp"
    assert once["Content-Security-Policy"] == "sandbox"
    assert "no-store" in once["Cache-Control"]
    assert len(pictures[0]) > 100


def test_the_log_shows_who_did_what_and_filters(as_olga: Client, olga: User, study: Study) -> None:
    audit.record(study, olga, "exported the study")
    audit.record(study, None, "asked for retraining", detail="run 7")
    page = as_olga.get("/studies/acne/log/").content.decode()
    assert page.index("run 7") < page.index("<td>exported the study")
    assert b"run 7" not in as_olga.get("/studies/acne/log/", {"person": olga.pk}).content
    assert b"run 7" in as_olga.get("/studies/acne/log/", {"action": "asked for retraining"}).content


def test_the_log_shows_a_span_of_days(as_olga: Client, study: Study) -> None:
    for day, run in ((1, "run 1"), (2, "run 2"), (3, "run 3")):
        at = datetime(2026, 5, day, 23, 59, tzinfo=UTC)
        AuditEvent.objects.create(study=study, action="asked for retraining", detail=run, at=at)
    page = as_olga.get("/studies/acne/log/", {"since": "2026-05-02", "until": "2026-05-02"}).content.decode()
    assert [run for run in ("run 1", "run 2", "run 3") if run in page] == ["run 2"]
    assert as_olga.get("/studies/acne/log/", {"since": "yesterday"}).status_code == 422


def test_looking_at_a_picture_is_in_the_log_where_it_is_asked_for(as_olga: Client, study: Study) -> None:
    image = study.images.earliest("pk")
    default_storage.save(f"{image.rendition}-full", ContentFile(builders.make_jpeg(1)))
    answer = as_olga.get(f"/studies/acne/images/{image.pk}/picture/", REMOTE_ADDR="192.0.2.17")
    assert b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    event = AuditEvent.objects.get(action=audit.SAW)
    assert (event.detail, event.origin) == (f"image {image.pk}", "192.0.2.0/24")
    page = as_olga.get("/studies/acne/log/").content.decode()
    assert "Everything but looking" in page
    assert "<td>saw an image" not in page
    assert "<td>saw an image" in as_olga.get("/studies/acne/log/", {"action": audit.SAW}).content.decode()


def test_an_auditor_reads_every_log_from_one_page(client: Client, study: Study, olga: User) -> None:
    auditor = builders.make_user("audi")
    User.objects.filter(pk=auditor.pk).update(roles=["auditor"])
    auditor.refresh_from_db()
    builders.sign_in(client, auditor)
    audit.record(study, olga, "exported the study")
    audit.record(None, olga, "signed in")
    assert "<td>signed in" in client.get("/log/").content.decode()
    page = client.get("/log/", {"study": "acne"}).content.decode()
    assert "<td>exported the study" in page
    assert "<td>signed in" not in page
    assert client.get("/log/", {"study": "other"}).status_code == 404
    study.readers.create(user=auditor, code="R09", accepted_at=timezone.now())
    assert client.get("/log/", {"study": "acne"}).status_code == 404
    assert client.get("/studies/acne/report/").status_code == 403


def test_images_found_by_name_go_on_where_a_page_ended(long_list: Reader) -> None:
    study = long_list.study
    named = sorted(image.source_name for image in study.images.all() if image.source_name.startswith("IMG_1"))
    found = gallery.find(study, Wanted(name="IMG_1"))
    assert [image.source_name for image in walk(found, [TEXT, ID], size=4)] == named
