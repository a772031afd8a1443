"""The ledger finds and names every row that a database superuser changed."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from uuid import uuid4

import psycopg2
import pytest
from django.core.management import CommandError
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from labeler.grading import queries
from labeler.models import AuditEvent, Label, LedgerBlock, LedgerFact, LedgerMark, Reader, Study, User
from labeler.record import audit, ledger, ledger_check
from tests import builders
from tests.labeler.oversight.test_progress_report import say

NOW = timedelta(0)


def seal() -> int:
    """Seal everything that is there: the first call sees the newest rows, the second knows that they are settled."""
    ledger.settle(after=NOW)
    return ledger.seal(settled=NOW)


@contextmanager
def every_right() -> Iterator[None]:
    """Act as a superuser whose session runs no triggers."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        yield
        cursor.execute("SET LOCAL session_replication_role = origin")


def findings() -> list[str]:
    return ledger_check.inspect(files=False).findings


@pytest.fixture
def sealed(study: Study, reader: Reader, olga: User) -> Study:
    """Return the study with six labels and some acts, in three blocks of its own and one of the site."""
    assignments = list(queries.upcoming(reader))
    audit.record(None, olga, "signed in", detail="by password")
    for assignment, grade in zip(assignments[:3], (2, 3, 4), strict=True):
        say(assignment, grade)
        seal()
    say(assignments[0], 5)
    say(assignments[3], 1)
    say(assignments[4], reason="blurred")
    audit.record(study, olga, "exported the study")
    seal()
    return study


def test_what_nobody_touched_is_found_untouched(sealed: Study) -> None:
    said = builders.command_output("verify_ledger", "--without-files")
    assert said.startswith("Untouched: ")
    assert "; 0 newer ones wait" in said
    assert ledger.blocks(sealed).count() == 4
    entries = [entry for block in ledger.blocks(sealed) for entry in ledger.unpacked(block.rows)]
    assert [entry.pk for entry in entries if entry.kind == ledger.LABEL] == list(
        Label.objects.order_by("pk").values_list("pk", flat=True)
    )
    assert [entry.pk for entry in entries if entry.kind == ledger.ACT] == list(
        ledger.acts(sealed).values_list("pk", flat=True)
    )


def test_a_changed_grade_is_found_and_named(sealed: Study) -> None:
    label = Label.objects.all()[1]
    with every_right():
        Label.objects.filter(pk=label.pk).update(grade=1)
    assert findings() == [
        f"Label {label.pk} (reader R01, version 1) was changed: it is not what block 2 of study acne has sealed."
    ]
    with pytest.raises(CommandError, match="1 findings in"):
        builders.command_output("verify_ledger", "--without-files")


@pytest.mark.parametrize("change", [{"note": "no"}, {"visible_ms": 9}, {"not_gradable": "other", "grade": None}])
def test_everything_that_a_label_says_is_sealed(sealed: Study, change: dict[str, object]) -> None:
    with every_right():
        Label.objects.filter(pk=Label.objects.all()[0].pk).update(**change)
    assert len(findings()) == 1


def test_a_label_that_was_given_to_another_reader_is_found(sealed: Study, ben: User) -> None:
    label = Label.objects.all()[1]
    other = builders.reader_of(ben, sealed).assignments.exclude(labels__isnull=False).latest("pk")
    with every_right():
        Label.objects.filter(pk=label.pk).update(assignment=other)
    assert findings()[0].startswith(f"Label {label.pk} (reader R02, version 1) was changed")


@pytest.mark.parametrize("change", [{"action": "looked"}, {"reason": "none"}, {"origin": "192.0.2.0/24"}])
def test_a_changed_act_is_found_and_named(sealed: Study, change: dict[str, str]) -> None:
    act = AuditEvent.objects.get(action="exported the study")
    with every_right():
        AuditEvent.objects.filter(pk=act.pk).update(**change)
    (finding,) = findings()
    assert finding.startswith(f"Act {act.pk} (")
    assert finding.endswith("was changed: it is not what block 4 of study acne has sealed.")


def test_a_removed_act_is_found_and_named(sealed: Study) -> None:
    act = AuditEvent.objects.get(action="exported the study")
    site = AuditEvent.objects.get(action="signed in")
    with every_right():
        AuditEvent.objects.filter(pk__in=[act.pk, site.pk]).delete()
    assert findings() == [
        f"Act {act.pk} was removed: block 4 of study acne has it.",
        f"Act {site.pk} was removed: block 1 of the site has it.",
    ]


def test_labels_that_changed_places_are_found_and_named(sealed: Study) -> None:
    one, _, two, *_ = Label.objects.order_by("pk")
    with every_right():
        for old, new in ((one.pk, 10**6), (two.pk, one.pk), (10**6, two.pk)):
            Label.objects.filter(pk=old).update(id=new)
    assert [finding.split(" (")[0] for finding in findings()] == [f"Label {one.pk}", f"Label {two.pk}"]


def test_a_row_that_was_put_in_later_is_found_and_named(sealed: Study, reader: Reader) -> None:
    missing = Label.objects.order_by("pk")[3]
    with every_right():
        Label.objects.filter(pk=missing.pk).delete()
    with every_right():
        Label.objects.create(
            pk=missing.pk, submission=uuid4(), assignment=missing.assignment, version=missing.version, grade=5
        )
    assert [finding.split(" was ")[0] for finding in findings()] == [f"Label {missing.pk} (reader R01, version 2)"]
    with every_right():
        AuditEvent.objects.create(pk=-1, study=sealed, action="looked")
    assert "Act -1 (looked) was put in later: block 1 of study acne would have it." in findings()


def test_a_removed_block_is_found_and_named(sealed: Study) -> None:
    with every_right():
        ledger.blocks(sealed).filter(number=2).delete()
    assert "Block 2 is missing from the ledger of study acne." in findings()


def test_a_last_block_that_was_removed_with_its_rows_is_known_to_the_site(sealed: Study, olga: User) -> None:
    audit.record(None, olga, "signed out")
    seal()
    last = ledger.blocks(sealed).last()
    assert last is not None
    gone = [entry.pk for entry in ledger.unpacked(last.rows)]
    with every_right():
        last.delete()
        Label.objects.filter(pk__in=gone).delete()
        ledger.acts(sealed).filter(pk__in=gone).delete()
    assert f"Block 4 of study {sealed.pk} is not the one that block 2 of the site knew, or is gone." in findings()


def test_a_chain_that_was_computed_anew_is_not_the_one_that_was_noted_elsewhere(sealed: Study) -> None:
    noted = ledger.blocks(sealed).last()
    assert noted is not None
    assert builders.command_output("verify_ledger", "--without-files", "--known", noted.digest).startswith("Untouched")
    with every_right():
        Label.objects.filter(pk=Label.objects.all()[0].pk).update(grade=1)
        LedgerBlock.objects.all().delete()
        LedgerFact.objects.all().delete()
    seal()
    assert findings() == []
    (finding,) = ledger_check.inspect(known=[noted.digest], files=False).findings
    assert finding.startswith(f"There is no block with the hash {noted.digest}")


def test_rows_of_a_block_in_another_order_are_found(sealed: Study) -> None:
    block = ledger.blocks(sealed).last()
    assert block is not None
    rows = bytes(block.rows)
    with every_right():
        LedgerBlock.objects.filter(pk=block.pk).update(rows=rows[41:82] + rows[:41] + rows[82:])
    assert findings() == [
        "Block 4 of study acne was changed: its list of rows was shortened, lengthened or put into another order."
    ]


def test_a_changed_block_is_found(sealed: Study) -> None:
    with every_right():
        ledger.blocks(sealed).filter(number=2).update(previous="f" * 64)
    assert findings() == [
        "Block 2 of study acne does not follow the block before it: one of the two was changed.",
        "Block 2 of study acne was changed: its hash is not that of what it says.",
    ]


def test_a_note_can_not_be_exchanged_under_cover_of_an_erasure(sealed: Study) -> None:
    label = Label.objects.all()[0]
    with every_right(), connection.cursor() as cursor:
        kept = ledger.note_sha256(label.submission, label.note)
        cursor.execute("INSERT INTO labeler_erasednote VALUES (%s, %s)", [label.pk, kept])
        Label.objects.filter(pk=label.pk).update(note="another")
    assert len(findings()) == 1


def test_no_trigger_lets_a_block_be_changed(sealed: Study) -> None:
    for attempt in (lambda: LedgerBlock.objects.update(number=9), lambda: LedgerBlock.objects.all().delete()):
        with pytest.raises(IntegrityError, match="only ever added"), transaction.atomic():
            attempt()


def test_the_newest_rows_wait_until_older_ids_must_be_there(study: Study, reader: Reader) -> None:
    seal()
    say(queries.upcoming(reader)[0], 3)
    assert ledger.seal() == 0
    assert not ledger.blocks(study).filter(labels_until__gt=0).exists()


def test_a_clock_that_was_a_day_early_does_not_stop_the_sealing(study: Study, reader: Reader) -> None:
    seal()
    say(queries.upcoming(reader)[0], 3)
    LedgerMark.objects.update(seen_at=timezone.now() + timedelta(days=1))
    assert ledger.seal(settled=NOW) == 0
    seal()
    assert ledger.blocks(study).filter(labels_until__gt=0).exists()
    assert findings() == []


def test_nobody_who_seals_is_found(study: Study, reader: Reader) -> None:
    seal()
    say(queries.upcoming(reader)[0], 3)
    LedgerMark.objects.update(seen_at="2020-01-01T00:00Z")
    assert findings() == ["New rows of study acne are not sealed: check that beat and a worker run."]


def test_a_transaction_of_another_database_holds_nothing_up(study: Study, reader: Reader) -> None:
    options = {**connection.get_connection_params(), "dbname": "postgres"}
    with closing(psycopg2.connect(**options)) as elsewhere, elsewhere.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()")
        say(queries.upcoming(reader)[0], 3)
        assert seal()


@pytest.mark.django_db(transaction=True)
def test_a_label_whose_transaction_lasts_is_waited_for(study: Study, reader: Reader) -> None:
    """One takes its id and is not committed, a later one is: a block that had the later alone would call it put in."""
    slow = queries.upcoming(reader)[0]
    has_id, may_commit = threading.Event(), threading.Event()

    def save_slowly() -> None:
        with transaction.atomic():
            say(slow, 3)
            has_id.set()
            may_commit.wait(60)
        connection.close()

    thread = threading.Thread(target=save_slowly)
    seal()
    thread.start()
    assert has_id.wait(60)
    other = study.readers.exclude(pk=reader.pk).get()
    say(queries.upcoming(other)[0], 4)
    assert seal() == 0
    assert ledger.seal(settled=NOW) == 0
    may_commit.set()
    thread.join()
    seal()
    assert findings() == []
    assert (
        sum(entry.kind == ledger.LABEL for block in ledger.blocks(study) for entry in ledger.unpacked(block.rows)) == 2
    )


def test_a_change_of_a_label_is_in_the_log_with_where_it_came_from(
    as_ana: Client, study: Study, reader: Reader
) -> None:
    assignment = queries.upcoming(reader)[0]
    for version, grade in enumerate((3, 4)):
        data = {"submission": uuid4(), "version": version, "grade": grade}
        as_ana.post(f"/read/acne/{assignment.public_id}/label/", data, REMOTE_ADDR="192.0.2.17")
    event = AuditEvent.objects.get(action="label changed")
    assert event.detail == f"label {Label.objects.latest('pk').pk} of R01 replaces version 1"
    assert (event.user, event.origin) == (reader.user, "192.0.2.0/24")


@pytest.mark.parametrize(
    ("policy", "address", "kept"),
    [
        ("shortened", "192.0.2.17", "192.0.2.0/24"),
        ("shortened", "2001:db8:1:2:3::4", "2001:db8:1::/48"),
        ("shortened", "::ffff:192.0.2.17", "192.0.2.0/24"),
        ("full", "192.0.2.17", "192.0.2.17"),
        ("none", "192.0.2.17", ""),
    ],
)
def test_of_an_address_is_kept_what_the_policy_says(
    client: Client, db: None, settings: object, policy: str, address: str, kept: str
) -> None:
    settings.AUDIT_ADDRESSES = policy  # type: ignore[attr-defined]
    client.post("/accounts/login/", {"login": "nobody", "password": "wrong"}, REMOTE_ADDR=address)
    event = AuditEvent.objects.get(action="sign-in failed")
    assert (event.detail, event.origin) == ("an unknown name", kept)
