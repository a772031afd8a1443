"""The audit log, the ledger, and hashes of erased notes."""

import secrets
from typing import ClassVar

from django.db import models
from django.db.models import Func
from django.db.models.functions import Cast
from django.utils import timezone

from labeler.models.people import User
from labeler.models.readings import Label
from labeler.models.studies import Study


class ErasedNote(models.Model):
    """What stands for a note that was erased with its image: its hash, by which the ledger knows the label."""

    label = models.OneToOneField(Label, on_delete=models.PROTECT, primary_key=True)
    note_sha256 = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"note of label {self.label_id}"


def draw_salt() -> str:
    """Return what keeps an act from being guessed by its hash, which leaves the installation in exports."""
    return secrets.token_hex(16)


def _this_transaction() -> Cast:
    """Return the number of the transaction that stores the row."""
    number = Func(function="pg_current_xact_id", output_field=models.TextField())
    return Cast(Cast(number, models.TextField()), models.BigIntegerField())


class AuditEvent(models.Model):
    """An act of a person: on a study, or a sign-in. Append-only, by a trigger."""

    study = models.ForeignKey(
        Study, null=True, on_delete=models.PROTECT, related_name="audit_events", help_text="None: the whole site."
    )
    user = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+", help_text="None: a command.")
    action = models.CharField(max_length=40)
    detail = models.CharField(max_length=500, blank=True)
    reason = models.CharField(max_length=300, blank=True)
    origin = models.CharField(
        max_length=45, blank=True, db_default="", help_text="The address it came from, as far as it is kept."
    )
    at = models.DateTimeField(default=timezone.now, editable=False)
    salt = models.CharField(max_length=32, default=draw_salt, db_default="", editable=False)
    # By it the ledger knows which facts the act changed (`labeler.record.changes`).
    transaction = models.BigIntegerField(null=True, db_default=_this_transaction(), editable=False)

    class Meta:
        ordering = ("-id",)
        indexes: ClassVar = [
            models.Index(fields=["study", "-id"], name="audit_of_study"),
            # The log's filters.
            models.Index(fields=["study", "action", "-id"], name="audit_by_action"),
            models.Index(fields=["study", "user", "-id"], name="audit_by_person"),
            models.Index(fields=["at", "id"], name="audit_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.detail}"


class LedgerChange(models.Model):
    """A change of a fact that no block has yet, as a trigger notes it (`labeler.record.changes`)."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="+", db_constraint=False)
    transaction = models.BigIntegerField(help_text="Of the database: its acts are those that explain the change.")
    kind = models.BinaryField()
    key = models.BigIntegerField()
    before = models.BinaryField(null=True, help_text="The fact's hash; none where there was no row.")
    after = models.BinaryField(null=True)

    def __str__(self) -> str:
        return f"change of fact {self.kind!r} {self.key}"


class LedgerFact(models.Model):
    """What an earlier release sealed last of a row that may change. The first block that seals changes takes it up."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="+", db_index=False)
    kind = models.BinaryField()
    key = models.BigIntegerField()
    sha256 = models.BinaryField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["study", "kind", "key"], name="one_seal_per_fact")]

    def __str__(self) -> str:
        return f"fact {self.kind!r} {self.key}"


class LedgerMark(models.Model):
    """Up to which ids labels and acts are settled: no transaction is left that could still add one below them.

    There is one row. `labeler.record.ledger` moves it on.
    """

    labels = models.PositiveBigIntegerField(default=0, help_text="Every label up to this id is settled.")
    events = models.PositiveBigIntegerField(default=0)
    # What was newest at a moment, and the transactions that had begun by then: settled once these have ended.
    seen_labels = models.PositiveBigIntegerField(default=0)
    seen_events = models.PositiveBigIntegerField(default=0)
    seen_at = models.DateTimeField(default=timezone.now)
    seen_transactions = models.PositiveBigIntegerField(default=0, help_text="Those that begin later have this number.")

    def __str__(self) -> str:
        return f"settled up to label {self.labels} and act {self.events}"


class LedgerBlock(models.Model):
    """Sealed labels and acts of a study: a change of one of them, or of an earlier block, no longer fits the hash.

    Rows are only ever added (a trigger sees to it). What is hashed, and how: `labeler.record.ledger`.
    """

    study = models.ForeignKey(
        Study, null=True, on_delete=models.PROTECT, related_name="ledger_blocks", help_text="None: the whole site."
    )
    number = models.PositiveIntegerField(help_text="From 1 on, without a gap.")
    previous = models.CharField(max_length=64, help_text="Digest of the block before.")
    rows = models.BinaryField(help_text="Of each row in order its kind, its id and its SHA-256: 41 bytes.")
    rows_sha256 = models.CharField(max_length=64)
    # Where the next block goes on.
    labels_until = models.BigIntegerField()
    events_until = models.BigIntegerField()
    heads = models.JSONField(default=dict, help_text="In a block of the site: every study's latest block.")
    # Kept beside what it says, so that it is quickly found: verify_ledger looks whether it is so.
    begins_changes = models.BooleanField(
        default=False, db_default=False, help_text="It has all facts of its study; those after it have what changed."
    )
    sealed_at = models.DateTimeField()
    digest = models.CharField(max_length=64, unique=True)

    class Meta:
        ordering = ("number",)
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["study", "number"], nulls_distinct=False, name="one_block_per_number"),
        ]

    def __str__(self) -> str:
        return f"block {self.number} of {self.study or 'the site'}"
