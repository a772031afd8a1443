"""How many bytes an image takes: in each table and its indexes, and in files.

    python -m benchmarks.large_studies.sizes [--images 100000]

Fills a database of its own with SIMULATED images, measures, lists of twelve readers and a label for every place in
them, seals them, and adds what an import, a run of retraining and 100,000 acts leave behind. The files are those of the
public-domain photographs, enlarged to 12 megapixels: smoother than a phone's, so smaller than its.
"""

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import stage
from benchmarks.large_studies import million

READERS, GOLDEN, ACTS, RECIPES = 12, 230, 100_000, 4  # above 20,000 images a run fits four recipes
LEFT_BEHIND = """
INSERT INTO labeler_intake (study_id, source, place, requested_at, is_uploading)
SELECT id, 'folder', '/photographs', now(), false FROM labeler_study;
INSERT INTO labeler_intakefile (intake_id, name, size, upload, state, reason, attempts)
SELECT intake.id, 'clinic/2026/' || image.source_name, 3000000, '', 'imported', '', 1
FROM labeler_image image, labeler_intake intake;

INSERT INTO training_trainingrun (state, stage, error, attempts, requested_at, label_snapshot, left_out, conclusion,
                                  is_published, study_id)
SELECT 'succeeded', '', '', 1, now(), '', '[]', '', false, id FROM labeler_study;
INSERT INTO training_trainingimage (run_id, image_id, is_golden)
SELECT run.id, image.id, false FROM labeler_image image, training_trainingrun run WHERE NOT image.is_golden;
INSERT INTO training_score (run_id, image_id, recipe, fit, value)
SELECT run.id, image.id, 'face_recipe_' || n, 0, 1 + 4 * random()
FROM labeler_image image, training_trainingrun run, generate_series(1, {recipes}) n WHERE NOT image.is_golden;

INSERT INTO labeler_auditevent (study_id, user_id, action, detail, reason, origin, at, salt)
SELECT study.id, NULL, 'saw an image', 'image ' || n, '', '192.0.2.0/24', now(), md5(n::text)
FROM generate_series(1, {acts}) n, labeler_study study;
"""
SIZES = """
SELECT relname, reltuples::bigint, pg_table_size(oid), pg_indexes_size(oid)
FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND reltuples >= %s
ORDER BY pg_total_relation_size(oid) DESC
"""
INDEXES = """
SELECT relname, indexrelname, pg_relation_size(indexrelid)
FROM pg_stat_user_indexes WHERE pg_relation_size(indexrelid) > %s ORDER BY relname, 3 DESC
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=100_000)
    images = parser.parse_args().images
    with stage.installation():
        _fill(images)
        _print_tables(images)
        _print_files()


def _fill(images: int) -> None:
    from datetime import timedelta

    from django.db import connection

    from labeler.dealing import folds
    from labeler.golden_set import golden_draw
    from labeler.models import Study
    from labeler.record import ledger

    million._fill(images, READERS)
    golden_draw.draw(study=Study.objects.get(), size=GOLDEN)
    folds.deal(study=Study.objects.get())
    million._label()
    with connection.cursor() as cursor:
        cursor.execute(LEFT_BEHIND.format(recipes=RECIPES, acts=ACTS))
    ledger.settle(after=timedelta(0))
    ledger.seal(settled=timedelta(0))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM FULL ANALYZE")  # as a table is that grew and was never changed


def _print_tables(images: int) -> None:
    from django.db import connection

    print(f"SIMULATED: {images:,} images, {READERS} readers, {GOLDEN} golden images, one run of {RECIPES} recipes\n")
    print(f"{'table':<28}{'rows':>10}{'bytes a row':>14}{'and in indexes':>17}{'MB':>8}")
    with connection.cursor() as cursor:
        cursor.execute(SIZES, [images // 2])
        for table, rows, heap, indexes in cursor.fetchall():
            print(f"{table:<28}{rows:>10,}{heap / rows:>14.0f}{indexes / rows:>17.0f}{(heap + indexes) / 1e6:>8.1f}")
        cursor.execute("SELECT count(*), sum(pg_column_size(block.*)) FROM labeler_ledgerblock block")
        blocks, size = cursor.fetchone()
        cursor.execute("SELECT pg_database_size(current_database())")
        (whole,) = cursor.fetchone()
        print(f"\n{blocks} blocks of the ledger: {size / 1e6:.1f} MB; the whole database: {whole / 1e6:.0f} MB")
        cursor.execute(INDEXES, [images * 20])
        print("\nlarge indexes, bytes an image")
        for table, index, size in cursor.fetchall():
            print(f"  {f'{table}: {index}':<80}{size / images:>6.0f}")


def _print_files() -> None:
    from labeler.images import renditions

    faces = sorted(path for path in (stage.REPOSITORY / "var" / "faces").iterdir() if path.suffix in {".jpg", ".png"})
    found: dict[str, list[int]] = {}
    for path in faces:
        pixels = _enlarged(path)
        jpeg = io.BytesIO()
        Image.fromarray(pixels).save(jpeg, "JPEG", quality=90)
        found.setdefault("JPEG, quality 90", []).append(len(jpeg.getvalue()))
        for size, webp in renditions.render(pixels).items():
            found.setdefault(f"rendition {size}", []).append(len(webp))
    print(f"\nfiles of {len(faces)} photographs, enlarged to 12 megapixels: median kB")
    for name, sizes in found.items():
        print(f"  {name:<28}{np.median(sizes) / 1e3:>8.0f}")
    print(f"  {'embeddings of 4 patches':<28}{_embeddings() / 1e3:>8.1f}")


def _enlarged(path: Path) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    side = (3000, 4000) if picture.height >= picture.width else (4000, 3000)
    return np.asarray(picture.resize(side, Image.Resampling.LANCZOS))


def _embeddings() -> int:
    """Return the bytes of what is stored of a face."""
    from benchmarks.scoring.feature_store import _make
    from scoring.regressor import feature_store

    return len(feature_store._pack(_make(seed=1, rolls=0))) // 2  # that one makes each patch mirrored too


if __name__ == "__main__":
    main()
