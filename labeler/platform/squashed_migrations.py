"""The 28 migrations that were squashed into 0001_initial of scoring, labeler and training on 2026-11-30.

A database that has them all counts as migrated, because the first migrations of before and of today have the same names
and leave the same tables. One that stands between two of them has the names, too, but lacks tables.
"""

from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

LAST_REVISION = "7c90a6f"  # the last commit that has them
SQUASHED = {
    *(("scoring", name) for name in ("0002_api", "0003_privacy")),
    *(
        ("labeler", name)
        for name in (
            *("0002_labels_are_append_only", "0003_cache_table", "0004_atlas", "0005_reader_done"),
            *("0006_imported_labels", "0007_running_a_study", "0008_audit_is_append_only", "0009_tallies"),
            *("0010_dealing_at_scale", "0011_measures_are_found", "0012_uploads", "0013_metadata_of_study"),
            *("0014_signing_in", "0015_provisional_scores", "0016_readers_reports", "0017_retrain_at", "0018_ledger"),
            *("0019_privacy", "0020_password_is_given", "0021_chores"),
        )
    ),
    *(
        ("training", name)
        for name in (
            *("0002_scores", "0003_left_out", "0004_training_images", "0005_golden_is_never_trained_on"),
            *("0006_what_a_run_records", "0007_what_old_runs_learned_from"),
        )
    ),
}
# A table of today's first migration that the first one of before did not make.
ADDED_LATER = "labeler_auditevent"


def applied() -> set[tuple[str, str]]:
    """Return the migrations that the database has, as (app, name), without the squashed ones."""
    return set(MigrationRecorder(connection).applied_migrations()) - SQUASHED


def missing() -> set[tuple[str, str]]:
    """Return which of the squashed migrations a database lacks that had begun with them; nothing of any other."""
    known = set(MigrationRecorder(connection).applied_migrations())
    has_begun = bool(known & SQUASHED)
    if not has_begun and ("labeler", "0001_initial") in known:
        has_begun = ADDED_LATER not in connection.introspection.table_names()
    return SQUASHED - known if has_begun else set()
