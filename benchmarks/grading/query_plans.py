"""How PostgreSQL answers a reader's requests when a study has 1,000,000 assignments.

    python -m benchmarks.grading.query_plans [--readers 10] [--images 100000]

Fills a database of its own, sends the page's own requests through Django, and explains every statement that they
made. It fails when one of them reads a large table from end to end.
"""

import argparse
import json
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from benchmarks import stage

LARGE = {"labeler_assignment", "labeler_image", "labeler_label"}
FILL = """
INSERT INTO labeler_image (study_id, content_hash, source_name, original, rendition, width, height, subject, is_golden,
                           imported_at)
SELECT %(study)s, md5(n::text) || md5((-n)::text), n || '.jpg', 'originals/' || n, 'renditions/' || n, 1200, 1600, '',
       n <= 230, now()
FROM generate_series(1, %(images)s) n;

INSERT INTO labeler_assignment (public_id, reader_id, image_id, position, version, is_done, labeled_at)
SELECT gen_random_uuid(), reader.id, image.id,
       row_number() OVER (PARTITION BY reader.id ORDER BY md5(reader.id || image.content_hash)), 0, false, NULL
FROM labeler_reader reader CROSS JOIN labeler_image image;

INSERT INTO labeler_label (submission, assignment_id, version, grade, not_gradable, note, is_undo, input_kind,
                           labeled_at)
SELECT gen_random_uuid(), id, 1, 1 + id %% 5, '', '', false, 'keyboard', now() - position * interval '1 second'
FROM labeler_assignment WHERE position <= %(images)s / 2;

UPDATE labeler_assignment SET version = 1, is_done = true, labeled_at = now() - position * interval '1 second'
WHERE position <= %(images)s / 2;

UPDATE labeler_reader SET done = %(images)s / 2;
"""


@dataclass(frozen=True)
class Plan:
    """One statement of a request, as PostgreSQL carried it out."""

    request: str
    sql: str
    nodes: tuple[str, ...]
    rows: int  # read from tables and indexes
    milliseconds: float
    full_reads: tuple[str, ...]  # large tables that were read from end to end


def main() -> None:
    options = _options()
    with stage.installation():
        _fill(readers=options.readers, images=options.images)
        plans = [plan for request, statements in _requests() for plan in _explain(request, statements)]
    _print(plans, options.readers * options.images)
    if any(plan.full_reads for plan in plans):
        sys.exit("A request reads a large table from end to end: see above.")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=10)
    parser.add_argument("--images", type=int, default=100_000, help="in the list of every reader")
    return parser.parse_args()


def _fill(*, readers: int, images: int) -> None:
    from django.db import connection

    from labeler.models import User
    from labeler.studies import studies

    study = studies.create(slug="large", title="Large", is_simulated=True, seed=2019)
    for number in range(readers):
        studies.add_reader(study=study, user=User.objects.create_user(username=f"reader{number}"))
    with connection.cursor() as cursor:
        cursor.execute(FILL, {"study": study.pk, "images": images})
        cursor.execute("VACUUM ANALYZE")


def _requests() -> Iterator[tuple[str, list[str]]]:
    """Yield each request of the grading page with the statements that it made."""
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from labeler.grading import queries
    from labeler.models import Reader

    reader = Reader.objects.select_related("user", "study").first()
    assert reader  # noqa: S101
    # The rows have no files: the image's request fails when it has asked all of its questions.
    client = Client(raise_request_exception=False, SERVER_NAME="localhost")
    logging.getLogger("django.request").setLevel(logging.CRITICAL)
    client.force_login(reader.user)
    assignment = queries.upcoming(reader)[0]
    of_image = f"/read/{reader.study.slug}/{assignment.public_id}"
    label = {"submission": uuid4(), "version": 0, "grade": 3}
    undo = {"submission": uuid4(), "version": 1}
    requests: dict[str, Callable[[], object]] = {
        "open the page": lambda: client.get(f"/read/{reader.study.slug}/"),
        "next images": lambda: client.get(f"/read/{reader.study.slug}/queue/", {"after": str(assignment.public_id)}),
        "image": lambda: client.get(f"{of_image}/image/"),
        "save a grade": lambda: client.post(f"{of_image}/label/", label, headers={"Accept": "application/json"}),
        "undo": lambda: client.post(f"{of_image}/undo/", undo, headers={"Accept": "application/json"}),
        "reading lists": lambda: client.get("/"),
    }
    for name, send in requests.items():
        with CaptureQueriesContext(connection) as captured:
            send()
        yield name, [query["sql"] for query in captured if query["sql"].startswith(("SELECT", "UPDATE", "INSERT"))]


def _explain(request: str, statements: list[str]) -> Iterator[Plan]:
    """Explain by doing, and take it back: what a request has written is written again."""
    from django.db import connection, transaction

    for sql in statements:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")  # a label's id may come a second time
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {_repeatable(sql)}")
            explained = cursor.fetchone()[0]
            transaction.set_rollback(True)
        yield _plan(request, sql, (json.loads(explained) if isinstance(explained, str) else explained)[0])


def _repeatable(sql: str) -> str:
    """Let an INSERT that was done be explained again: its unique columns would refuse it."""
    return f"{sql.split(' RETURNING ', maxsplit=1)[0]} ON CONFLICT DO NOTHING" if sql.startswith("INSERT") else sql


def _plan(request: str, sql: str, explained: dict[str, Any]) -> Plan:
    nodes = list(_nodes(explained["Plan"]))
    scans = [node for node in nodes if "Relation Name" in node and "Scan" in node["Node Type"]]
    return Plan(
        request=request,
        sql=sql,
        nodes=tuple(f"{node['Node Type']} {node.get('Index Name', node.get('Relation Name', ''))}" for node in scans),
        rows=sum(int(node["Actual Rows"] * node["Actual Loops"]) + _removed(node) for node in scans),
        milliseconds=explained["Execution Time"],
        full_reads=tuple(
            node["Relation Name"]
            for node in scans
            if node["Node Type"] == "Seq Scan" and node["Relation Name"] in LARGE
        ),
    )


def _removed(node: dict[str, Any]) -> int:
    return int(node.get("Rows Removed by Filter", 0) * node["Actual Loops"])


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from _nodes(child)


def _print(plans: list[Plan], assignments: int) -> None:
    print(f"{assignments:,} assignments, half of them labeled\n")
    print(f"{'request':<15}{'table':<26}{'rows read':>10}{'ms':>8}  how")
    for plan in plans:
        table = plan.sql.split('"')[1] if plan.sql.startswith(("UPDATE", "INSERT")) else _after(plan.sql, ' FROM "')
        verb = plan.sql.split(" ")[0].lower()
        how = "; ".join(plan.nodes) or "one row"
        print(f"{plan.request:<15}{verb + ' ' + table:<26.25}{plan.rows:>10,}{plan.milliseconds:>8.2f}  {how}")
    for plan in plans:
        for table in plan.full_reads:
            print(f"\nEnd to end through {table}:\n{plan.sql}")


def _after(sql: str, words: str) -> str:
    return sql.split(words, 1)[1].split('"', maxsplit=1)[0] if words in sql else ""


if __name__ == "__main__":
    main()
