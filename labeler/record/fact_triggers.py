"""SQL of the triggers that note each change of a fact with its transaction. Migrations make them.

A migration gives the kinds as they were when it was written (`labeler.record.facts.Kind`). Triggers run for each
statement, whatever number of rows it changes. A session that restores a backup turns them off (`OFF`); what is changed
meanwhile is noted by nobody, and is found.
"""

from collections.abc import Sequence
from dataclasses import dataclass

OFF = "SET LOCAL labeler.notes_facts = 'off'"

# HMAC-SHA256, as labeler.record.facts.salt computes it.
SALT = """
CREATE FUNCTION labeler_fact_salt(secret uuid, name text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    padded bytea := convert_to(secret::text, 'UTF8') || decode(repeat('00', 28), 'hex');  -- 36 + 28 are a block of 64
    inside bytea := padded;
    outside bytea := padded;
BEGIN
    FOR place IN 0..63 LOOP
        inside := set_byte(inside, place, get_byte(padded, place) # 54);
        outside := set_byte(outside, place, get_byte(padded, place) # 92);
    END LOOP;
    RETURN encode(sha256(outside || sha256(inside || convert_to(name, 'UTF8'))), 'hex');
END $$;
"""

FUNCTION = """
CREATE FUNCTION {table}_note_facts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('labeler.notes_facts', true) = 'off' THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'INSERT' THEN
        {insert}
    ELSIF TG_OP = 'UPDATE' THEN
        {update}
    ELSE
        {delete}
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER notes_added_facts AFTER INSERT ON {table} REFERENCING NEW TABLE AS labeler_after
    FOR EACH STATEMENT EXECUTE FUNCTION {table}_note_facts();
CREATE TRIGGER notes_changed_facts AFTER UPDATE ON {table}
    REFERENCING OLD TABLE AS labeler_before NEW TABLE AS labeler_after
    FOR EACH STATEMENT EXECUTE FUNCTION {table}_note_facts();
CREATE TRIGGER notes_removed_facts AFTER DELETE ON {table} REFERENCING OLD TABLE AS labeler_before
    FOR EACH STATEMENT EXECUTE FUNCTION {table}_note_facts();
"""

NOTE = """
        WITH changed AS ({changed}
        ), salts AS MATERIALIZED (
            SELECT study.id AS study, named.name, labeler_fact_salt(study.ledger_salt, named.name) AS salt
            FROM (SELECT DISTINCT study, name FROM changed) named JOIN labeler_study study ON study.id = named.study
        )
        INSERT INTO labeler_ledgerchange (study_id, transaction, kind, key, before, after)
        SELECT changed.study, pg_current_xact_id()::text::bigint, convert_to(changed.code, 'UTF8'), changed.key,
               sha256(convert_to(salt || ' ' || name || ' ' || key || ' ' || was, 'UTF8')),
               sha256(convert_to(salt || ' ' || name || ' ' || key || ' ' || now, 'UTF8'))
        FROM changed JOIN salts USING (study, name);
"""

SIDE = "SELECT {key} AS key, {study} AS study, jsonb_build_array({text})::text AS text FROM {rows} WHERE {where}"
ADDED = "SELECT '{code}' AS code, '{name}' AS name, key, study, NULL::text AS was, text AS now FROM ({after}) side"
REMOVED = "SELECT '{code}' AS code, '{name}' AS name, key, study, text AS was, NULL::text AS now FROM ({before}) side"
CHANGED = """
SELECT '{code}' AS code, '{name}' AS name, key, coalesce(later.study, earlier.study) AS study,
       earlier.text AS was, later.text AS now
FROM ({before}) earlier FULL JOIN ({after}) later USING (key) WHERE earlier.text IS DISTINCT FROM later.text"""


@dataclass(frozen=True)
class Noted:
    """A kind of fact as a migration knew it."""

    code: str
    name: str
    rows: str
    study: str
    text: str
    where: str = "true"
    key: str = "row.id"


def making(table: str, kinds: Sequence[Noted]) -> str:
    """Return SQL that makes the triggers of a table, which has the rows of these kinds."""

    def note(template: str) -> str:
        parts = [template.format(code=kind.code, name=kind.name, **_sides(table, kind)) for kind in kinds]
        return NOTE.format(changed="\n        UNION ALL ".join(parts))

    return FUNCTION.format(table=table, insert=note(ADDED), update=note(CHANGED), delete=note(REMOVED))


def removing(table: str) -> str:
    return f"DROP FUNCTION {table}_note_facts() CASCADE;"


def _sides(table: str, kind: Noted) -> dict[str, str]:
    """Return the queries of the kind's facts as they were before a statement and are after it."""
    return {
        side: SIDE.format(
            key=kind.key,
            study=kind.study,
            text=kind.text,
            where=kind.where,
            rows=kind.rows.replace(f"{table} row", f"labeler_{side} row"),
        )
        for side in ("before", "after")
    }
