"""How long the pages of oversight take when a study has 1,000,000 labels.

    python -m benchmarks.large_studies.oversight [--readers 300] [--ordinary 3104] [--golden 230]

Fills a database of its own with a month of grading, counts it as the worker does, and asks for every page through
Django as a browser would. It fails when one of them takes longer than a person notices.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

from benchmarks import stage

LIMIT = 200  # ms
TIMES = 15
FILL = """
INSERT INTO labeler_image (study_id, content_hash, source_name, original, rendition, width, height, subject, metadata,
                           cluster, failed, is_kept, is_chosen, is_golden, imported_at)
SELECT %(study)s, md5(n::text) || md5((-n)::text), 'IMG_' || lpad(n::text, 7, '0') || '.jpg', 'originals/' || n,
       'renditions/' || n, 1200, 1600, '',
       jsonb_build_object('skin', 'type ' || 1 + n %% 6, 'camera', CASE WHEN n %% 100000 = 7 THEN 'rare' ELSE 'A' END),
       CASE WHEN n %% 50 = 0 THEN n END, '', n %% 40 <> 0, false, n <= %(golden)s, now()
FROM generate_series(1, %(golden)s + %(ordinary)s * %(readers)s) n;

INSERT INTO labeler_assignment (public_id, reader_id, image_id, position, is_repeat, version, is_done, labeled_at)
SELECT gen_random_uuid(), reader.id, image.id,
       row_number() OVER (PARTITION BY reader.id ORDER BY md5(reader.id || image.content_hash)), false, 1, true, NULL
FROM labeler_reader reader
JOIN labeler_image image ON image.is_golden OR image.id %% %(readers)s = reader.id %% %(readers)s;

-- A hundred and twelve images a day, ten seconds each; a grade is rare, and so is a reason.
INSERT INTO labeler_label (submission, assignment_id, version, grade, not_gradable, note, is_undo, visible_ms,
                           input_kind, labeled_at)
SELECT gen_random_uuid(), id, 1,
       CASE WHEN draw > 0.08 THEN CASE WHEN draw > 0.9999 THEN 5 ELSE 1 + floor(draw * 4) END END,
       CASE WHEN draw > 0.08 THEN '' WHEN draw < 0.0001 THEN 'other' ELSE 'blurred' END, '', false,
       (1500 + 9000 * draw)::int, 'keyboard',
       date_trunc('day', now()) - (29 - position / 112) * interval '1 day' + position %% 112 * interval '10 seconds'
FROM (SELECT *, random() AS draw FROM labeler_assignment ORDER BY position) assignment;

-- One in fifty is graded again.
INSERT INTO labeler_label (submission, assignment_id, version, grade, not_gradable, note, is_undo, visible_ms,
                           input_kind, labeled_at)
SELECT gen_random_uuid(), assignment_id, 2, 3, '', '', false, 2000, 'mouse', labeled_at + interval '5 seconds'
FROM labeler_label WHERE id %% 50 = 0;
UPDATE labeler_assignment SET version = 2 WHERE id IN (SELECT assignment_id FROM labeler_label WHERE version = 2);
UPDATE labeler_assignment SET labeled_at = now() - position * interval '1 second';
UPDATE labeler_reader SET done = %(golden)s + %(ordinary)s;

INSERT INTO labeler_auditevent (study_id, user_id, action, detail, reason, at)
SELECT %(study)s, NULL, 'act ' || n %% 20, 'number ' || n, '', now() FROM generate_series(1, 100000) n;
"""
GALLERIES = {
    "all": "",
    "deep in it": "?after=900000",
    "grade 2": "?grade=2",
    "grade 5, one in 10,000": "?grade=5",
    "one reader": "?reader={reader}",
    "one reader, grade 5": "?reader={reader}&grade=5",
    "a reason, one in 10,000": "?not_gradable=other",
    "one reader, that reason": "?reader={reader}&not_gradable=other",
    "dropped": "?kept=no",
    "near-duplicates": "?duplicates=yes",
    "file name": "?name=IMG_09",
    "file name, far on": "?name=IMG_0&after=900000",
    "file name, nothing like it": "?name=DSC",
    "metadata, one in 6": "?column=skin&value=type 2",
    "metadata, one in 100,000": "?column=camera&value=rare",
    "nothing like it": "?reader={reader}&grade=5&not_gradable=other",
}


def main() -> None:
    options = _options()
    with stage.installation():
        labels = _fill(**vars(options))
        print(f"{labels:,} labels of {options.readers} readers\n")
        _count()
        slow = [name for name, ask in _requests() if time_request(name, ask) > LIMIT]
    if slow:
        sys.exit(f"Slower than {LIMIT} ms: {', '.join(slow)}.")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=300)
    parser.add_argument("--ordinary", type=int, default=3104, help="images in the fold of every reader")
    parser.add_argument("--golden", type=int, default=230)
    return parser.parse_args()


def _fill(*, readers: int, ordinary: int, golden: int) -> int:
    from django.db import connection

    from labeler.models import Label, User
    from labeler.studies import studies

    study = studies.create(slug="large", title="Large", is_simulated=True, seed=2019)
    study.admins.add(User.objects.create_user(username="olga"))
    for number in range(readers):
        studies.add_reader(study=study, user=User.objects.create_user(username=f"reader{number}"))
    with connection.cursor() as cursor:
        sizes = {"readers": readers, "ordinary": ordinary, "golden": golden}
        cursor.execute(FILL, {"study": study.pk, **sizes})
        cursor.execute("VACUUM ANALYZE")
    return Label.objects.count()


def _count() -> None:
    """Count all labels at once, and then, as every half a minute, the few that came since."""
    from uuid import uuid4

    from labeler.grading import label_store
    from labeler.models import Assignment, Study
    from labeler.oversight import tallies

    study = Study.objects.get()
    began = time.perf_counter()
    tallies.count(study, settled=timedelta(0))
    print(f"counting all of them, once: {time.perf_counter() - began:.1f} s")
    for assignment in Assignment.objects.filter(image__is_golden=True).order_by("-pk")[:100]:
        label_store.record_label(assignment=assignment, version=assignment.version, submission=uuid4(), grade=4)
    tallies.count(study, settled=timedelta(0))
    began = time.perf_counter()
    tallies.count(study, settled=timedelta(0))
    print(f"counting 100 more, of golden images: {1000 * (time.perf_counter() - began):.0f} ms\n")


def _requests() -> Iterator[tuple[str, Callable[[], int]]]:
    """Yield each page with a call that asks for it and returns its status."""
    from django.test import Client

    from labeler.accounts import unblinding
    from labeler.models import Image, Study, User

    client = Client(SERVER_NAME="localhost")
    olga = User.objects.get(username="olga")
    client.force_login(olga)
    session = client.session
    unblinding.unblind(study=Study.objects.get(), user=olga, session=session, reason="The benchmark asks for all pages")
    session.save()
    reader = Study.objects.get().readers.earliest("pk").pk
    golden = Image.objects.filter(is_golden=True).earliest("pk").pk
    doubt = Study.objects.get().doubts.filter(spread__gt=0).order_by("-spread")[100].pk
    version = client.get("/studies/large/oversight/now/")["ETag"]

    def ask(page: str, **headers: str) -> Callable[[], int]:
        return lambda: client.get(f"/studies/large/{page}", headers=headers).status_code

    yield "study", ask("")
    yield "oversight", ask("oversight/")
    yield "poll", ask("oversight/now/")
    yield "poll, nothing new", ask("oversight/now/", **{"If-None-Match": version})
    yield "disputed", ask("disputed/")
    yield "disputed, third page", ask(f"disputed/?after={doubt}")
    yield "unstable", ask("unstable/")
    yield "golden image, 300 readers", ask(f"images/{golden}/")
    yield "audit log", ask("log/")
    yield "audit log, one action", ask("log/?action=act 7")
    for name, query in GALLERIES.items():
        yield f"gallery: {name}", ask(f"gallery/{query.format(reader=reader)}")


def time_request(name: str, ask: Callable[[], int]) -> float:
    """Print and return the median time of a request in milliseconds."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        status = ask()
        statements = len(captured)
    times = []
    for _ in range(TIMES):
        began = time.perf_counter()
        ask()
        times.append(1000 * (time.perf_counter() - began))
    median = statistics.median(times)
    print(f"{name:<40}{status:>5}{statements:>4} statements{median:>8.0f} ms, worst {max(times):.0f} ms", flush=True)
    return median


if __name__ == "__main__":
    main()
