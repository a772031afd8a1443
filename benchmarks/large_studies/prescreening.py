"""How long the pages of prescreening and near-duplicates take when a study has 1,000,000 images.

    python -m benchmarks.large_studies.prescreening [--images 1000000]

Fills a database of its own with SIMULATED measures, 2 % of the images in clusters, and asks for every page through
Django as a browser would. It fails when one of them takes longer than a person notices. Saving limits is timed, too.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator

from benchmarks import stage
from benchmarks.large_studies.oversight import LIMIT, time_request

FILL = """
INSERT INTO labeler_image (study_id, content_hash, source_name, original, rendition, width, height, subject, metadata,
                           cluster, failed, is_kept, is_chosen, is_golden, imported_at)
SELECT %(study)s, md5(n::text) || md5((-n)::text), 'IMG_' || n || '.jpg', 'originals/' || n, 'renditions/' || n,
       1200, 1600, 'P' || lpad((n / 3)::text, 7, '0'), '{}', NULL, '', true, false, false, now()
FROM generate_series(1, %(images)s) n;

-- Bell curves, as good as: the sum of three draws.
INSERT INTO labeler_measurement (image_id, exposure, contrast, sharpness, short_side, faces, face_size, fingerprint)
SELECT id, (random() + random() + random()) / 3, (random() + random() + random()) / 6,
       -6 + 2 * (random() + random() + random()), 400 + (3000 * random())::int,
       CASE WHEN random() < 0.02 THEN 0 WHEN random() < 0.01 THEN 2 ELSE 1 END,
       (random() + random() + random()) / 3, decode(repeat('00', 128), 'hex')
FROM labeler_image;

-- Neighbours: every hundredth image with the one after it, some of them judged.
INSERT INTO labeler_similarpair (first_id, second_id, distance, verdict)
SELECT id, id + 1, 12, CASE WHEN id %% 400 = 0 THEN 'confirmed' WHEN id %% 700 = 0 THEN 'distinct' ELSE 'suspected' END
FROM labeler_image WHERE id %% 100 = 0 AND id + 1 <= (SELECT max(id) FROM labeler_image);
UPDATE labeler_image SET cluster = first_id FROM labeler_similarpair
WHERE verdict <> 'distinct' AND labeler_image.id IN (first_id, second_id);
"""
USUAL = "sharpness_min=-4.5&exposure_min=0.2&exposure_max=0.85&faces_min=1&faces_max=1"
PAGES = {
    "prescreening": "prescreen/",
    "prescreening, limits moved": f"prescreen/?{USUAL}",
    "live counts": f"prescreen/counts.json?{USUAL}",
    "drops of all limits": f"prescreen/images/?{USUAL}",
    "drops of one limit, deep in it": f"prescreen/images/?{USUAL}&which=exposure&after=900000",
    "drops of a limit, one in 10,000": "prescreen/images/?sharpness_min=-5.75&which=sharpness",
    "drops of a limit, nothing": "prescreen/images/?sharpness_min=-9&which=sharpness",
    "kept now": "prescreen/images/?which=kept",
    "dropped now": "prescreen/images/?which=dropped",
    "decided by hand": "prescreen/images/?which=by_hand",
    "near-duplicates": "duplicates/",
    "near-duplicates, suspected": "duplicates/?show=suspected",
    "near-duplicates, confirmed": "duplicates/?show=confirmed",
    "near-duplicates, far on": "duplicates/?after=900000",
    "pairs called different": "duplicates/?show=distinct",
    "subjects": "subjects/",
    "subjects, far on": "subjects/?after=P0300000",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1_000_000)
    options = parser.parse_args()
    with stage.installation():
        _fill(options.images)
        slow = [name for name, ask in _requests() if time_request(name, ask) > LIMIT]
        _save()
        slow += [name for name, ask in _after_drawing() if time_request(name, ask) > LIMIT]
    if slow:
        sys.exit(f"Slower than {LIMIT} ms: {', '.join(slow)}.")


def _fill(images: int) -> None:
    from django.db import connection

    from labeler.models import User
    from labeler.studies import studies

    study = studies.create(slug="large", title="Large", is_simulated=True, seed=2019)
    study.admins.add(User.objects.create_user(username="olga"))
    with connection.cursor() as cursor:
        cursor.execute(FILL, {"study": study.pk, "images": images})
        cursor.execute("VACUUM ANALYZE")
    print(f"{images:,} images with SIMULATED measures\n", flush=True)


def _requests() -> Iterator[tuple[str, Callable[[], int]]]:
    """Yield each page with a call that asks for it and returns its status."""
    from django.test import Client

    from labeler.models import User

    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.get(username="olga"))

    def ask(page: str) -> Callable[[], int]:
        return lambda: client.get(f"/studies/large/{page}").status_code

    yield from ((name, ask(page)) for name, page in PAGES.items())


def _after_drawing() -> Iterator[tuple[str, Callable[[], int]]]:
    """Draw a golden set, which no near-duplicate of may be learned from, and yield the pages that look for those."""
    from django.db import connection

    from labeler.golden_set import golden_draw
    from labeler.models import Study

    golden_draw.draw(study=Study.objects.get(), size=230)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    for name, ask in _requests():
        if name in {"prescreening", "live counts", "near-duplicates", "drops of all limits"}:
            yield f"golden set drawn: {name}", ask


def _save() -> None:
    """Save limits, take them back, and judge one pair."""
    from labeler.models import SimilarPair, Study
    from labeler.screening import near_duplicates, prescreen

    study = Study.objects.get()
    for name, limits in (("dropping", {"sharpness": (-4.0, None), "faces": (1.0, 1.0)}), ("taking back", {})):
        began = time.perf_counter()
        dropped = prescreen.set_limits(study=study, limits=limits, by=None)
        print(f"applying limits, {name} ({dropped:,}): {time.perf_counter() - began:.1f} s", flush=True)
    pair = SimilarPair.objects.latest("pk")
    began = time.perf_counter()
    near_duplicates.judge(study=study, pairs=[pair.pk], verdict=SimilarPair.Verdict.DISTINCT, by=None)
    print(f"parting one pair: {1000 * (time.perf_counter() - began):.0f} ms")


if __name__ == "__main__":
    main()
