"""Facts: rows that may change, on which printed numbers depend. Each state they were in is sealed in the ledger.

A label is sealed once and never changes. That an image is golden, what its subject agreed to, or what a grade is
called may change, by an act that the audit log has. So whenever a block is sealed, each fact that is not as it was
sealed last goes into the block, with its kind, its row's id and

    SHA-256 of "salt kind id text"

where text is the JSON array that PostgreSQL makes of the row (`Kind.text`) and the salt is the study's and the kind's.
A fact whose row is gone has 32 zero bytes. `labeler.record.ledger_check` finds a fact that is not as it was sealed
last, and one that changed while no act of those that may change it was done.
"""

import hmac
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection

from labeler.models import Study

GONE = bytes(32)

# The acts that may change a fact, as the audit log calls them.
DEALT = ("dealt", "dealt: images", "dealt: join", "dealt: leave", "dealt: order", "dealing taken back")
ERASED = ("erasure asked for", "erased")
TAKEN_OUT = ("image taken out", "image taken back in")
CONSENTED = ("consent recorded", "consent is needed", "consent is not needed", "metadata joined", "subject corrected")


@dataclass(frozen=True)
class Kind:
    """One kind of fact."""

    code: bytes  # one byte, in the blocks
    name: str  # in findings and in exports
    rows: str  # FROM and WHERE of its rows, with one parameter: the study's id; the row itself is called "row"
    text: str  # the row's facts, as arguments of jsonb_build_array
    acts: tuple[str, ...]  # what may add, change or remove it; those of LASTING do so long after, too
    # Texts of these kinds name no person: an export has them, with the salt by which anyone can compute the hash.
    is_exported: bool = True
    # Whether a new row needs an act too; images come one by one, long after their import was begun.
    is_added_by_act: bool = True


# An erasure goes on in the background after it was asked for.
LASTING = frozenset(ERASED)
OF_STUDY = "labeler_{} row WHERE row.study_id = %s"
KINDS = (
    Kind(b"S", "study", "labeler_study row WHERE row.id = %s", "slug, title, is_simulated", ("made", "study changed")),
    Kind(
        b"T",
        "state",
        "labeler_study row WHERE row.id = %s",
        "needs_consent, extract(epoch FROM golden_drawn_at)::text, extract(epoch FROM dealt_at)::text, "
        "extract(epoch FROM closed_at)::text, extract(epoch FROM reports_released_at)::text",
        ("made", *CONSENTED, "golden set frozen", *DEALT, "closed", "released the readers' reports", "labels imported"),
    ),
    Kind(b"V", "grade level", OF_STUDY.format("gradelevel"), "value, name, criterion", ("made", "study changed")),
    Kind(
        b"R",
        "reader",
        OF_STUDY.format("reader"),
        "code, user_id, is_simulated, extract(epoch FROM left_at)::text",
        ("reader added", *DEALT, "labels imported"),
    ),
    Kind(
        b"C",
        "consent",
        OF_STUDY.format("consent"),
        "subject, scopes, given_on, source",
        ("consent recorded", *ERASED),
        is_exported=False,
    ),
    Kind(
        b"M",
        "promise",
        OF_STUDY.format("commitment"),
        "digest, opening",
        ("golden set frozen",),
        is_exported=False,
    ),
    Kind(
        b"I",
        "image",
        OF_STUDY.format("image"),
        "content_hash, subject, metadata",
        ("metadata joined", "subject corrected", *ERASED),
        is_exported=False,
        is_added_by_act=False,
    ),
    Kind(
        b"G",
        "golden",
        OF_STUDY.format("image"),
        "content_hash, is_golden",
        ("golden set frozen", "labels imported"),
        is_added_by_act=False,
    ),
    Kind(
        b"U",
        "permission",
        OF_STUDY.format("image"),
        "content_hash, may_be_graded, may_be_trained_on, may_be_shared, is_erased",
        (*CONSENTED, *TAKEN_OUT, *ERASED),
        is_added_by_act=False,
    ),
    Kind(
        b"O",
        "taken out",
        OF_STUDY.format("image"),
        "content_hash, is_taken_out",
        TAKEN_OUT,
        is_added_by_act=False,
    ),
    Kind(
        b"P",
        "picture",
        OF_STUDY.format("image"),
        # An image that was there before images had a turn has the text that it had.
        "content_hash, rendition_sha256 || CASE WHEN turn IS NULL THEN '{}' ELSE jsonb_build_object('turn', turn) END",
        ("image turned", *ERASED),
        is_added_by_act=False,
    ),
)
BY_CODE = {kind.code: kind for kind in KINDS}

NOW = """
SELECT row.id AS key,
       sha256(convert_to(%s || ' {name} ' || row.id || ' ' || jsonb_build_array({text})::text, 'UTF8')) AS sha256
FROM {rows}
"""
# Writes down what is sealed now, and gives back what was not sealed so before.
TAKE = """
WITH now AS ({now}),
changed AS (
    SELECT now.key, now.sha256 FROM now
    LEFT JOIN labeler_ledgerfact old ON old.study_id = %s AND old.kind = %s AND old.key = now.key
    WHERE old.sha256 IS DISTINCT FROM now.sha256
),
gone AS (
    DELETE FROM labeler_ledgerfact old WHERE study_id = %s AND kind = %s AND NOT EXISTS (
        SELECT FROM now WHERE now.key = old.key)
    RETURNING old.key
),
written AS (
    INSERT INTO labeler_ledgerfact (study_id, kind, key, sha256)
    SELECT %s, %s, key, sha256 FROM changed
    ON CONFLICT (study_id, kind, key) DO UPDATE SET sha256 = excluded.sha256
)
SELECT key, sha256 FROM changed UNION ALL SELECT key, %s FROM gone ORDER BY key
"""


def salt(study: Study, kind: Kind) -> str:
    """Return what keeps a kind's facts from being guessed by their hashes: one kind's salt does not tell another's."""
    return hmac.new(str(study.ledger_salt).encode(), kind.name.encode(), "sha256").hexdigest()


def take_changed(study: Study) -> Iterator[tuple[bytes, int, bytes]]:
    """Yield code, id and hash of every fact that is not as it was sealed last; from now on it is sealed so."""
    with connection.cursor() as cursor:
        for kind in KINDS:
            named = (study.pk, kind.code)
            cursor.execute(TAKE.format(now=_now(kind)), [salt(study, kind), study.pk, *named, *named, *named, GONE])
            for key, sha256 in cursor.fetchall():
                yield kind.code, key, bytes(sha256)


def current(study: Study, kind: Kind) -> dict[int, bytes]:
    """Return id -> hash of each of a study's facts as it is now."""
    with connection.cursor() as cursor:
        cursor.execute(_now(kind), [salt(study, kind), study.pk])
        return {key: bytes(sha256) for key, sha256 in cursor.fetchall()}


def texts(study: Study, kind: Kind) -> list[tuple[int, str]]:
    """Return id and text of each of a study's facts as it is now."""
    with connection.cursor() as cursor:
        query = f"SELECT row.id, jsonb_build_array({kind.text})::text FROM {kind.rows} ORDER BY row.id"  # noqa: S608
        cursor.execute(query, [study.pk])
        return list(cursor.fetchall())


def _now(kind: Kind) -> str:
    return NOW.format(name=kind.name, text=kind.text, rows=kind.rows)
