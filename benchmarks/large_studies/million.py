"""A study of 1,000,000 images and 300 readers by command, from prescreening to the export: how long, how much memory.

    python -m benchmarks.large_studies.million [--images 1000000] [--readers 300] [--golden 230]

Fills a database of its own with SIMULATED rows, measures and fingerprints, one image in a hundred a near copy of
another, and runs the commands that an admin would, each a process of its own. The labels between dealing and export
are SIMULATED too, one for every assignment.
"""

import argparse
import csv
import io
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks import stage

SLUG = "large"
BYTES = 128  # of a fingerprint
FLIPPED = 20  # bits of its frame's hash in which a near copy differs
ROWS_AT_ONCE = 50_000
IMAGES = """
INSERT INTO labeler_image (study_id, content_hash, source_name, original, rendition, width, height, subject, metadata,
                           failed, is_kept, is_chosen, is_golden, imported_at)
SELECT %(study)s, md5(n::text) || md5((-n)::text), 'IMG_' || lpad(n::text, 8, '0') || '.jpg', 'originals/' || n,
       'renditions/' || n, 1200, 1600, '', jsonb_build_object('skin', 'type ' || 1 + n %% 6), '', true, false, false,
       now()
FROM generate_series(%(first)s, %(last)s) n;
"""
MEASURES = """
INSERT INTO labeler_measurement (image_id, exposure, contrast, sharpness, short_side, faces, face_size, fingerprint)
SELECT image.id, (random() + random() + random()) / 3, (random() + random() + random()) / 6,
       -6 + 2 * (random() + random() + random()), 400 + (3000 * random())::int,
       CASE WHEN random() < 0.02 THEN 0 WHEN random() < 0.01 THEN 2 ELSE 1 END,
       (random() + random() + random()) / 3, made.fingerprint
FROM made JOIN labeler_image image ON image.source_name = 'IMG_' || lpad(made.n::text, 8, '0') || '.jpg';
"""
LABELS = """
INSERT INTO labeler_label (submission, assignment_id, version, grade, not_gradable, note, is_undo, visible_ms,
                           input_kind, labeled_at)
SELECT gen_random_uuid(), id, 1, 1 + floor(random() * 5), '', '', false, 4000, 'keyboard', now()
FROM labeler_assignment WHERE withdrawn_in_id IS NULL;
UPDATE labeler_assignment SET version = 1, is_done = true, labeled_at = now() WHERE withdrawn_in_id IS NULL;
UPDATE labeler_reader reader
SET done = (SELECT count(*) FROM labeler_assignment WHERE reader_id = reader.id AND is_done);
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, number in (("images", 1_000_000), ("readers", 300), ("golden", 230)):
        parser.add_argument(f"--{name}", type=int, default=number)
    options = parser.parse_args()
    with stage.installation() as folder:
        print(f"SIMULATED: {options.images:,} images, {options.readers} readers, {options.golden} golden images\n")
        _fill(options.images, options.readers)
        _run("prescreen_images", "--limit", "sharpness", "-4.5", "-", "--limit", "faces", "1", "1")
        _run("find_duplicates")
        _run("draw_golden", str(options.golden), "--by", "skin")
        design = ("--repeats", "50", "--overlap", str(options.images // 100), "--readers-each", "3", "--by", "skin")
        _run("deal_folds", *design, "--preview")
        _run("deal_folds", *design)
        _run("add_reader", "newcomer")
        _run("remove_reader", _a_reader(), "--reason", "SIMULATED: moved away")
        _run("take_back_dealing", "--reason", "SIMULATED: came back")
        _make_images(options.images + 1, options.images + options.images // 100)
        _run("deal_images")
        _label()
        _run("export_study", str(folder / "study.zip"))
        _look_into(folder / "study.zip")


def _fill(images: int, readers: int) -> None:
    from labeler.models import User
    from labeler.studies import studies

    study = studies.create(slug=SLUG, title="Large", is_simulated=True, seed=2019)
    for number in range(readers):
        studies.add_reader(study=study, user=User.objects.create_user(username=f"reader{number}"))
    _make_images(1, images)


def _a_reader() -> str:
    from labeler.models import Reader

    return Reader.objects.earliest("pk").code


def _make_images(first: int, last: int) -> None:
    """Make image rows with measures and fingerprints."""
    from django.db import connection

    from labeler.models import Study

    with connection.cursor() as cursor:
        cursor.execute(IMAGES, {"study": Study.objects.get().pk, "first": first, "last": last})
        cursor.execute("CREATE TEMPORARY TABLE made (n bigint, fingerprint bytea)")
        for rows in _fingerprints(first, last):
            cursor.copy_expert("COPY made FROM STDIN", rows)
        cursor.execute(MEASURES)
        cursor.execute("DROP TABLE made")
        cursor.execute("VACUUM ANALYZE")


def _fingerprints(first: int, last: int) -> Iterator[io.StringIO]:
    """Yield rows for COPY; every hundredth fingerprint is its neighbour's with some bits turned."""
    random = np.random.default_rng(first)
    for start in range(first, last + 1, ROWS_AT_ONCE):
        count = min(ROWS_AT_ONCE, last + 1 - start)
        made = random.integers(0, 256, (count, BYTES), dtype=np.uint8)
        copies = np.arange(99, count, 100)
        made[copies] = made[copies - 1]
        turned = random.random((len(copies), 256)).argsort(axis=1)[:, :FLIPPED]
        bits = np.zeros((len(copies), 256), np.uint8)
        np.put_along_axis(bits, turned, 1, axis=1)
        made[copies, :32] ^= np.packbits(bits, axis=1)
        yield io.StringIO("".join(f"{start + place}\t\\\\x{row.tobytes().hex()}\n" for place, row in enumerate(made)))


def _label() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(LABELS)
        cursor.execute("VACUUM ANALYZE")


def _run(command: str, *arguments: str) -> None:
    """Run a command on the study; print its last line, how long it took, and its largest size in memory."""
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "manage.py", command, SLUG, *arguments],
        cwd=stage.REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        said = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command} failed.")
    name = f"{command} {'--preview' if '--preview' in arguments else ''}"
    print(f"{name:<24}{time.perf_counter() - began:>8.1f} s{usage.ru_maxrss / 2**10:>8.0f} MiB   {_last_line(said)}")
    sys.stdout.flush()


def _last_line(said: str) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def _look_into(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        for table in ("images", "assignments", "labels"):
            with archive.open(f"{table}.csv") as file:
                rows = sum(1 for _ in csv.reader(io.TextIOWrapper(file, "utf-8"))) - 1
            print(f"{table}.csv: {rows:,} rows")


if __name__ == "__main__":
    main()
