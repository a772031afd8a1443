"""What a migration may not do while the release before still runs: django-migration-linter's rules, made exact.

The linter looks at a whole migration's text. Here a rule is asked without what concerns tables that the migration makes
itself, without indexes of small tables, which are made in an instant, and a column at a time.
"""

import re
from collections.abc import Iterator

from django_migration_linter.sql_analyser.base import Check, CheckMode, CheckType
from django_migration_linter.sql_analyser.postgresql import PostgresqlAnalyser

# These grow with images and labels: whatever reads all of one, or holds it shut meanwhile, takes minutes.
LARGE = {
    *("labeler_image", "labeler_measurement", "labeler_similarpair", "labeler_assignment", "labeler_label"),
    *("labeler_auditevent", "labeler_doubt", "labeler_provisionalscore", "labeler_intakefile", "labeler_erasedimage"),
    *("training_score", "training_trainingimage", "scoring_bulkitem", "scoring_storedanswer", "scoring_storedselfie"),
}
TABLE = re.compile(r'(?:TABLE|INDEX .*? ON|TRIGGER .*? ON) "?(\w+)"?')
ADDED = re.compile(r'ALTER TABLE "(\w+)" ADD COLUMN "(\w+)" (.*)NOT NULL')
REQUIRED = re.compile(r'ALTER TABLE "(\w+)" ALTER COLUMN "(\w+)" SET NOT NULL')


def _asks_for_more(statements: list[str], **_: object) -> bool:
    """Whether a column is made or tightened so that rows of the old code, which don't name it, are refused."""
    text = "\n".join(statements)
    added = [(table, name) for table, name, rest in ADDED.findall(text) if "DEFAULT" not in rest]
    dropped = re.findall(r'ALTER TABLE "(\w+)" ALTER COLUMN "(\w+)" DROP DEFAULT', text)
    kept = set(re.findall(r'ALTER TABLE "(\w+)" ALTER COLUMN "(\w+)" SET DEFAULT', text))
    return bool(set(added) | set(dropped) | (set(REQUIRED.findall(text)) - kept))


def _rule(code: str, pattern: str, message: str) -> Check:
    found = re.compile(pattern)
    return Check(code, lambda sql, **_: found.search(sql), message, CheckMode.ONE_LINER, CheckType.ERROR)


class Rules(PostgresqlAnalyser):
    """The linter's rules for PostgreSQL, and those it lacks."""

    migration_checks = [  # noqa: RUF012  the linter's own form
        *PostgresqlAnalyser.migration_checks,
        Check(
            "NOT_NULL", _asks_for_more, "NOT NULL without a database default", CheckMode.TRANSACTION, CheckType.ERROR
        ),
        _rule("ADD_CHECK", r"ADD CONSTRAINT .* CHECK", "ADDING a check: the old code may not keep it"),
        _rule("FOREIGN_KEY", r"ADD CONSTRAINT .* FOREIGN KEY(?!.*NOT VALID)", "ADDING a foreign key reads the table"),
        _rule("TRIGGER", r"\bTRIGGER \w+ |\bREPLACE FUNCTION", "CHANGING a trigger: the old code meets it"),
    ]


def broken(sql: str) -> set[str]:
    """Return the codes of the rules that a migration's SQL breaks."""
    rules = Rules(exclude_migration_tests=["CREATE_INDEX_EXCLUSIVE"])  # CREATE_INDEX finds all of these
    rules.analyse(list(_of_interest(sql)))
    return {issue.code for issue in (*rules.errors, *rules.warnings)}


def _of_interest(sql: str) -> Iterator[str]:
    lines = [line for line in sql.splitlines() if not line.startswith("--")]
    made = set(re.findall(r'^CREATE TABLE "(\w+)"', sql, re.MULTILINE))
    for line in lines:
        table = TABLE.search(line)
        if table and table[1] in made:
            continue
        is_index = re.match(r"(CREATE|DROP) INDEX", line)
        if is_index and table and table[1] not in LARGE:
            continue
        yield line
