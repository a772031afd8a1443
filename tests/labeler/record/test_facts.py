"""The ledger finds and names every row that may change, and was changed by no act that may change it."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.core.files.storage import default_storage
from django.db import connection

from labeler.dealing import joining_and_leaving
from labeler.grading import label_store, queries
from labeler.images import consents, renditions, subjects
from labeler.models import Image, Label, LedgerBlock, Reader, Study, User
from labeler.privacy import taking_out
from labeler.record import anchors, audit, facts, ledger_check
from labeler.studies import closing, studies
from tests import builders
from tests.labeler.oversight.test_progress_report import say
from tests.labeler.record.test_ledger import every_right, findings, seal

SUBJECT = "person 1"
PRODUCTS = [Path(__file__).parents[3] / package for package in ("labeler", "training")]


@pytest.fixture
def graded(study: Study, reader: Reader, olga: User, monkeypatch: pytest.MonkeyPatch) -> Study:
    """Return a sealed study, of whose acts none is young enough to explain what comes."""
    monkeypatch.setattr(ledger_check, "APART", timedelta(0))
    image = study.images.order_by("pk")[0]
    subjects.correct(image=image, subject=SUBJECT, by=olga)
    consents.record(study=study, subject=SUBJECT, scopes=["grading", "training"], by=olga)
    first, second, third, *_ = queries.upcoming(reader)
    say(first, 2)
    say(first, 4)
    say(second, 3)
    say(third, 1)
    third.refresh_from_db()
    label_store.undo(assignment=third, version=1, submission=uuid4())
    seal()
    assert findings() == []
    return study


def run(statement: str) -> None:
    with every_right(), connection.cursor() as cursor:
        cursor.execute(statement.replace("FIRST", "(SELECT min(id) FROM labeler_image)"))
        assert cursor.rowcount, statement


# Beside every column on its own (test_columns.py): what takes several, or rows.
TAMPERINGS = {
    "a changed grade is taken back": "UPDATE labeler_assignment SET version = 1 WHERE version = 2 AND is_done",
    "a grade vanishes": "UPDATE labeler_assignment SET version = 0, is_done = false WHERE version = 1",
    "a grade counts as not given": "UPDATE labeler_assignment SET is_done = false WHERE version = 1",
    "a grade that was taken back counts again": "UPDATE labeler_assignment SET version = 1, is_done = true "
    "WHERE version = 2 AND NOT is_done",
    "a version is set on": "UPDATE labeler_assignment SET version = 7 WHERE version = 0",
    "a golden image becomes ordinary": "UPDATE labeler_image SET is_golden = false WHERE is_golden",
    "an ordinary image becomes golden": "UPDATE labeler_image SET is_golden = true "
    "WHERE id = (SELECT min(id) FROM labeler_image WHERE NOT is_golden)",
    "another golden set is promised": "UPDATE labeler_commitment SET opening = replace(opening, 'random', 'will')",
    "the promise goes": "DELETE FROM labeler_commitment",
    "an image that may not be graded": "UPDATE labeler_image SET may_be_graded = false WHERE id = FIRST",
    "an image that stands otherwise": "UPDATE labeler_image SET turn = 2 WHERE id = FIRST",
    "a consent that is gone": "DELETE FROM labeler_consent",
    "a consent nobody gave": "INSERT INTO labeler_consent (study_id, subject, scopes, source, recorded_at) "
    "SELECT id, 'person 2', '{grading}', '', now() FROM labeler_study",
    "a grade more": "INSERT INTO labeler_gradelevel (study_id, value, name, criterion) "
    "SELECT id, 9, 'Worst', '' FROM labeler_study",
    "a grade less": "DELETE FROM labeler_gradelevel WHERE value = 5",
    "another person's place": "UPDATE labeler_reader SET code = code || '0', user_id = "
    "(SELECT id FROM labeler_user WHERE username = 'olga') WHERE code = 'R02'",
    "an image nobody imported": "INSERT INTO labeler_image SELECT (jsonb_populate_record(i, "
    """'{"id": 99999, "content_hash": "f"}')).* FROM labeler_image i WHERE id = FIRST""",
    "a place nobody dealt": "INSERT INTO labeler_assignment (public_id, reader_id, image_id, position, is_repeat, "
    "version, is_done) SELECT gen_random_uuid(), min(reader_id), FIRST, 999, NOT bool_or(is_repeat), 0, false "
    "FROM labeler_assignment WHERE image_id = FIRST",
    "a place that is gone": "DELETE FROM labeler_assignment WHERE version = 0",
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_what_was_changed_in_the_database_is_found(graded: Study, olga: User, tampering: str) -> None:
    run(TAMPERINGS[tampering])
    for _ in range(2):  # not sealed yet; then the next block is there, and acts that could have done it
        found = findings()
        assert found, tampering
        assert all(re.match(r"(Fact|Assignment|The promise|The image|Label) ", finding) for finding in found)
        for act in {act for kind in facts.KINDS for act in kind.acts}:
            audit.record(graded, olga, act)
        seal()


def test_what_the_product_changes_is_no_tampering(graded: Study, olga: User, cleo: User, ben: User) -> None:
    def unbroken() -> None:
        assert findings() == []  # not sealed yet
        seal()
        assert findings() == []

    image = graded.images.order_by("pk")[1]
    subjects.correct(image=image, subject=SUBJECT, by=olga)
    unbroken()
    consents.record(study=graded, subject=SUBJECT, scopes=[], by=olga)
    unbroken()
    taking_out.take_out(image=image, reason="Not a face.", by=olga)
    unbroken()
    taking_out.take_back(image=image, reason="It is one.", by=olga)
    unbroken()
    consents.require(graded, is_needed=True, by=olga)
    unbroken()
    consents.require(graded, is_needed=False, by=olga)
    unbroken()
    joining_and_leaving.join(study=graded, user=cleo, by=olga)
    unbroken()
    joining_and_leaving.leave(reader=builders.reader_of(ben, graded), reason="Moved away.", by=olga)
    unbroken()
    builders.make_images(graded, 2)
    unbroken()
    closing.close(study=graded, by=olga, reason="All graded.")
    unbroken()
    closing.release_reports(study=graded, by=olga)
    unbroken()


def test_an_act_explains_what_it_may_change_and_nothing_else(graded: Study, olga: User) -> None:
    run(TAMPERINGS["a golden image becomes ordinary"])
    consents.record(study=graded, subject=SUBJECT, scopes=["grading"], by=olga)
    seal()
    assert any(finding.startswith("Fact golden ") and "no act says so" in finding for finding in findings())


def test_an_act_of_long_ago_explains_nothing(graded: Study, olga: User) -> None:
    consents.record(study=graded, subject=SUBJECT, scopes=["grading"], by=olga)
    seal()
    assert findings() == []
    run(TAMPERINGS["an image that may not be graded"])
    (finding,) = findings()
    assert finding.startswith("Fact permission ")


def test_every_act_that_explains_is_one_that_the_product_does() -> None:
    paths = [path for product in PRODUCTS for path in product.rglob("*.py") if path.name != "facts.py"]
    source = "".join(path.read_text() for path in paths)
    kinds = {kind for _, kind in re.findall(r'([A-Z]+) = "([a-z]+)", "', source)}
    for act in {act for kind in facts.KINDS for act in kind.acts}:
        if act.startswith("dealt: "):
            assert act.removeprefix("dealt: ") in kinds
        else:
            assert f'"{act}"' in source, act


def test_a_hash_tells_nothing_without_the_studys_salt(graded: Study) -> None:
    other = studies.create(slug="other", title="Another study")
    kinds = facts.KINDS
    salts = {facts.salt(study, kind) for study in (graded, other) for kind in kinds}
    assert len(salts) == 2 * len(kinds)


def _photographs(study: Study) -> Iterator[tuple[str, str]]:
    for image in study.images.order_by("pk"):
        yield image.original, renditions.storage_name(image.rendition, "full")


@pytest.fixture
def photographed(db: None, tmp_path: Path) -> Study:
    study = builders.make_study()
    builders.import_photographs(study, {f"{n}.jpg": builders.make_jpeg(n) for n in range(2)}, tmp_path)
    seal()
    assert ledger_check.inspect().findings == []
    return study


@pytest.mark.parametrize("which", [0, 1], ids=["as they came", "as readers see them"])
def test_photographs_that_changed_places_are_found(photographed: Study, which: int) -> None:
    one, other = (names[which] for names in _photographs(photographed))
    with default_storage.open(one) as first, default_storage.open(other) as second:
        contents = {one: second.read(), other: first.read()}
    for name, content in contents.items():
        Path(default_storage.path(name)).write_bytes(content)
    found = ledger_check.inspect().findings
    assert len(found) == 2
    assert all(" was exchanged: " in finding for finding in found)


def test_rows_whose_files_changed_places_are_found(photographed: Study) -> None:
    one, other = Image.objects.order_by("pk")
    with every_right():
        Image.objects.filter(pk=one.pk).update(original=other.original, rendition=other.rendition)
        Image.objects.filter(pk=other.pk).update(original=one.original, rendition=one.rendition)
    assert len([finding for finding in ledger_check.inspect().findings if "was exchanged" in finding]) == 4


def test_a_photograph_that_is_gone_is_found(photographed: Study) -> None:
    original, _ = next(_photographs(photographed))
    default_storage.delete(original)
    (finding,) = ledger_check.inspect().findings
    assert finding.endswith(f"is gone: {original}.")


def test_an_older_state_of_the_database_is_known_by_its_anchor(
    graded: Study, olga: User, settings: object, tmp_path: Path
) -> None:
    settings.LEDGER_ANCHORS = [str(tmp_path / "anchors.jsonl")]  # type: ignore[attr-defined]
    anchors.write()
    assert builders.command_output("verify_ledger", "--without-files").startswith("Untouched")
    noted = [json.loads(line) for line in (tmp_path / "anchors.jsonl").read_text().splitlines()]
    assert noted[0]["newest_blocks"][f"study {graded.pk}"][1] in set(anchors.noted())
    last = LedgerBlock.objects.filter(study=graded).latest("number")
    with every_right():  # what was there before the backup's time is all that is there now
        Label.objects.filter(assignment__reader__study=graded).delete()
        graded.readers.get(code="R01").assignments.update(version=0, is_done=False)
        last.delete()
    found = " ".join(ledger_check.inspect(known=[*anchors.noted(), *anchors.noted()], files=False).findings)
    assert found.count(f"There is no block with the hash {last.digest}") == 1


def test_an_anchor_that_can_not_be_written_stops_nothing(
    graded: Study, settings: object, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = tmp_path / "anchors.jsonl"
    bad = ["https://127.0.0.1:9/anchors", "https://127.0.0.1:no-port/anchors", str(tmp_path)]
    settings.LEDGER_ANCHORS = [*bad, str(good)]  # type: ignore[attr-defined]
    anchors.write()
    assert good.exists()
    assert caplog.text.count("could not be written to") == 3
