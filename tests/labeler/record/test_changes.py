# ruff: noqa: S608  statements of an outsider
"""Triggers note what each transaction changes; what no act of the same transaction explains is found for ever."""

from pathlib import Path

import pytest
from django.db import connection, transaction

from labeler.images import consents, subjects
from labeler.models import AuditEvent, Erasure, Image, LedgerBlock, LedgerChange, LedgerFact, Study, User
from labeler.privacy import erasing
from labeler.record import anchors, audit, changes, facts, ledger, ledger_check
from labeler.screening import prescreen
from scoring.platform import jobs
from tests import builders
from tests.labeler.record.test_ledger import every_right, findings, seal

SUBJECT = "person 1"


@pytest.fixture
def sealed(transactional_db: None, ana: User, ben: User, olga: User) -> Study:
    """Return a sealed study in which each act has a transaction of its own."""
    study = builders.make_study(readers=(ana, ben), images=10, golden_size=3)
    study.admins.add(olga)
    for image in study.images.filter(is_golden=False)[:2]:
        subjects.correct(image=image, subject=SUBJECT, by=olga)
    seal()
    assert findings() == []
    return study


def execute(statement: str) -> None:
    """Change rows as somebody who may write to the database, triggers and all."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        assert cursor.rowcount, statement


def erase_person(study: Study, by: User) -> Erasure:
    erasure = erasing.request_subject(study=study, subject=SUBJECT, reason="They asked for it.", by=by)
    claimed = jobs.claim(Erasure, erasure.pk)
    assert claimed
    erasing.erase(claimed)
    return erasure


def other(place: int) -> str:
    """Return SQL for the id of another person's image."""
    return f"(SELECT id FROM labeler_image WHERE NOT is_erased ORDER BY id DESC OFFSET {place} LIMIT 1)"


# What an outsider with a connection changes after an erasure, and of which kind of fact.
ERASED = "(SELECT min(id) FROM labeler_image WHERE is_erased)"
OUTSIDE = [
    ("image", f"UPDATE labeler_image SET subject = 'person 9' WHERE id = {other(0)}"),
    ("image", f"""UPDATE labeler_image SET metadata = '{{"tone": "6"}}' WHERE id = {other(1)}"""),
    ("permission", f"UPDATE labeler_image SET may_be_trained_on = false WHERE id = {other(0)}"),
    ("picture", f"""UPDATE labeler_image SET rendition_sha256 = '{{"full": "0"}}' WHERE id = {other(0)}"""),
    ("file", f"UPDATE labeler_image SET width = 0 WHERE id = {other(0)}"),
    ("permission", f"UPDATE labeler_image SET is_erased = true WHERE id = {other(1)}"),
    ("consent", "UPDATE labeler_consent SET scopes = '{sharing}' WHERE id = (SELECT min(id) FROM labeler_consent)"),
    ("consent", "DELETE FROM labeler_consent WHERE id = (SELECT max(id) FROM labeler_consent)"),
    (
        "consent",
        """INSERT INTO labeler_consent (study_id, subject, scopes, source, recorded_at)
        SELECT id, 'person 2', '{grading}', '', now() FROM labeler_study""",
    ),
    ("image", f"UPDATE labeler_image SET subject = 'person 1' WHERE id = {ERASED}"),
    ("permission", f"UPDATE labeler_image SET may_be_trained_on = true WHERE id = {ERASED}"),
    (
        "image to erase",
        f"INSERT INTO labeler_erasedimage (erasure_id, image_id) SELECT max(id), {other(0)} FROM labeler_erasure",
    ),
    ("erasure", """UPDATE labeler_erasure SET certificate = '{"totals": {}}'"""),
]


@pytest.mark.parametrize("past_triggers", [False, True], ids=["triggers note it", "past the triggers"])
def test_an_erasure_explains_what_it_erased_and_nothing_else(sealed: Study, olga: User, past_triggers: bool) -> None:
    consents.record(study=sealed, subject=SUBJECT, scopes=["grading"], by=olga)
    erase_person(sealed, olga)
    assert findings() == []
    seal()
    assert findings() == []
    known: set[str] = set()
    for kind, change in OUTSIDE:
        if past_triggers:
            with every_right():
                execute(change)
        else:
            execute(change)
        (found,) = {finding.split(" was ")[0] for finding in findings()} - known
        assert found.startswith(f"Fact {kind} ")
        known.add(found)
    audit.record(sealed, olga, "exported the study")
    seal()
    assert {finding.split(" was ")[0] for finding in findings()} == known, "sealed since"
    for act in {act for kind in facts.KINDS for act in kind.acts}:
        audit.record(sealed, olga, act)
    seal()
    assert {finding.split(" was ")[0] for finding in findings()} == known, "after acts that could have done it"


def test_an_act_of_another_transaction_explains_nothing(sealed: Study, olga: User) -> None:
    image = sealed.images.latest("pk")
    subjects.correct(image=image, subject="person 2", by=olga)
    execute(f"UPDATE labeler_image SET subject = 'person 3' WHERE id = {image.pk}")
    assert len(findings()) == 1
    subjects.correct(image=image, subject="person 2", by=olga)
    seal()
    (finding,) = findings()
    assert finding.startswith(f"Fact image {image.pk} was changed since block 2")
    assert finding.endswith("and no act says so.")


def test_what_was_changed_past_the_triggers_is_found_also_after_an_act_on_the_same_row(
    sealed: Study, olga: User
) -> None:
    image = sealed.images.latest("pk")
    with every_right():
        Image.objects.filter(pk=image.pk).update(metadata={"tone": "6"})
    subjects.correct(image=image, subject="person 2", by=olga)
    seal()
    assert [finding.split(" was ")[0] for finding in findings()] == [f"Fact image {image.pk}"]


def test_an_act_explains_no_change_of_another_kind(sealed: Study, olga: User) -> None:
    image = sealed.images.latest("pk")
    with transaction.atomic():
        audit.record(sealed, olga, "exported the study")
        execute(f"UPDATE labeler_image SET subject = 'person 3' WHERE id = {image.pk}")
    seal()
    assert [finding.split(" was ")[0] for finding in findings()] == [f"Fact image {image.pk}"]


def test_images_come_without_an_act_and_change_by_one(sealed: Study, olga: User, tmp_path: Path) -> None:
    builders.import_photographs(sealed, {f"{n}.jpg": builders.make_jpeg(n) for n in range(3)}, tmp_path)
    assert findings() == []
    prescreen.set_limits(study=sealed, limits={"short_side": (10_000.0, None)}, by=olga)
    assert findings() == []
    seal()
    assert findings() == []
    builders.import_photographs(sealed, {"9.jpg": builders.make_jpeg(9)}, tmp_path)  # it is dropped as it comes
    audit.record(sealed, olga, "exported the study")
    seal()
    assert findings() == []


def test_an_erasure_may_be_sealed_at_any_step(sealed: Study, olga: User) -> None:
    erasing.request_subject(study=sealed, subject=SUBJECT, reason="They asked for it.", by=olga)
    seal()
    assert findings() == []
    erase = erasing._erase_image
    claimed = jobs.claim(Erasure, sealed.erasures.get().pk)
    assert claimed

    def erase_and_seal(one: object, examples: object) -> None:
        erase(one, examples)  # type: ignore[arg-type]
        assert findings() == []
        audit.record(sealed, olga, "exported the study")
        seal()
        assert findings() == []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(erasing, "_erase_image", erase_and_seal)
        erasing.erase(claimed)
    seal()
    assert findings() == []


def test_changes_wait_for_the_block_that_seals_their_act(sealed: Study, olga: User) -> None:
    subjects.correct(image=sealed.images.latest("pk"), subject="person 2", by=olga)
    waiting = LedgerChange.objects.count()
    assert waiting
    ledger.seal()  # the act is not settled yet
    assert LedgerChange.objects.count() == waiting
    seal()
    assert not LedgerChange.objects.exists()
    rows = ledger.unpacked(LedgerBlock.objects.filter(study=sealed).latest("number").rows)
    assert [row.kind for row in rows] == [ledger.ACT, changes.BY, changes.BEFORE, b"I"]
    assert rows[1].pk == rows[0].pk


def test_the_database_hashes_facts_as_the_check_does(sealed: Study) -> None:
    """Triggers have the kinds that a migration wrote down: each notes what `facts.current` says."""
    execute("UPDATE labeler_study SET ledger_salt = gen_random_uuid()")
    sealed.refresh_from_db()
    for kind in facts.KINDS:
        now = facts.current(sealed, kind)
        if not now:
            continue
        table = kind.rows.split()[0]
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(f"CREATE TEMPORARY TABLE kept ON COMMIT DROP AS SELECT * FROM {table}")
                cursor.execute("SET LOCAL session_replication_role = replica")
                cursor.execute(f"DELETE FROM {table}")
                cursor.execute("SET LOCAL session_replication_role = origin")
                cursor.execute("SET CONSTRAINTS ALL DEFERRED")
                cursor.execute("DELETE FROM labeler_ledgerchange")
                cursor.execute(f"INSERT INTO {table} SELECT * FROM kept")
            noted = LedgerChange.objects.filter(kind=kind.code).values_list("key", "after")
            assert {key: bytes(after or b"") for key, after in noted} == now, kind.name
            transaction.set_rollback(True)


def test_a_ledger_of_before_begins_to_have_changes(sealed: Study, olga: User) -> None:
    """As an earlier release left it: blocks of labels and acts alone, rows sealed last in a table, nothing noted."""
    kind = facts.BY_CODE[b"I"]
    with every_right():
        LedgerBlock.objects.all().delete()
        LedgerChange.objects.all().delete()
        AuditEvent.objects.update(transaction=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(changes, "begin", lambda _: iter(()))
        seal()
    with every_right():
        LedgerBlock.objects.update(begins_changes=False)
    for key, sha256 in facts.current(sealed, kind).items():
        LedgerFact.objects.create(study=sealed, kind=kind.code, key=key, sha256=sha256)
    subjects.correct(image=sealed.images.latest("pk"), subject="person 2", by=olga)
    seal()
    assert LedgerBlock.objects.get(begins_changes=True).number == 2
    assert not LedgerFact.objects.exists()
    subjects.correct(image=sealed.images.latest("pk"), subject="person 3", by=olga)
    seal()
    assert findings() == []
    execute("UPDATE labeler_image SET subject = 'person 9'")
    audit.record(sealed, olga, "exported the study")
    seal()
    assert len(findings()) == 10


def test_a_ledger_that_is_made_to_begin_anew_is_found(sealed: Study, olga: User) -> None:
    with every_right():
        execute("UPDATE labeler_image SET subject = 'person 9'")
        LedgerBlock.objects.update(begins_changes=False)
    assert "Block 1 of study acne was changed: whether facts begin with it." in findings()
    audit.record(sealed, olga, "exported the study")
    seal()
    assert len([finding for finding in findings() if "sealed anew in block 2" in finding]) > 10


def test_an_anchored_chain_that_was_left_behind_for_a_copy_is_found(
    sealed: Study, olga: User, settings: object, tmp_path: Path
) -> None:
    """The study is moved to another number, changed, and sealed anew; the old chain stays, so that anchors find it."""
    settings.LEDGER_ANCHORS = [str(tmp_path / "anchors.jsonl")]  # type: ignore[attr-defined]
    anchors.write()
    with every_right(), connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.columns WHERE column_name = 'study_id'")
        for (table,) in cursor.fetchall():
            if table != "labeler_ledgerblock" and not table.startswith("pg_"):
                cursor.execute(f"UPDATE {table} SET study_id = 99 WHERE study_id = {sealed.pk}")
        cursor.execute("UPDATE labeler_study SET id = 99")
        cursor.execute("UPDATE labeler_image SET subject = 'person 9'")
        cursor.execute("DELETE FROM labeler_ledgerchange")
    audit.record(Study.objects.get(), olga, "exported the study")
    seal()
    found = ledger_check.inspect(known=anchors.noted(), files=False).findings
    assert f"The study with the number {sealed.pk} was removed: the ledger has its blocks." in found
    assert any(finding.startswith("There is no block with the hash") for finding in found)


def test_a_mark_that_somebody_keeps_from_moving_is_found(sealed: Study, olga: User) -> None:
    audit.record(sealed, olga, "exported the study")
    with every_right():
        execute("UPDATE labeler_auditevent SET at = at - interval '2 hours' WHERE action = 'exported the study'")
    assert findings() == ["New rows of study acne are not sealed: check that beat and a worker run."]
