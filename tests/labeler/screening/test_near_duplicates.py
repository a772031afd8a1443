"""The same photograph, changed, is marked as a near-duplicate; a person's word parts what only looks alike."""

import io
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection
from PIL import Image as PillowImage
from PIL import ImageOps

from labeler.images import subjects
from labeler.models import Image, Measurement, PrescreenDecision, SimilarPair, Study, User
from labeler.person_codes import pseudonyms
from labeler.platform.keyset_pages import ID, TEXT
from labeler.screening import clusters, near_duplicates
from scoring.photograph import fingerprint_search
from tests import builders
from tests.labeler.platform.test_keyset_pages import walk
from tests.labeler.screening.screening import chain, measured_study

SUSPECTED, CONFIRMED, DISTINCT = SimilarPair.Verdict


@pytest.fixture
def photographed(db: None, tmp_path: Path) -> Study:
    """Return a study of two photographs, the first of them also mirrored and encoded again."""
    study = builders.make_study()
    first = builders.make_jpeg(1, size=(300, 400))
    mirrored = io.BytesIO()
    ImageOps.mirror(PillowImage.open(io.BytesIO(first))).save(mirrored, "JPEG", quality=40)
    files = {"a.jpg": first, "b.jpg": mirrored.getvalue(), "c.jpg": builders.make_jpeg(2, size=(300, 400))}
    builders.import_photographs(study, files, tmp_path)
    call_command("find_duplicates", study.slug)
    return study


def clusters_by_name(study: Study) -> list[int | None]:
    return list(study.images.order_by("source_name").values_list("cluster", flat=True))


def test_a_mirrored_copy_is_in_the_cluster_of_its_original(photographed: Study) -> None:
    original = Image.objects.get(source_name="a.jpg")
    assert clusters_by_name(photographed) == [original.pk, original.pk, None]


def test_images_called_distinct_stay_apart_when_it_is_run_again(photographed: Study) -> None:
    SimilarPair.objects.update(verdict=SimilarPair.Verdict.DISTINCT)
    assert near_duplicates.find(study=photographed) == 0
    assert clusters_by_name(photographed) == [None, None, None]


def test_a_study_without_measures_has_no_near_duplicates(db: None) -> None:
    assert near_duplicates.find(study=builders.make_study(images=3)) == 0


def test_no_transaction_waits_while_pairs_are_searched(transactional_db: None, tmp_path: Path) -> None:
    """A million images take minutes, and the database ends transactions that idle for half a minute."""
    study = builders.make_study()
    builders.import_photographs(study, {"a.jpg": builders.make_jpeg(1)}, tmp_path)
    waiting, heard = set(), []

    def hear(done: int, total: int) -> None:
        waiting.add(connection.in_atomic_block)
        heard.append((done, total))

    near_duplicates.find(study=study, on_sample=hear)
    assert waiting == {False}
    assert heard == [(done, 2 * fingerprint_search.SAMPLES) for done in range(1, 2 * fingerprint_search.SAMPLES + 1)]


@pytest.fixture
def tied(db: None) -> Study:
    """Return nine images: a chain of three, a chain of two, four alone."""
    study = measured_study(9)
    chain(study, 3, 2)
    return study


def numbered(study: Study) -> list[int | None]:
    """Return each image's cluster, by the place of its first image."""
    places = {pk: place for place, pk in enumerate(study.images.order_by("pk").values_list("pk", flat=True))}
    return [places[one] if one else None for one in study.images.order_by("pk").values_list("cluster", flat=True)]


def test_a_verdict_is_kept_with_who_and_when(tied: Study, olga: User) -> None:
    pair = SimilarPair.objects.earliest("pk")
    assert near_duplicates.judge(study=tied, pairs=[pair.pk], verdict=CONFIRMED, by=olga) == 1
    pair.refresh_from_db()
    assert (pair.verdict, pair.judged_by) == (CONFIRMED, olga)
    assert pair.judged_at is not None
    event = tied.audit_events.latest("pk")
    assert (event.user, event.action) == (olga, "near-duplicates judged")
    assert event.detail == f"The same photograph: images {pair.first_id} and {pair.second_id}"


def test_saying_the_same_twice_changes_and_records_nothing(tied: Study, olga: User) -> None:
    pair = SimilarPair.objects.earliest("pk")
    for expected in (1, 0):
        assert near_duplicates.judge(study=tied, pairs=[pair.pk], verdict=CONFIRMED, by=olga) == expected
    assert tied.audit_events.filter(user=olga).count() == 1


def test_parting_a_pair_parts_its_cluster_alone_and_can_be_taken_back(tied: Study, olga: User) -> None:
    before = numbered(tied)
    assert before == [0, 0, 0, 3, 3, None, None, None, None]
    second = SimilarPair.objects.order_by("pk")[1]
    near_duplicates.judge(study=tied, pairs=[second.pk], verdict=DISTINCT, by=olga)
    assert numbered(tied) == [0, 0, None, 3, 3, None, None, None, None]
    near_duplicates.judge(study=tied, pairs=[second.pk], verdict=SUSPECTED, by=olga)
    assert numbered(tied) == before
    second.refresh_from_db()
    assert (second.judged_by, second.judged_at) == (None, None)


def test_parting_a_whole_cluster_leaves_its_images_alone(tied: Study, olga: User) -> None:
    cluster = tied.images.earliest("pk").pk
    pairs = list(near_duplicates.pairs_of(tied, cluster).values_list("pk", flat=True))
    assert near_duplicates.judge(study=tied, pairs=pairs, verdict=DISTINCT, by=olga) == 2
    assert numbered(tied) == [None, None, None, 3, 3, None, None, None, None]


def test_a_verdict_can_join_two_clusters(tied: Study, olga: User) -> None:
    images = tied.images.order_by("pk")
    between = SimilarPair.objects.create(first=images[2], second=images[3], distance=40, verdict=DISTINCT)
    near_duplicates.judge(study=tied, pairs=[between.pk], verdict=CONFIRMED, by=olga)
    assert numbered(tied) == [0, 0, 0, 0, 0, None, None, None, None]


def test_the_pairs_of_another_study_are_not_judged(tied: Study, olga: User) -> None:
    other = builders.make_study("other", images=2)
    ((pair,),) = chain(other, 2)
    assert near_duplicates.judge(study=tied, pairs=[pair.pk], verdict=DISTINCT, by=olga) == 0
    assert numbered(other) == [0, 0]


def test_clustering_anew_gives_what_verdicts_gave(tied: Study, olga: User) -> None:
    second = SimilarPair.objects.order_by("pk")[1]
    near_duplicates.judge(study=tied, pairs=[second.pk], verdict=DISTINCT, by=olga)
    parted = numbered(tied)
    tied.images.update(cluster=None)
    recluster_as_a_search_does(tied)
    assert numbered(tied) == parted


def recluster_as_a_search_does(study: Study) -> None:
    Measurement.objects.filter(image__study=study).delete()  # nothing new to find: only the known pairs are joined
    near_duplicates.find(study=study)


@pytest.mark.parametrize(("best", "place"), [("sharpest", 2), ("largest", 0)])
def test_only_the_best_of_a_cluster_is_kept(tied: Study, olga: User, best: str, place: int) -> None:
    first = tied.images.earliest("pk")
    tied.images.filter(pk=first.pk).update(width=3000)
    assert near_duplicates.keep_best(study=tied, cluster=first.pk, best=best, by=olga) == 2
    kept = [image.is_kept for image in tied.images.order_by("pk")[:3]]
    assert kept == [number == place for number in range(3)]
    assert PrescreenDecision.objects.filter(reason__contains=f"the {best} of its cluster", decided_by=olga).count() == 2


def test_another_best_brings_the_dropped_one_back(tied: Study, olga: User) -> None:
    first = tied.images.earliest("pk")
    tied.images.filter(pk=first.pk).update(width=3000)
    for best in ("sharpest", "largest"):
        near_duplicates.keep_best(study=tied, cluster=first.pk, best=best, by=olga)
    assert [image.is_kept for image in tied.images.order_by("pk")[:3]] == [True, False, False]


def test_clusters_come_with_the_biggest_first_and_what_waits_for_a_verdict(tied: Study, olga: User) -> None:
    assert [row["images"] for row in clusters.of_study(tied)] == [3, 2]
    small = tied.images.order_by("pk")[3].pk
    pairs = near_duplicates.pairs_of(tied, small).values_list("pk", flat=True)
    near_duplicates.judge(study=tied, pairs=list(pairs), verdict=CONFIRMED, by=olga)
    assert [row["cluster"] for row in clusters.of_study(tied, verdict=CONFIRMED)] == [small]
    assert [row["images"] for row in clusters.of_study(tied, verdict=SUSPECTED)] == [3]


def test_every_cluster_is_on_one_page(db: None) -> None:
    study = measured_study(16)
    chain(study, 2, 3, 2, 4, 2, 3)
    seen = [row["cluster"] for row in walk(clusters.of_study(study), [ID, ID], size=2)]
    assert seen == [row["cluster"] for row in clusters.of_study(study)]
    assert len(seen) == 6


def test_a_cluster_on_both_sides_of_the_golden_set_is_told(tied: Study) -> None:
    assert not clusters.has_any_on_both_sides(tied)
    first = tied.images.earliest("pk")
    tied.images.filter(pk=first.pk).update(is_golden=True)
    assert clusters.has_any_on_both_sides(tied)
    assert [row["cluster"] for row in clusters.on_both_sides(tied)] == [first.pk]


def test_subjects_with_several_images_come_by_name(tied: Study) -> None:
    for subject, place in (("P2", 0), ("P2", 1), ("P1", 2), ("P1", 3), ("P1", 4), ("P3", 5)):
        tied.images.filter(pk=tied.images.order_by("pk")[place].pk).update(subject=subject)
    rows = list(clusters.subjects(tied))
    assert [(row["subject"], row["images"]) for row in rows] == [("P1", 3), ("P2", 2)]
    assert [len(one.images) for one in clusters.subjects_with_pictures(tied, rows)] == [3, 2]
    assert [row["subject"] for row in walk(clusters.subjects(tied), [TEXT], size=1)] == ["P1", "P2"]


def test_a_corrected_subject_is_recorded(tied: Study, olga: User) -> None:
    image = tied.images.earliest("pk")
    assert subjects.correct(image=image, subject="P7", by=olga)
    assert not subjects.correct(image=image, subject="P7", by=olga)
    assert [event.detail for event in tied.audit_events.filter(action="subject corrected")] == [
        f"image {image.pk}: not known, now {pseudonyms.of_subject(tied, 'P7')}"
    ]
