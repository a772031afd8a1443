"""Check of the database against its ledger: rows that were changed, removed, inserted or moved.

Labels and acts are compared with their hashes; facts too, and each change of one with the acts that may change it.
What follows from labels is computed from them anew (which one is current), what follows from files is read
(photographs), and the golden set is compared with the promise.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from labeler.models import AuditEvent, Commitment, Label, LedgerBlock, LedgerMark, Study
from labeler.platform import database_clock
from labeler.record import fact_check, ledger
from labeler.record.ledger import ACT, LABEL, Entry
from scoring.platform import blobs

SEALED_WITHIN = timedelta(hours=1)  # since the last seal: a minute is usual
# In ledgers of earlier releases an act explains a change of about its time.
APART = timedelta(minutes=10)
NAMES = {LABEL: "Label", ACT: "Act"}

# Assignments whose state is not that of their latest label, or that lack one of their labels.
STALE = """
SELECT assignment.id, reader.code, assignment.version, count(label.id), max(label.version)
FROM labeler_assignment assignment
JOIN labeler_reader reader ON reader.id = assignment.reader_id
LEFT JOIN labeler_label label ON label.assignment_id = assignment.id
WHERE reader.study_id = %s
GROUP BY assignment.id, reader.code
HAVING assignment.version <> count(label.id) OR assignment.version <> coalesce(max(label.version), 0)
    OR assignment.is_done
        <> coalesce(bool_or(NOT label.is_undo) FILTER (WHERE label.version = assignment.version), false)
ORDER BY assignment.id
"""

# Readers whose counts are not those of their lists.
MISCOUNTED = """
SELECT reader.code, reader.done, counted.done, reader.skipped, counted.skipped
FROM labeler_reader reader
JOIN LATERAL (
    SELECT count(*) FILTER (WHERE place.is_done) AS done,
           count(*) FILTER (WHERE NOT place.is_done AND place.withdrawn_in_id IS NULL AND NOT image.may_be_graded)
               AS skipped
    FROM labeler_assignment place JOIN labeler_image image ON image.id = place.image_id
    WHERE place.reader_id = reader.id
) counted ON true
WHERE reader.study_id = %s AND (reader.done, reader.skipped) <> (counted.done, counted.skipped)
ORDER BY reader.code
"""


@dataclass
class Inspection:
    """What was looked at, and each finding as a sentence that names the row."""

    blocks: int
    rows: int
    waiting: int
    findings: list[str]


@dataclass
class _Counted:
    rows: int = 0
    digests: set[str] = field(default_factory=set)  # of the blocks of all chains


def inspect(*, known: Iterable[str] = (), files: bool = True) -> Inspection:
    """Compare every chain with the rows. `known` are hashes of blocks that were noted elsewhere.

    Without `files` the photographs in storage are not read.
    """
    with database_clock.one_moment():
        inspection = _inspect_rows_of_all(known)
    for study in Study.objects.order_by("pk") if files else ():
        inspection.findings += _inspect_files(study)
    return inspection


def _inspect_rows_of_all(known: Iterable[str]) -> Inspection:
    counted = _Counted()
    chains = [*Study.objects.order_by("pk"), None]
    findings = [finding for study in filter(None, chains) for finding in _inspect_study(study, counted)]
    findings += _inspect_chain(None, counted)
    findings += _chains_of_nothing()
    findings += _missing_heads()
    wanted = list(dict.fromkeys(known))  # an anchor names a chain's newest block again with every line
    findings += [
        f"There is no block with the hash {digest}: it is gone, what it sealed was changed, or "
        "an older state of the database was restored."
        for digest in wanted
        if digest not in counted.digests
    ]
    waiting = sum(_waiting_labels(study).count() + _waiting_acts(study).count() for study in chains)
    return Inspection(len(counted.digests), counted.rows, waiting, findings)


def _inspect_study(study: Study, counted: _Counted) -> list[str]:
    findings = [*_inspect_chain(study, counted), *_inspect_current_labels(study), *_inspect_promise(study)]
    return findings or list(_inspect_counts(study))  # a row that was named is the reason for a wrong count


def _inspect_chain(study: Study | None, counted: _Counted) -> Iterator[str]:
    before: LedgerBlock | None = None
    replay = fact_check.Replay(study, apart=APART) if study else None
    for block in ledger.blocks(study).iterator(1):
        yield from _inspect_links(block, before)
        yield from _inspect_rows(block, before)
        if replay:
            yield from replay.take(block)
        counted.digests.add(block.digest)
        counted.rows += len(block.rows) // ledger.ENTRY.size
        before = block
    if replay:
        yield from replay.compare()
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
    elif (block.labels_until, block.events_until) != ledger.until(block.rows, before):
        yield f"{_said(block)} was changed: it does not end with the last of its rows."


def _inspect_rows(block: LedgerBlock, before: LedgerBlock | None) -> Iterator[str]:
    """Hold the rows up to the end of a block against it: changed, removed, and put in between."""
    entries = [entry for entry in ledger.unpacked(block.rows) if entry.kind in NAMES]
    sealed = {(entry.kind, entry.pk): entry.sha256 for entry in entries}
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


def _inspect_current_labels(study: Study) -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute(STALE, [study.pk])
        for assignment, code, version, count, newest in cursor.fetchall():
            yield (
                f"Assignment {assignment} (reader {code}) was changed: it counts as at version {version}, and has "
                f"{count} labels, the newest of version {newest or 0}. A label was hidden, or one taken back counts."
            )


def _inspect_counts(study: Study) -> Iterator[str]:
    with connection.cursor() as cursor:
        cursor.execute(MISCOUNTED, [study.pk])
        for code, done, is_done, skipped, is_skipped in cursor.fetchall():
            yield (
                f"Fact count of reader {code} ({_chain(study)}) was changed: it has {done} images done and {skipped} "
                f"skipped, and the list has {is_done} done and {is_skipped} skipped."
            )


def _inspect_promise(study: Study) -> Iterator[str]:
    """Compare the golden set with what was promised when it was frozen."""
    promised = Commitment.objects.filter(study=study).first()
    if promised is None:
        return
    if hashlib.sha256(promised.opening.encode()).hexdigest() != promised.digest:
        yield f"The promise of {_chain(study)} was changed: its hash is not that of what it says."
        return
    said = set(json.loads(promised.opening)["golden_images_sha256"])
    golden = set(study.images.filter(is_golden=True).values_list("content_hash", flat=True))
    for content_hash in sorted(said ^ golden):
        was = "promised as golden and is not" if content_hash in said else "golden and was not promised"
        yield f"The image with the hash {content_hash} is {was} ({_chain(study)})."


def _inspect_files(study: Study) -> Iterator[str]:
    """Read every photograph, and what readers are shown of it; of images from before facts were sealed, the first."""
    for image in study.images.filter(is_erased=False).exclude(original="").order_by("pk").iterator(1000):
        files = {image.original: image.content_hash}
        files |= {f"{image.rendition}-{size}": digest for size, digest in image.rendition_sha256.items()}
        for name, digest in files.items():
            try:
                is_right = hashlib.sha256(blobs.read(name)).hexdigest() == digest
            except FileNotFoundError:
                yield f"A file of image {image.pk} of {_chain(study)} is gone: {name}."
                continue
            if not is_right:
                yield f"A file of image {image.pk} of {_chain(study)} was exchanged: {name} is not what was imported."


def _late(study: Study | None) -> Iterator[str]:
    """Say where sealing stands still, or where somebody keeps the mark from moving while its time looks new."""
    since = timezone.now() - SEALED_WITHIN
    labels, acts = _waiting_labels(study), _waiting_acts(study)
    if LedgerMark.objects.filter(seen_at__gte=since).exists():
        labels, acts = labels.filter(labeled_at__lt=since), acts.filter(at__lt=since)
        if _waiting_acts(study).filter(action="labels imported").exists():  # labels of long ago
            labels = Label.objects.none()
    if labels.exists() or acts.exists():
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


def _chains_of_nothing() -> Iterator[str]:
    """A study could be copied under another number, and its chain left behind for anchors to find."""
    left = LedgerBlock.objects.exclude(study=None).exclude(study__in=Study.objects.values("pk"))
    for study in sorted(set(left.values_list("study_id", flat=True))):
        yield f"The study with the number {study} was removed: the ledger has its blocks."


def _missing_heads() -> Iterator[str]:
    """A study's last blocks could be removed with all that they seal; the site's blocks remember them."""
    there = LedgerBlock.objects.filter(study__in=Study.objects.values("pk"))
    digests = {
        (ledger.chain_name(block.study), block.number): block.digest
        for block in there.select_related("study").defer("rows")
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
