"""How long it takes to deal 1,000,000 images to 300 readers.

    python -m benchmarks.large_studies.dealing [--images 1000000] [--readers 300] [--golden 230]

Fills a database of its own with SIMULATED image rows, one in fifty of them in a cluster, and deals them twice: plainly
as the published study, and with repeats, overlap and strata. The times are of planning and writing, one after another.
"""

import argparse
import time
from typing import Any

from benchmarks import stage

FILL = """
INSERT INTO labeler_image (study_id, content_hash, source_name, original, rendition, width, height, subject, metadata,
                           cluster, failed, is_kept, is_chosen, is_golden, imported_at)
SELECT %(study)s, md5(n::text) || md5((-n)::text), 'IMG_' || lpad(n::text, 7, '0') || '.jpg', 'originals/' || n,
       'renditions/' || n, 1200, 1600, '', jsonb_build_object('skin', 'type ' || 1 + n %% 6),
       CASE WHEN n %% 50 < 2 THEN n - n %% 50 END, '', true, false, n <= %(golden)s, now()
FROM generate_series(100, 99 + %(images)s) n;
"""


DESIGNS = {
    "plain": {},
    "repeats, overlap, strata": {"repeats": 50, "overlap": 10_000, "readers_each": 3, "by": "skin"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, number in (("images", 1_000_000), ("readers", 300), ("golden", 230)):
        parser.add_argument(f"--{name}", type=int, default=number)
    options = parser.parse_args()
    with stage.installation():
        print(f"SIMULATED: {options.images:,} image rows, {options.readers} readers, {options.golden} golden images\n")
        _fill(**vars(options))
        for name, design in DESIGNS.items():
            _time(name, design)


def _fill(*, images: int, readers: int, golden: int) -> None:
    from django.db import connection
    from django.utils import timezone

    from labeler.models import Study, User
    from labeler.studies import studies

    study = studies.create(slug="large", title="Large", is_simulated=True, seed=2019)
    for number in range(readers):
        studies.add_reader(study=study, user=User.objects.create_user(username=f"reader{number}"))
    with connection.cursor() as cursor:
        cursor.execute(FILL, {"study": study.pk, "images": images, "golden": golden + 99})
        cursor.execute("VACUUM ANALYZE")
    Study.objects.update(golden_drawn_at=timezone.now())


def _time(name: str, design: dict[str, Any]) -> None:
    """Plan, look, deal and take all of it back."""
    from django.db import connection

    from labeler.dealing import folds, proof_sheet
    from labeler.models import Assignment, Study

    study = Study.objects.get()
    began = time.perf_counter()
    plan = folds.plan(study, folds.Design(**design))
    planned = time.perf_counter()
    sheet = proof_sheet.proof(plan)
    proved = time.perf_counter()
    folds.deal(study=study, design=folds.Design(**design), digest=sheet.digest)
    dealt = time.perf_counter()
    print(f"{name}: {sheet.readings:,} readings")
    print(f"  plan {planned - began:.1f} s, proof sheet {proved - planned:.1f} s")
    print(f"  deal (planned anew and written) {dealt - proved:.1f} s, {Assignment.objects.count():,} rows")
    print(
        f"  lists of {min(one.length for one in sheet.lists)} to {max(one.length for one in sheet.lists)}, "
        f"{sheet.left} images without a reader",
        flush=True,
    )
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE labeler_assignment, labeler_label, labeler_dealing CASCADE")
    Study.objects.update(dealt_at=None)


if __name__ == "__main__":
    main()
