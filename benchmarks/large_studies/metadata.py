"""A table of 1,000,000 rows looked at before it is joined: seconds of a processor, and memory at most.

    python -m benchmarks.large_studies.metadata [--images 1000000]

Fills a database of its own with SIMULATED rows: three images of each patient, in a folder of theirs, a copy of every
tenth. The table has a row for each, some of them with a name that is only alike, and a consent. A process of its own
reads and previews it, as a web process does.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import stage

SLUG = "large"
IMAGES = """
INSERT INTO labeler_image (study_id, content_hash, source_name, original, rendition, width, height, subject, metadata,
                           failed, is_kept, is_chosen, is_golden, imported_at)
SELECT %(study)s, md5(n::text) || md5((-n)::text), 'Klinik/Patient ' || n / 3 || '/IMG_' || lpad((n %% 3)::text, 4, '0')
       || '.jpg', 'originals/' || n, 'renditions/' || n, 1200, 1600, '', '{}', '', true, false, false, now()
FROM generate_series(1, %(last)s) n;
INSERT INTO labeler_alias (image_id, name) SELECT id, 'Kopie von ' || source_name FROM labeler_image WHERE id %% 10 = 0;
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--look", type=Path, help=argparse.SUPPRESS)  # the process that is measured
    options = parser.parse_args()
    if options.look:
        _look(options.look)
        return
    with stage.installation() as folder:
        print(f"SIMULATED: {options.images:,} images and rows\n", flush=True)
        _fill(options.images)
        table = folder / "table.csv"
        _write(table, options.images)
        print(f"The table has {table.stat().st_size / 2**20:.0f} MB.", flush=True)
        module = [sys.executable, "-m", "benchmarks.large_studies.metadata"]
        subprocess.run([*module, "--look", str(table)], check=True, cwd=stage.REPOSITORY, env=os.environ)


def _fill(images: int) -> None:
    from django.db import connection

    from labeler.studies import studies

    study = studies.create(slug=SLUG, title="Large", is_simulated=True, seed=2019)
    with connection.cursor() as cursor:
        cursor.execute(IMAGES, {"study": study.pk, "last": images})
        cursor.execute("VACUUM ANALYZE")


def _write(table: Path, rows: int) -> None:
    with table.open("w", encoding="utf-8-sig") as file:
        file.write("Dateiname;Patient;Alter;Geschlecht;Einwilligung;Einwilligungsdatum;Kommentar\n")
        for n in range(1, rows + 1):
            suffix = "JPG" if n % 50 == 0 else "jpg"
            person, agrees = f"P{n // 3:06}", "nein" if n // 3 % 20 == 0 else "ja"
            comment = f"aufgenommen in Raum {n % 17}, Kamera {n % 5}, ohne Befund an der Stirn"
            file.write(
                f"Patient {n // 3}\\IMG_{n % 3:04}.{suffix};{person};{20 + n % 60},5;w;{agrees};31.05.2026;{comment}\n"
            )


def _look(path: Path) -> None:
    import resource

    stage.begin_django()
    from labeler.intake import metadata, metadata_tables
    from labeler.models import Study

    def largest() -> str:
        return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10:,.0f} MB at most"

    study = Study.objects.get()
    print(f"before: {largest()}", flush=True)
    began = time.process_time()
    table = metadata_tables.read(path)
    print(f"read: {time.process_time() - began:.0f} s of a processor, {largest()}", flush=True)
    began = time.process_time()
    report = metadata.preview(study=study, table=table)
    print(f"previewed: {time.process_time() - began:.0f} s of a processor, {largest()}", flush=True)
    print(f"{report.exact:,} exact, {report.alike:,} alike, {report.not_joined:,} not joined")


if __name__ == "__main__":
    main()
