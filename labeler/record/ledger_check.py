"""Check of the database against its ledger: rows that were changed, removed, inserted or moved."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone

from labeler.models import AuditEvent, Label, LedgerBlock, LedgerMark, Study
from labeler.record import ledger
from labeler.record.ledger import ACT, LABEL, Entry

SEALED_WITHIN = timedelta(hours=1)  # since the last seal: a minute is usual
NAMES = {LABEL: "Label", ACT: "Act"}


@dataclass
class Inspection:
    """What was looked at, and each finding as a sentence that names the row."""

    blocks: int
    rows: int
    waiting: int
    findings: list[str]


@dataclass
class _Counted:
    blocks: int = 0
    rows: int = 0


def inspect(*, known: str = "") -> Inspection:
    """Compare every chain with the rows. `known` is the hash of a block that was noted elsewhere."""
    counted = _Counted()
    chains = [*Study.objects.order_by("pk"), None]
    findings = [finding for study in chains for finding in _inspect_chain(study, counted)]
    findings += _missing_heads()
    if known and not LedgerBlock.objects.filter(digest=known).exists():
        findings.append(f"There is no block with the hash {known}: it is gone, or what it sealed was changed.")
    waiting = sum(_waiting_labels(study).count() + _waiting_acts(study).count() for study in chains)
    return Inspection(counted.blocks, counted.rows, waiting, findings)


def _inspect_chain(study: Study | None, counted: _Counted) -> Iterator[str]:
    before: LedgerBlock | None = None
    for block in ledger.blocks(study).iterator(1):
        yield from _inspect_links(block, before)
        yield from _inspect_rows(block, before)
        counted.blocks += 1
        counted.rows += len(block.rows) // ledger.ENTRY.size
        before = block
    yield from _late(study)


def _inspect_links(block: LedgerBlock, before: LedgerBlock | None) -> Iterator[str]:
    number, previous = (before.number + 1, before.digest) if before else (1, ledger.FIRST)
    if block.number != number:
        last = block.number - 1
        gone = f"Block {number} is" if number == last else f"Blocks {number} to {last} are"
        yield f"{gone} missing from the ledger of {_chain(block.study)}."
    elif block.previous != previous:
        yield f"{_said(block)} does not follow the block before it: one of the two was changed."
    if ledger.digest_of(block) != block.digest:
        yield f"{_said(block)} was changed: its hash is not that of what it says."
    if hashlib.sha256(block.rows).hexdigest() != block.rows_sha256:
        yield f"{_said(block)} was changed: its list of rows was shortened, lengthened or put into another order."


def _inspect_rows(block: LedgerBlock, before: LedgerBlock | None) -> Iterator[str]:
    """Hold the rows up to the end of a block against it: changed, removed, and put in between."""
    sealed = {(entry.kind, entry.pk): entry.sha256 for entry in ledger.unpacked(block.rows)}
    now = {(entry.kind, entry.pk): entry.sha256 for entry in _rows_now(block, before)}
    for key in sorted(sealed.keys() | now.keys()):
        if key not in now:
            yield f"{_named(key)} was removed: {_said(block, inside=True)} has it."
        elif key not in sealed:
            yield f"{_described(key)} was put in later: {_said(block, inside=True)} would have it."
        elif sealed[key] != now[key]:
            yield f"{_described(key)} was changed: it is not what {_said(block, inside=True)} has sealed."


def _rows_now(block: LedgerBlock, before: LedgerBlock | None) -> Iterator[Entry]:
    since = (before.labels_until, before.events_until) if before else (ledger.LOWEST, ledger.LOWEST)
    if block.study:
        labels = ledger.labels(block.study).filter(pk__gt=since[0], pk__lte=block.labels_until)
        yield from ledger.label_entries(labels)
    yield from ledger.act_entries(ledger.acts(block.study).filter(pk__gt=since[1], pk__lte=block.events_until))


def _late(study: Study | None) -> Iterator[str]:
    mark = LedgerMark.objects.filter(seen_at__gte=timezone.now() - SEALED_WITHIN)
    if not mark.exists() and (_waiting_labels(study).exists() or _waiting_acts(study).exists()):
        yield f"New rows of {_chain(study)} are not sealed: check that beat and a worker run."


def _waiting_labels(study: Study | None) -> QuerySet[Label]:
    last = ledger.blocks(study).last()
    return (
        ledger.labels(study).filter(pk__gt=last.labels_until if last else ledger.LOWEST)
        if study
        else Label.objects.none()
    )


def _waiting_acts(study: Study | None) -> QuerySet[AuditEvent]:
    last = ledger.blocks(study).last()
    return ledger.acts(study).filter(pk__gt=last.events_until if last else ledger.LOWEST)


def _missing_heads() -> Iterator[str]:
    """A study's last blocks could be removed with all that they seal; the site's blocks remember them."""
    digests = {
        (ledger.chain_name(block.study), block.number): block.digest
        for block in LedgerBlock.objects.exclude(study=None).select_related("study").defer("rows")
    }
    for block in ledger.blocks(None).defer("rows"):
        for chain, (number, digest) in sorted(block.heads.items()):
            if digests.get((chain, number)) != digest:
                yield f"Block {number} of {chain} is not the one that {_said(block, inside=True)} knew, or is gone."


def _chain(study: Study | None) -> str:
    return f"study {study.slug}" if study else "the site"


def _said(block: LedgerBlock, *, inside: bool = False) -> str:
    return f"{'block' if inside else 'Block'} {block.number} of {_chain(block.study)}"


def _named(key: tuple[bytes, int]) -> str:
    return f"{NAMES[key[0]]} {key[1]}"


def _described(key: tuple[bytes, int]) -> str:
    kind, pk = key
    if kind == LABEL:
        label = Label.objects.select_related("assignment__reader").get(pk=pk)
        return f"Label {pk} (reader {label.assignment.reader.code}, version {label.version})"
    return f"Act {pk} ({AuditEvent.objects.get(pk=pk).action})"
