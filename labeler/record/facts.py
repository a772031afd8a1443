"""Facts: rows that may change, on which printed numbers depend. Each state they were in is sealed in the ledger.

A label is sealed once and never changes. That an image is golden, what its subject agreed to, or what a run found may
change, by an act that the audit log has. Each state of a fact goes into a block, with its kind, its row's id and

    SHA-256 of "salt kind id text"

where text is the JSON array that PostgreSQL makes of the row (`Kind.text`) and the salt is the study's and the kind's.
A fact whose row is gone has 32 zero bytes. Which states a block takes: `labeler.record.changes`. Who finds a fact that
is not as it was sealed last, or was changed without an act: `labeler.record.fact_check`. What is no fact, and why:
the list in `tests/labeler/record/test_columns.py`, which names every column.
"""

import hmac
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import connection

from labeler.models import Study
from labeler.record import audit

GONE = bytes(32)

# The acts that may change a fact, as the audit log calls them.
DEALT = ("dealt", "dealt: images", "dealt: join", "dealt: leave", "dealt: order", "dealing taken back")
ASKED, ERASED = "erasure asked for", "erased"
TAKEN_OUT = ("image taken out", "image taken back in")
CONSENTED = ("consent recorded", "consent is needed", "consent is not needed", "metadata joined", "subject corrected")
SCREENED = ("prescreening limits set", "prescreening limits applied", "prescreening decided", "golden set frozen")
CLUSTERED = ("searched for near-duplicates", "near-duplicates judged", "taken from its near-duplicates")
PUBLISHED = (audit.PUBLISHED, audit.PUBLISHED_BY_HAND, audit.ROLLED_BACK)


@dataclass(frozen=True)
class Kind:
    """One kind of fact."""

    code: bytes  # one byte, in the blocks
    name: str  # in findings and in exports
    rows: str  # FROM: its rows, and what is joined to them; the row itself is called "row"
    study: str  # the id of the study that a row belongs to
    text: str  # the row's facts, as arguments of jsonb_build_array
    acts: tuple[str, ...]  # what may add, change or remove it
    where: str = "true"  # which rows are facts
    key: str = "row.id"
    # Texts of these kinds name no person: an export has them, with the salt by which anyone can compute the hash.
    is_exported: bool = True
    # Whether a new row needs an act too; images come one by one, long after their import was begun.
    is_added_by_act: bool = True
    # Whether an erasure changes it in the background, between the act that asks for it and the one that ends it.
    is_erased: bool = False

    def now(self, salt: str = "%s") -> str:
        """Return SQL for key and hash of a study's facts; its parameters are the salt and the study's id."""
        hashed = f"{salt} || ' {self.name} ' || {self.key} || ' ' || jsonb_build_array({self.text})::text"
        return f"SELECT {self.key} AS key, sha256(convert_to({hashed}, 'UTF8')) AS sha256 {self._from()}"

    def texts(self) -> str:
        """Return SQL for key and text of a study's facts; its parameter is the study's id."""
        return f"SELECT {self.key} AS key, jsonb_build_array({self.text})::text AS text {self._from()}"

    def _from(self) -> str:
        return f"FROM {self.rows} WHERE {self.study} = %s AND {self.where}"


STUDY = ("labeler_study row", "row.id")
LEVEL = ("labeler_gradelevel row", "row.study_id")
READER = ("labeler_reader row", "row.study_id")
CONSENT = ("labeler_consent row", "row.study_id")
PROMISE = ("labeler_commitment row", "row.study_id")
IMAGE = ("labeler_image row", "row.study_id")
MEASUREMENT = ("labeler_measurement row JOIN labeler_image image ON image.id = row.image_id", "image.study_id")
PLACE = ("labeler_assignment row JOIN labeler_reader reader ON reader.id = row.reader_id", "reader.study_id")
DEALING = ("labeler_dealing row", "row.study_id")
ERASURE = ("labeler_erasure row", "row.study_id")
TO_ERASE = ("labeler_erasedimage row JOIN labeler_erasure erasure ON erasure.id = row.erasure_id", "erasure.study_id")
RUN = ("training_trainingrun row", "row.study_id")
RULE = ("labeler_judgingrule row", "row.study_id")
DECISION = ("training_readerdecision row JOIN labeler_reader reader ON reader.id = row.reader_id", "reader.study_id")
REGRESSOR = ("scoring_regressor row JOIN labeler_study study ON study.slug = row.study", "study.id")

HAS_REPORT = "row.report IS NOT NULL"
HAS_DETAILS = f"{HAS_REPORT} AND row.details_deleted_at IS NULL"
SCORES = """(
    SELECT encode(sha256(convert_to(coalesce(string_agg(
        concat_ws(' ', score.recipe, score.fit, image.content_hash, encode(float8send(score.value), 'hex')), '; '
        ORDER BY score.recipe COLLATE "C", score.fit, image.content_hash COLLATE "C"), ''), 'UTF8')), 'hex')
    FROM training_score score JOIN labeler_image image ON image.id = score.image_id WHERE score.run_id = row.id
)"""
# Rows of one table are packed into the other in time (training/runs/pruning.py).
LEARNED_FROM = """(
    SELECT encode(sha256(convert_to(coalesce(string_agg(image::text, ' ' ORDER BY image), ''), 'UTF8')), 'hex')
    FROM (SELECT image_id FROM training_trainingimage WHERE run_id = row.id
          UNION ALL SELECT unnest(images) FROM training_learnedfrom WHERE run_id = row.id) seen (image)
)"""
KINDS = (
    Kind(b"S", "study", *STUDY, "row.slug, row.title, row.is_simulated", ("made", "study changed")),
    Kind(
        b"T",
        "state",
        *STUDY,
        "row.needs_consent, extract(epoch FROM row.golden_drawn_at)::text, extract(epoch FROM row.dealt_at)::text, "
        "extract(epoch FROM row.closed_at)::text, extract(epoch FROM row.reports_released_at)::text",
        ("made", *CONSENTED, "golden set frozen", *DEALT, "closed", "released the readers' reports", "labels imported"),
    ),
    Kind(
        b"N",
        "draws",
        *STUDY,
        "row.seed, encode(sha256(row.secret), 'hex'), row.shortest_look_ms, extract(epoch FROM row.created_at)::text",
        ("made", "shortest look set"),
        is_exported=False,
    ),
    Kind(b"V", "grade level", *LEVEL, "row.value, row.name, row.criterion", ("made", "study changed")),
    Kind(
        b"R",
        "reader",
        *READER,
        "row.code, row.user_id, row.is_simulated, extract(epoch FROM row.left_at)::text",
        ("reader added", *DEALT, "labels imported"),
    ),
    Kind(
        b"Y",
        "acceptance",
        *READER,
        "extract(epoch FROM row.accepted_at)::text, row.capacity",
        ("reader added", *DEALT, "labels imported", "capacity set", "accepted to read", "began to read"),
    ),
    Kind(
        b"C",
        "consent",
        *CONSENT,
        "row.subject, row.scopes, row.given_on, row.source",
        ("consent recorded", ASKED, ERASED),
        is_exported=False,
    ),
    Kind(b"M", "promise", *PROMISE, "row.digest, row.opening", ("golden set frozen",), is_exported=False),
    Kind(
        b"I",
        "image",
        *IMAGE,
        "row.content_hash, row.subject, row.metadata",
        ("metadata joined", "subject corrected", ERASED),
        is_exported=False,
        is_added_by_act=False,
        is_erased=True,
    ),
    Kind(
        b"G",
        "golden",
        *IMAGE,
        "row.content_hash, row.is_golden",
        ("golden set frozen", "labels imported"),
        is_added_by_act=False,
    ),
    Kind(
        b"U",
        "permission",
        *IMAGE,
        "row.content_hash, row.may_be_graded, row.may_be_trained_on, row.may_be_shared, row.is_erased",
        (*CONSENTED, *TAKEN_OUT, ASKED),
        is_added_by_act=False,
    ),
    Kind(b"O", "taken out", *IMAGE, "row.content_hash, row.is_taken_out", TAKEN_OUT, is_added_by_act=False),
    Kind(
        b"P",
        "picture",
        *IMAGE,
        # An image that was there before images had a turn has the text that it had.
        "row.content_hash, row.rendition_sha256 || "
        "CASE WHEN row.turn IS NULL THEN '{}' ELSE jsonb_build_object('turn', row.turn) END",
        (audit.TURNED,),
        is_added_by_act=False,
        is_erased=True,
    ),
    Kind(
        b"F",
        "file",
        *IMAGE,
        "row.content_hash, row.original, row.rendition, row.width, row.height, "
        "extract(epoch FROM row.imported_at)::text",
        (audit.TURNED,),
        is_added_by_act=False,
        is_erased=True,
    ),
    Kind(
        b"K",
        "screening",
        *IMAGE,
        "row.content_hash, row.cluster, row.failed, row.override, row.is_kept",
        (*SCREENED, *CLUSTERED, audit.TURNED),
        is_added_by_act=False,
        is_erased=True,
    ),
    Kind(
        b"Q",
        "measures",
        *MEASUREMENT,
        "row.exposure, row.contrast, row.sharpness, row.short_side, row.faces, row.face_size, "
        "encode(row.fingerprint, 'hex')",
        (audit.TURNED,),
        key="row.image_id",
        is_exported=False,
        is_added_by_act=False,
        is_erased=True,
    ),
    Kind(b"H", "dealing", *DEALING, "row.kind, row.reader_id, row.plan, row.reversed_at", DEALT),
    Kind(
        b"D",
        "place",
        *PLACE,
        "row.reader_id, row.image_id, row.is_repeat, row.position, row.dealing_id, row.withdrawn_in_id",
        (*DEALT, "labels imported"),
    ),
    Kind(b"J", "erasure", *ERASURE, "row.subject, row.reason, row.certificate", (ASKED, ERASED), is_exported=False),
    Kind(b"Z", "image to erase", *TO_ERASE, "row.erasure_id", (ASKED,), key="row.image_id"),
    Kind(
        b"j",
        "judging rule",
        *RULE,
        "row.against, row.margin, row.active_margin, row.after_reading, row.reason",
        ("set the judging rule", "changed the judging rule late"),
        is_exported=False,
    ),
    Kind(
        b"o",
        "reader decision",
        *DECISION,
        "row.reader_id, row.counts, row.kinds, row.reason",
        ("let a reader set the bar", "let a reader set no bar"),
        is_exported=False,
    ),
    Kind(
        b"W",
        "run",
        *RUN,
        "row.label_snapshot, row.left_out, row.conclusion, row.is_published, row.report, row.regressor_id, "
        "encode(sha256(convert_to(row.record::text, 'UTF8')), 'hex'), row.state, "
        "extract(epoch FROM row.requested_at)::text, extract(epoch FROM row.started_at)::text, "
        "extract(epoch FROM row.finished_at)::text",
        (audit.RUN_KEPT,),
        HAS_REPORT,
    ),
    Kind(b"X", "scores", *RUN, SCORES, (audit.RUN_KEPT, audit.RUN_PRUNED), HAS_DETAILS),
    Kind(b"E", "learned from", *RUN, LEARNED_FROM, (audit.RUN_KEPT,), HAS_REPORT),
    Kind(
        b"B",
        "regressor",
        *REGRESSOR,
        "row.recipe, row.artefact, row.artefact_sha256, row.provenance, row.is_active, "
        "extract(epoch FROM row.published_at)::text, extract(epoch FROM row.fitted_at)::text",
        (audit.RUN_KEPT, *PUBLISHED),
        is_exported=False,
    ),
)
BY_CODE = {kind.code: kind for kind in KINDS}


def salt(study: Study, kind: Kind) -> str:
    """Return what keeps a kind's facts from being guessed by their hashes: one kind's salt does not tell another's."""
    return hmac.new(str(study.ledger_salt).encode(), kind.name.encode(), "sha256").hexdigest()


def current(study: Study, kind: Kind) -> dict[int, bytes]:
    """Return id -> hash of each of a study's facts as it is now."""
    with connection.cursor() as cursor:
        cursor.execute(kind.now(), [salt(study, kind), study.pk])
        return {key: bytes(sha256) for key, sha256 in cursor.fetchall()}


def texts(study: Study, kind: Kind) -> Iterator[tuple[int, str, str]]:
    """Yield id, text and hash of each of a study's facts as it is now; no text where it names a person."""
    with connection.cursor() as cursor:
        if kind.is_exported:
            cursor.execute(f"{kind.texts()} ORDER BY key", [study.pk])
            yield from ((key, text, "") for key, text in cursor.fetchall())
        else:
            cursor.execute(f"{kind.now()} ORDER BY key", [salt(study, kind), study.pk])
            yield from ((key, "", bytes(sha256).hex()) for key, sha256 in cursor.fetchall())
