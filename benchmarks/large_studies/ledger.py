"""How long the audit log's pages take with 1,000,000 acts beside 1,000, and how long sealing and verifying them.

    python -m benchmarks.large_studies.ledger [--acts 1000000]

All of it is SIMULATED. The last column is the ratio of the two: it should not grow with the log.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from benchmarks import stage

FEW = 1000  # acts
TIMES = 9  # each page is asked for, and the median told

ACTS = """
INSERT INTO labeler_auditevent (study_id, user_id, action, detail, reason, origin, at, salt)
SELECT %(study)s, CASE WHEN n %% 1000 = 7 THEN %(rare)s ELSE %(often)s END,
       CASE WHEN n %% 5000 = 3 THEN 'exported the study' WHEN n %% 3 = 0 THEN 'label changed' ELSE 'saw an image' END,
       'image ' || n, '', '192.0.2.0/24', now() - (%(last)s - n) * interval '20 seconds', md5(n::text)
FROM generate_series(%(first)s, %(last)s) n
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--acts", type=int, default=1_000_000)
    acts = parser.parse_args().acts
    with stage.installation():
        pages = _pages()
        _fill(1, FEW)
        few = _time_pages(pages)
        _fill(FEW + 1, acts)
        many = _time_pages(pages)
        for name in pages:
            print(f"{name:18} {few[name]:7.1f} ms {many[name]:7.1f} ms  {many[name] / few[name]:5.2f}")
        _seal_and_verify()


def _pages() -> Mapping[str, Mapping[str, str]]:
    from labeler.models import User
    from labeler.studies import studies

    often, rare = (User.objects.create_user(username=name) for name in ("often", "rare"))
    studies.create(slug="large", title="Large", is_simulated=True, seed=2019).admins.add(often)
    return {
        "all": {},
        "far down": {"after": "500"},
        "one in 5,000": {"action": "exported the study"},
        "looking": {"action": "saw an image"},
        "a person": {"person": str(rare.pk)},
        "a person's act": {"person": str(rare.pk), "action": "label changed"},
        "one day": {"since": "2026-05-02", "until": "2026-05-02"},
    }


def _fill(first: int, last: int) -> None:
    from django.db import connection

    from labeler.models import Study, User

    people = {name: User.objects.get(username=name).pk for name in ("often", "rare")}
    with connection.cursor() as cursor:
        cursor.execute(ACTS, {"study": Study.objects.get().pk, "first": first, "last": last, **people})
        cursor.execute("ANALYZE labeler_auditevent")


def _time_pages(pages: Mapping[str, Mapping[str, str]]) -> dict[str, float]:
    """Return the median milliseconds of each page, through Django without a network."""
    from django.test import Client

    from labeler.models import User
    from tests import builders

    client = builders.sign_in(Client(SERVER_NAME="localhost"), User.objects.get(username="often"))
    return {name: statistics.median(_time(client, asked) for _ in range(TIMES)) for name, asked in pages.items()}


def _time(client: Any, asked: Mapping[str, str]) -> float:
    began = time.perf_counter()
    if client.get("/studies/large/log/", asked).status_code != HTTPStatus.OK:
        sys.exit("The log's page does not answer.")
    return 1000 * (time.perf_counter() - began)


def _seal_and_verify() -> None:
    from labeler.record import ledger, ledger_check

    ledger.settle(after=timedelta(0))
    began = time.perf_counter()
    rows = ledger.seal(settled=timedelta(0))
    print(f"\nsealing {rows:,} rows at once: {time.perf_counter() - began:.0f} s")
    began = time.perf_counter()
    inspection = ledger_check.inspect()
    print(
        f"verifying {inspection.rows:,} rows: {time.perf_counter() - began:.0f} s, {len(inspection.findings)} findings"
    )


if __name__ == "__main__":
    main()
