"""The ledger: labels and audit events sealed in hash-chained blocks. Append-only.

Each study has a chain of its own, so that its export holds all that it takes to check it; what belongs to no study is
in the site's, whose blocks also hold every study's latest one. Rows are sealed about a minute after they are stored,
by a worker and not by the save: 200 readers would otherwise wait in one line for the hash before theirs.

What is hashed, SHA-256 throughout, JSON without spaces and in UTF-8:

    a label   ["label", id, image, reader, is_repeat, version, grade, not_gradable, note, is_undo, visible_ms, zoom,
               viewport_width, viewport_height, pixel_ratio, input_kind, labeled_at]
              where image is the hash of its file, reader a code, and note the hash of "submission:note"
    an act    ["act", id, study, user, action, detail, reason, origin, at, salt], study and user as ids
    a fact    of a row that may change, once for each state: `labeler.record.facts`
    the rows  of a block, one after the other: 41 bytes each, the kind ("L", "A", a fact's, or a mark that says of facts
              what changed them: `labeler.record.changes`), the id in 8 bytes, the row's hash in 32
    a block   {"chain": "study 7" or "site", "heads", "number", "previous", "rows_sha256", "sealed_at"}, keys in order

`training/export/check_ledger.py` checks the same of an export, and shares no code with this.
"""

import hashlib
import json
import logging
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from typing import Any

from django.db import connection, transaction
from django.db.models import Max, QuerySet

from labeler.models import AuditEvent, Label, LedgerBlock, LedgerMark, Study
from labeler.platform import database_clock
from labeler.record import changes

ROWS_PER_BLOCK = 10_000  # rows of a block: 0.4 MB
SETTLED = timedelta(seconds=30)  # beside the transactions: an id may be taken a moment before its transaction has one
LOWEST = -(2**63)  # id: where a chain begins
FIRST = "0" * 64  # what the first block has for a block before it
ENTRY = struct.Struct(">cq32s")
LABEL, ACT = b"L", b"A"

# Of the transactions that were running when this statement began, those that had begun at a certain number; not ours.
# A snapshot has those of every database of the server, so whose they are is asked of the locks: each holds its number.
STILL_RUNNING = """
SELECT EXISTS (
    SELECT FROM pg_snapshot_xip(pg_current_snapshot()) AS running
    JOIN pg_locks ON locktype = 'transactionid' AND mode = 'ExclusiveLock' AND transactionid = running::xid
    JOIN pg_stat_activity USING (pid)
    WHERE datname = current_database()
    AND running < %s::text::xid8 AND running IS DISTINCT FROM pg_current_xact_id_if_assigned()
)
"""
NEXT_TRANSACTION = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"

LABEL_FIELDS = (
    *("pk", "assignment__image__content_hash", "assignment__reader__code", "assignment__is_repeat", "version"),
    *("grade", "not_gradable", "note", "is_undo"),
    *("visible_ms", "zoom", "viewport_width", "viewport_height", "pixel_ratio", "input_kind"),
    *("labeled_at", "submission", "erasednote__note_sha256"),
)
ACT_FIELDS = ("pk", "study_id", "user_id", "action", "detail", "reason", "origin", "at", "salt")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """A row as a block has it."""

    kind: bytes
    pk: int
    sha256: bytes

    def packed(self) -> bytes:
        return ENTRY.pack(self.kind, self.pk, self.sha256)


def seal(*, settled: timedelta = SETTLED) -> int:
    """Seal what is settled and in no block yet; return how many rows. Any number of workers may call it at once."""
    settle(after=settled)
    # The site comes last, so that its block has what the studies' are now.
    return sum(_seal_chain(study) for study in (*Study.objects.order_by("pk"), None))


@transaction.atomic
def settle(*, after: timedelta) -> None:
    """Move the mark on to what was newest `after` ago, once no transaction is left that had begun by then.

    A row takes its id before it is committed, so an id that is visible does not say that those below it are.
    """
    mark = _locked_mark()
    now = database_clock.now()
    is_of_wrong_clock = mark.seen_at > now  # what it saw then is looked at anew, and waits from now on
    if not is_of_wrong_clock:
        if now - mark.seen_at < after or _is_running(mark.seen_transactions):
            return
        mark.labels, mark.events = mark.seen_labels, mark.seen_events
    mark.seen_labels = Label.objects.aggregate(newest=Max("pk"))["newest"] or 0
    mark.seen_events = AuditEvent.objects.aggregate(newest=Max("pk"))["newest"] or 0
    mark.seen_transactions, mark.seen_at = _next_transaction(), now
    mark.save()


def labels(study: Study) -> QuerySet[Label]:
    return Label.objects.filter(assignment__reader__study=study).order_by("pk")


def acts(study: Study | None) -> QuerySet[AuditEvent]:
    return AuditEvent.objects.filter(study=study).order_by("pk")


def blocks(study: Study | None) -> QuerySet[LedgerBlock]:
    return LedgerBlock.objects.filter(study=study).select_related("study").order_by("number")


def chain_name(study: Study | None) -> str:
    return f"study {study.pk}" if study else "site"


def label_entries(labels: QuerySet[Label]) -> Iterator[Entry]:
    for row in labels.values_list(*LABEL_FIELDS).iterator(ROWS_PER_BLOCK):
        yield Entry(LABEL, row[0], _hash_json(_label_facts(row)))


def act_entries(events: QuerySet[AuditEvent]) -> Iterator[Entry]:
    rows = events.values_list(*ACT_FIELDS).iterator(ROWS_PER_BLOCK)
    for pk, study, user, action, detail, reason, origin, at, salt in rows:
        yield Entry(ACT, pk, _hash_json(["act", pk, study, user, action, detail, reason, origin, time(at), salt]))


def unpacked(rows: bytes | memoryview) -> list[Entry]:
    """Return the rows of a block; a part of one, which only tampering leaves, is none."""
    return [Entry(*fields) for fields in ENTRY.iter_unpack(rows[: len(rows) // ENTRY.size * ENTRY.size])]


def until(rows: bytes | memoryview, before: LedgerBlock | None) -> tuple[int, int]:
    """Return the last label and the last act up to a block with these rows: the next block goes on after them."""
    ends = {LABEL: before.labels_until, ACT: before.events_until} if before else {LABEL: LOWEST, ACT: LOWEST}
    for entry in unpacked(rows):
        if entry.kind in ends:
            ends[entry.kind] = max(ends[entry.kind], entry.pk)
    return ends[LABEL], ends[ACT]


def digest_of(block: LedgerBlock) -> str:
    """Return what the block's hash should be by its other fields."""
    said = {
        "chain": chain_name(block.study),
        "heads": block.heads,
        "number": block.number,
        "previous": block.previous,
        "rows_sha256": block.rows_sha256,
        "sealed_at": time(block.sealed_at),
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def note_sha256(submission: Any, note: str) -> str:
    """Return the hash that stands for a note: guesses cannot be tried without the submission's random id."""
    return hashlib.sha256(f"{submission}:{note}".encode()).hexdigest()


def time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def heads() -> dict[str, list[Any]]:
    """Return every study's latest block: its number and its hash."""
    latest = LedgerBlock.objects.exclude(study=None).order_by("study", "-number").distinct("study")
    rows = latest.select_related("study").defer("rows")
    return {chain_name(block.study): [block.number, block.digest] for block in rows}


def newest() -> dict[str, list[Any]]:
    """Return the newest block of every chain, the site's too: its number and its hash."""
    site = LedgerBlock.objects.filter(study=None).defer("rows").last()
    return heads() | ({chain_name(None): [site.number, site.digest]} if site else {})


def _label_facts(row: tuple[Any, ...]) -> list[Any]:
    pk, image, reader, is_repeat, version, grade, reason, note, is_undo, *viewing, at, submission, erased = row
    said = erased if erased and not note else note_sha256(submission, note)
    return ["label", pk, image, reader, is_repeat, version, grade, reason, said, is_undo, *viewing, time(at)]


def _hash_json(facts: list[Any]) -> bytes:
    return hashlib.sha256(json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode()).digest()


def _seal_chain(study: Study | None) -> int:
    sealed = 0
    while some := _seal_block(study):
        sealed += some
    return sealed


@transaction.atomic
def _seal_block(study: Study | None) -> int:
    """Seal the next rows of a chain, so many as a block takes; return how many."""
    mark = _locked_mark()  # one block after the other, also when two processes seal
    last = blocks(study).defer("rows").last()
    since = (last.labels_until, last.events_until) if last else (LOWEST, LOWEST)
    entries = list(islice(_fresh(study, since, mark), ROWS_PER_BLOCK))
    if not entries:
        return 0
    rows = b"".join(entry.packed() for entry in entries)
    labels_until, events_until = until(rows, last)
    begins = bool(study) and not blocks(study).filter(begins_changes=True).exists()
    if study:
        changed = changes.begin(study) if begins else changes.take(study, since[1], events_until)
        rows += b"".join(ENTRY.pack(*row) for row in changed)
    block = LedgerBlock(
        study=study,
        number=last.number + 1 if last else 1,
        previous=last.digest if last else FIRST,
        rows=rows,
        rows_sha256=hashlib.sha256(rows).hexdigest(),
        labels_until=labels_until,
        events_until=events_until,
        heads={} if study else heads(),
        begins_changes=begins,
        sealed_at=database_clock.now(),
    )
    block.digest = digest_of(block)
    block.save(force_insert=True)
    # A line outside of the database, out of reach for a person who can change the database.
    logger.info("Sealed %s: %s", block, block.digest)
    return len(entries)


def _fresh(study: Study | None, since: tuple[int, int], mark: LedgerMark) -> Iterator[Entry]:
    fresh_acts = act_entries(acts(study).filter(pk__gt=since[1], pk__lte=mark.events))
    if study is None:
        return fresh_acts
    return chain(label_entries(labels(study).filter(pk__gt=since[0], pk__lte=mark.labels)), fresh_acts)


def _locked_mark() -> LedgerMark:
    LedgerMark.objects.get_or_create(pk=1)
    return LedgerMark.objects.select_for_update().get(pk=1)


def _is_running(transactions: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(STILL_RUNNING, [transactions])
        return bool(cursor.fetchone()[0])


def _next_transaction() -> int:
    with connection.cursor() as cursor:
        cursor.execute(NEXT_TRANSACTION)
        return int(cursor.fetchone()[0])
