"""Changes of facts: triggers note each with the transaction that made it, and a block seals it with the act of that.

A transaction that changes a fact writes its act into the audit log, so the act explains exactly the facts that it
changed. Whoever changes a row past the triggers leaves it unlike what was sealed last; whoever changes it past the
product has no act. Both stay so for ever, as no block takes a state from the rows but the first one.

In a block, after labels and acts:

    "="  the act that changed the facts that follow: its id, BEGINNING or NOBODY
    "<"  of the fact that follows: its id, and its hash before; left out of one that was not there
    then the fact's kind, its id and its hash (`labeler.record.facts`)

A fact of a block without "=" before it is one of an earlier release, which compared rows with what was sealed last.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

from django.db import connection

from labeler.models import LedgerChange, LedgerFact, Study
from labeler.record import facts
from labeler.record.facts import Kind

BY, BEFORE = b"=", b"<"
BEGINNING, NOBODY = 0, -1  # in the place of an act
NOTHING = bytes(32)

Row = tuple[bytes, int, bytes]  # kind, id and hash, as blocks have them


class Entry(Protocol):
    """A row of a block."""

    @property
    def kind(self) -> bytes: ...
    @property
    def pk(self) -> int: ...
    @property
    def sha256(self) -> bytes: ...


# All that is noted, with the acts of its transaction that are younger than the last sealed one: one moment's.
NOTED = """
WITH acts AS (
    SELECT transaction, array_agg(id ORDER BY id) AS ids, array_agg(action::text ORDER BY id) AS actions
    FROM labeler_auditevent WHERE study_id = %s AND id > %s GROUP BY transaction
)
SELECT change.id, change.transaction, change.kind, change.key, change.before, change.after, acts.ids, acts.actions
FROM labeler_ledgerchange change LEFT JOIN acts USING (transaction)
WHERE change.study_id = %s ORDER BY change.id
"""
# What there is, and what of it is noted: one moment's.
FORGET = "WITH noted AS (DELETE FROM labeler_ledgerchange WHERE study_id = %s AND kind = %s)"


@dataclass(frozen=True)
class Change:
    """A fact's change by an act, or by NOBODY: its hashes before and after, None where there is no row."""

    act: int
    kind: Kind
    key: int
    before: bytes | None
    after: bytes | None


def begin(study: Study) -> Iterator[Row]:
    """Yield all facts that there are: the ledger begins with them. Before them what changed since earlier releases."""
    old = {(bytes(fact.kind), fact.key): bytes(fact.sha256) for fact in LedgerFact.objects.filter(study=study)}
    known = {code for code, _ in old}
    now: dict[tuple[bytes, int], bytes] = {}
    for kind in facts.KINDS:
        with connection.cursor() as cursor:
            named: list[Any] = [study.pk, kind.code, facts.salt(study, kind), study.pk]
            cursor.execute(f"{FORGET} {kind.now()} ORDER BY key", named)
            now |= {(kind.code, key): bytes(sha256) for key, sha256 in cursor.fetchall()}
    for code, key in sorted(old.keys() | {row for row in now if row[0] in known}):
        if old.get((code, key)) != now.get((code, key)):
            yield code, key, now.get((code, key), facts.GONE)
    LedgerFact.objects.filter(study=study).delete()
    yield BY, BEGINNING, NOTHING
    for (code, key), sha256 in now.items():
        yield code, key, sha256


def take(study: Study, since: int, until: int) -> Iterator[Row]:
    """Yield the noted changes of a block that seals the acts after `since` up to `until`, which are noted no more."""
    ids, changes = _noted(study, since, until)
    LedgerChange.objects.filter(pk__in=ids).delete()
    by = None
    for change in changes:
        if change.act != by:
            by = change.act
            yield BY, by, NOTHING
        if change.before is not None:
            yield BEFORE, change.key, change.before
        yield change.kind.code, change.key, change.after or facts.GONE


def unpacked(entries: Iterable[Entry]) -> Iterator[tuple[int | None, Kind, int, bytes | None, bytes]]:
    """Yield of a block's rows each state of a fact: the act, if it is said, kind, id, and its hashes before and after.

    After is facts.GONE where the row is gone.
    """
    by: int | None = None
    before: bytes | None = None
    for entry in entries:
        if entry.kind == BY:
            by = entry.pk
        elif entry.kind == BEFORE:
            before = entry.sha256
        elif kind := facts.BY_CODE.get(entry.kind):
            yield by, kind, entry.pk, before, entry.sha256
            before = None


def waiting(study: Study, since: int) -> list[Change]:
    """Return the changes that no block has yet; acts up to `since` are sealed and can't be theirs."""
    return _noted(study, since, None)[1]


def _noted(study: Study, since: int, until: int | None) -> tuple[list[int], list[Change]]:
    """Return ids of noted changes, and the changes, in order. Those of acts after `until` are left."""
    with connection.cursor() as cursor:
        cursor.execute(NOTED, [study.pk, since, study.pk])
        rows = cursor.fetchall()
    ids: list[int] = []
    changes: list[Change] = []
    added: dict[tuple[int, bytes, int], int] = {}  # where a row that nobody's transaction added stands in the list
    for pk, transaction, code, key, before, after, acts, actions in rows:
        kind = facts.BY_CODE.get(bytes(code))
        act = _act_of(kind, acts or [], actions or [], until) if kind else None
        if kind is None or act is None:
            continue
        ids.append(pk)
        change = Change(act, kind, key, _bytes(before), _bytes(after))
        place = (transaction, kind.code, key)
        if act == NOBODY and place in added:  # an import adds an image and judges it, in one transaction
            changes[added[place]] = replace(changes[added[place]], after=change.after)
            continue
        if act == NOBODY and before is None:
            added[place] = len(changes)
        changes.append(change)
    return ids, changes


def _act_of(kind: Kind, acts: Iterable[int], actions: Iterable[str], until: int | None) -> int | None:
    """Return the act that explains a change of this kind, or NOBODY; None where it is to be sealed later."""
    able = [act for act, action in zip(acts, actions, strict=True) if action in kind.acts]
    found = min(able) if able else NOBODY
    latest = found if able else max(acts, default=NOBODY)
    return None if until is not None and latest > until else found


def _bytes(value: Any) -> bytes | None:
    return None if value is None else bytes(value)
