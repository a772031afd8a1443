"""The pages of prescreening and near-duplicates: who may, what they change, that they tell no golden image."""

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from labeler import tasks
from labeler.accounts import unblinding
from labeler.golden_set import golden_draw
from labeler.models import AuditEvent, PrescreenDecision, SimilarPair, Study, StudyJob, User
from labeler.screening import limit_preview, prescreen
from labeler.studies import studies, study_jobs
from labeler.studies.study_jobs import Kind
from scoring.platform import jobs
from tests import builders
from tests.labeler.screening.screening import chain, measured_study

OF_NUMBERS = ("prescreen/", "prescreen/counts.json")
OF_IMAGES = ("prescreen/images/", "duplicates/", "duplicates/?show=distinct", "subjects/")
ACTS = ("prescreen/measure/", "duplicates/judge/", "duplicates/keep-best/", "duplicates/search/")
BLURRED = {"sharpness_min": "-3.75"}
EMPTY = {f"{name}_{end}": "" for name in prescreen.NAMES for end in ("min", "max")}


@pytest.fixture
def measured(olga: User) -> Study:
    """Return a study that olga runs: ten images, the first three blurred; three and two of them look alike."""
    study = measured_study(10)
    study.admins.add(olga)
    chain(study, 3, 2)
    study.images.filter(pk__in=study.images.order_by("pk").values("pk")[:2]).update(subject="P7")
    return study


def on_image(study: Study, act: str) -> str:
    return f"images/{study.images.earliest('pk').pk}/{act}/"


def test_strangers_and_readers_find_none_of_it(as_cleo: Client, as_ana: Client, measured: Study, ana: User) -> None:
    studies.add_reader(study=measured, user=ana)
    acts = (*ACTS, on_image(measured, "decide"), on_image(measured, "subject"), "prescreen/", "prescreen/images/")
    for client in (as_cleo, as_ana):
        for page in (*OF_NUMBERS, *OF_IMAGES):
            assert client.get(f"/studies/acne/{page}").status_code == 404
        for act in acts:
            assert client.post(f"/studies/acne/{act}").status_code == 404
    assert Client().get("/studies/acne/prescreen/")["Location"].startswith(reverse("account_login"))


def test_an_admin_who_reads_the_study_sees_numbers_but_no_images(as_ana: Client, measured: Study, ana: User) -> None:
    unblinding.accept(studies.add_reader(study=measured, user=ana))
    measured.admins.add(ana)
    assert [as_ana.get(f"/studies/acne/{page}").status_code for page in OF_NUMBERS] == [200, 200]
    assert [as_ana.get(f"/studies/acne/{page}").status_code for page in OF_IMAGES] == [403] * 4
    acts = (*ACTS[1:], on_image(measured, "decide"), on_image(measured, "subject"), "prescreen/images/")
    assert {as_ana.post(f"/studies/acne/{act}").status_code for act in acts} == {403}


def test_the_page_tells_what_limits_in_the_address_would_drop_and_changes_nothing(
    as_olga: Client, measured: Study
) -> None:
    answer = as_olga.get("/studies/acne/prescreen/", EMPTY | BLURRED)
    assert answer.status_code == 200
    assert b'data-said="sharpness">3 images' in answer.content
    assert b'data-said="together">3 images' in answer.content
    assert measured.images.filter(is_kept=False).count() == 0


def test_the_counts_are_answered_in_the_words_of_the_page(as_olga: Client, measured: Study) -> None:
    answer = as_olga.get("/studies/acne/prescreen/counts.json", EMPTY | BLURRED | {"faces_max": "0"})
    said = answer.json()
    assert (said["alone"]["sharpness"], said["alone"]["faces"]) == ("3 images", "10 images")
    assert said["together"] == "10 images"
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"exposure_min": "0.9", "exposure_max": "0.1"}, "above the largest"),
        ({"exposure_min": "dark"}, "number"),
        ({"faces_max": "nan"}, "number"),
        ({"faces_max": "1e300"}, "less than or equal"),
    ],
)
def test_limits_that_make_no_sense_say_why(as_olga: Client, measured: Study, bad: dict[str, str], says: str) -> None:
    counts = as_olga.get("/studies/acne/prescreen/counts.json", bad)
    page = as_olga.get("/studies/acne/prescreen/", bad)
    saved = as_olga.post("/studies/acne/prescreen/", bad | {"reason": "as agreed"})
    assert [counts.status_code, page.status_code, saved.status_code] == [422, 422, 422]
    assert says in counts.json()["error"]
    assert says in page.content.decode()
    assert not measured.prescreen_rules.exists()


def test_saving_keeps_limits_and_reason_and_drops(as_olga: Client, measured: Study, olga: User) -> None:
    answer = as_olga.post("/studies/acne/prescreen/", EMPTY | BLURRED | {"reason": "As in the protocol"}, follow=True)
    assert b"3 images of the study are dropped now" in answer.content
    rule = measured.prescreen_rules.get()
    assert (rule.limits, rule.reason, rule.set_by) == ({"sharpness": [-3.75, None]}, "As in the protocol", olga)
    assert b"As in the protocol" in answer.content
    assert b'value="-3.75"' in answer.content


def test_limits_without_a_reason_are_not_saved(as_olga: Client, measured: Study) -> None:
    answer = as_olga.post("/studies/acne/prescreen/", EMPTY | BLURRED | {"reason": " "})
    assert answer.status_code == 422
    assert not measured.prescreen_rules.exists()


def test_emptied_limits_can_be_saved(as_olga: Client, measured: Study, olga: User) -> None:
    prescreen.set_limits(study=measured, limits={"sharpness": (-3.75, None)}, by=olga)
    as_olga.post("/studies/acne/prescreen/", EMPTY | {"reason": "too strict"})
    assert measured.images.filter(is_kept=False).count() == 0


def test_a_worker_applies_the_limits_of_a_large_study(
    as_olga: Client, measured: Study, olga: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limit_preview, "LARGE", 9)
    page = as_olga.post("/studies/acne/prescreen/", EMPTY | BLURRED | {"reason": "As in the protocol"}, follow=True)
    assert b"Applying limits: it waits for a worker." in page.content
    study_job = measured.study_jobs.get()
    assert (study_job.kind, study_job.requested_by) == (Kind.LIMITS, olga)
    assert measured.images.filter(is_kept=False).count() == 0
    tasks.do_study_job(study_job.pk)
    assert measured.images.filter(is_kept=False).count() == 3
    assert b"Applying limits" not in as_olga.get("/studies/acne/prescreen/").content


def shown(answer: object) -> list[int]:
    return [image.pk for image in answer.context["images"]]  # type: ignore[attr-defined]


def test_the_images_that_a_limit_would_drop_are_shown_before_it_is_saved(as_olga: Client, measured: Study) -> None:
    ids = list(measured.images.order_by("pk").values_list("pk", flat=True))
    faceless = measured.images.get(pk=ids[5]).measurement
    faceless.faces = 0
    faceless.save()
    asked = EMPTY | BLURRED | {"faces_min": "1"}
    assert shown(as_olga.get("/studies/acne/prescreen/images/", asked)) == [*ids[:3], ids[5]]
    assert shown(as_olga.get("/studies/acne/prescreen/images/", asked | {"which": "faces"})) == [ids[5]]
    assert shown(as_olga.get("/studies/acne/prescreen/images/", asked | {"which": "dropped"})) == []


def test_a_measure_that_does_not_exist_finds_nothing(as_olga: Client, measured: Study) -> None:
    answer = as_olga.get("/studies/acne/prescreen/images/", {"which": "image__study__seed"})
    assert answer.status_code == 422
    ids = as_olga.get("/studies/acne/prescreen/images/", {"fingerprint_min": "1", "is_golden_min": "0"})
    assert shown(ids) == []


def test_ticked_images_are_decided_on(as_olga: Client, measured: Study, olga: User) -> None:
    ids = list(measured.images.order_by("pk").values_list("pk", flat=True))
    sent = {"images": ids[:2], "verdict": "drop", "reason": "the wrong person"}
    answer = as_olga.post("/studies/acne/prescreen/images/?sharpness_min=-3.75", sent)
    assert answer["Location"] == "/studies/acne/prescreen/images/?sharpness_min=-3.75"
    assert set(measured.images.filter(is_kept=False).values_list("pk", flat=True)) == set(ids[:2])
    assert set(PrescreenDecision.objects.values_list("decided_by", "reason")) == {(olga.pk, "the wrong person")}
    kept = as_olga.get("/studies/acne/prescreen/images/?which=by_hand")
    assert shown(kept) == ids[:2]
    as_olga.post("/studies/acne/prescreen/images/", {"images": ids[:1], "verdict": "reset", "reason": "a mistake"})
    assert measured.images.filter(is_kept=False).count() == 1


def test_all_that_are_found_are_decided_on(as_olga: Client, measured: Study) -> None:
    sent = {"everything": "yes", "verdict": "drop", "reason": "blurred"}
    as_olga.post("/studies/acne/prescreen/images/?sharpness_min=-3.75", sent)
    assert measured.images.filter(is_kept=False, override=False).count() == 3


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({"verdict": "drop", "reason": "blurred"}, "No image is ticked"),
        ({"everything": "yes", "verdict": "drop"}, "required"),
        ({"everything": "yes", "verdict": "burn", "reason": "blurred"}, "valid choice"),
        ({"images": "9" * 18, "verdict": "drop", "reason": "blurred"}, "They stay"),
    ],
)
def test_a_decision_that_makes_no_sense_says_why(
    as_olga: Client, measured: Study, sent: dict[str, str], says: str
) -> None:
    answer = as_olga.post("/studies/acne/prescreen/images/?sharpness_min=-3.75", sent)
    assert answer.status_code == 422
    assert says in answer.content.decode()
    assert not PrescreenDecision.objects.exists()


def test_drawn_images_are_neither_listed_nor_decided_on_whether_golden_or_not(as_olga: Client, measured: Study) -> None:
    golden_draw.draw(study=measured, size=4)
    for which in ("", "kept", "dropped", "by_hand"):
        assert shown(as_olga.get("/studies/acne/prescreen/images/", EMPTY | {"faces_max": "0", "which": which})) == []
    answers = {
        as_olga.post(f"/studies/acne/images/{image.pk}/decide/", {"verdict": "drop", "reason": "blurred"}, follow=True)
        .content.decode()
        .count("They stay as they are")
        for image in measured.images.all()
    }
    assert answers == {1}
    page = as_olga.get("/studies/acne/prescreen/").content.decode()
    assert "10 of 10 images were there when the golden set was drawn" in page


def test_the_page_of_an_image_decides_and_shows_who_did_and_why(as_olga: Client, measured: Study) -> None:
    image = measured.images.earliest("pk")
    sent = {"verdict": "drop", "reason": "eyes closed"}
    answer = as_olga.post(f"/studies/acne/images/{image.pk}/decide/", sent, follow=True)
    said = answer.content.decode()
    assert "1 image dropped." in said
    assert "eyes closed" in said
    assert ">olga<" in said
    image.refresh_from_db()
    assert not image.is_kept


def test_the_page_of_an_image_corrects_its_subject(as_olga: Client, measured: Study) -> None:
    image = measured.images.latest("pk")
    as_olga.post(f"/studies/acne/images/{image.pk}/subject/", {"subject": " P9 "})
    image.refresh_from_db()
    assert image.subject == "P9"
    as_olga.post(f"/studies/acne/images/{image.pk}/subject/", {"subject": "x" * 101})
    image.refresh_from_db()
    assert image.subject == "P9"
    assert AuditEvent.objects.filter(action="subject corrected").count() == 1


def test_a_cluster_is_confirmed_parted_and_the_parting_taken_back(as_olga: Client, measured: Study) -> None:
    cluster = measured.images.earliest("pk").pk
    answer = as_olga.post("/studies/acne/duplicates/judge/", {"cluster": cluster, "verdict": "confirmed"}, follow=True)
    assert b"CONFIRMED" in answer.content
    as_olga.post("/studies/acne/duplicates/judge/", {"cluster": cluster, "verdict": "distinct"})
    assert measured.images.filter(cluster=cluster).count() == 0
    parted = as_olga.get("/studies/acne/duplicates/?show=distinct")
    assert parted.content.count(b"Take back") == 2
    pair = SimilarPair.objects.filter(verdict="distinct").earliest("pk")
    taken = as_olga.post(
        "/studies/acne/duplicates/judge/?show=distinct&after=0", {"pair": pair.pk, "verdict": "suspected"}
    )
    assert taken["Location"] == "/studies/acne/duplicates/?show=distinct&after=0"
    assert measured.images.filter(cluster=cluster).count() == 2


@pytest.mark.parametrize(
    "sent", [{}, {"verdict": "same"}, {"verdict": "confirmed"}, {"verdict": "confirmed", "pair": 0}]
)
def test_a_verdict_on_nothing_judges_nothing(as_olga: Client, measured: Study, sent: dict[str, str]) -> None:
    answer = as_olga.post("/studies/acne/duplicates/judge/", sent, follow=True)
    assert b"Nothing was judged" in answer.content
    assert set(SimilarPair.objects.values_list("verdict", flat=True)) == {"suspected"}


def test_the_sharpest_is_kept_at_a_click(as_olga: Client, measured: Study) -> None:
    cluster = measured.images.earliest("pk").pk
    sent = {"cluster": cluster, "best": "sharpest"}
    answer = as_olga.post("/studies/acne/duplicates/keep-best/", sent, follow=True)
    assert b"2 near-duplicates dropped." in answer.content
    gone = as_olga.post("/studies/acne/duplicates/keep-best/", {"cluster": 999_999, "best": "sharpest"}, follow=True)
    assert b"no such cluster" in gone.content


def test_which_clusters_stand_on_both_sides_is_told_for_a_reason_only(as_olga: Client, measured: Study) -> None:
    measured.images.filter(pk=measured.images.earliest("pk").pk).update(is_golden=True)
    blinded = as_olga.get("/studies/acne/duplicates/").content.decode()
    assert "Training leaves them out" in blinded
    assert "GOLDEN" not in blinded
    assert as_olga.get("/studies/acne/duplicates/?show=both").status_code == 422
    as_olga.post(reverse("unblind", args=["acne"]), {"reason": "The study is over."})
    told = as_olga.get("/studies/acne/duplicates/?show=both").content.decode()
    assert told.count("GOLDEN") == 1
    assert told.count('aria-label="Cluster') == 1


def test_the_pages_do_not_tell_golden_images(as_olga: Client, measured: Study) -> None:
    """Two images change places: the one golden, the other not. Nothing that a blinded admin gets may change."""
    pages = (
        "prescreen/",
        "prescreen/counts.json?faces_max=0",
        "prescreen/images/?faces_max=0",
        "duplicates/",
        "subjects/",
    )
    golden_draw.draw(study=measured, size=4)
    one = measured.images.filter(is_golden=True, cluster=None).first() or measured.images.filter(is_golden=True)[0]
    seen = []
    for is_golden in (True, False):
        measured.images.filter(pk=one.pk).update(is_golden=is_golden)
        measured.images.filter(pk=measured.images.exclude(pk=one.pk).filter(cluster=None).latest("pk").pk).update(
            is_golden=not is_golden
        )
        seen.append([without_tokens(as_olga.get(f"/studies/acne/{page}").content.decode()) for page in pages])
    assert seen[0] == seen[1]


def without_tokens(page: str) -> list[str]:
    return [line for line in page.splitlines() if "csrfmiddlewaretoken" not in line]


def test_the_worker_is_asked_to_measure_and_to_search(as_olga: Client, measured: Study, olga: User) -> None:
    builders.make_images(measured, 1)
    assert b"1 image of 11 has no measures yet" in as_olga.get("/studies/acne/prescreen/").content
    for _ in range(2):  # a second click asks for nothing new
        page = as_olga.post("/studies/acne/prescreen/measure/", follow=True)
        assert b"Measuring images: it waits for a worker." in page.content
        page = as_olga.post("/studies/acne/duplicates/search/", follow=True)
        assert b"Searching near-duplicates: it waits for a worker." in page.content
    asked = measured.study_jobs.order_by("pk").values_list("kind", "requested_by", "state")
    assert list(asked) == [(Kind.MEASURE, olga.pk, "queued"), (Kind.DUPLICATES, olga.pk, "queued")]


def test_pages_tell_how_far_a_worker_is(as_olga: Client, measured: Study) -> None:
    measuring, searching = (
        study_jobs.request(study=measured, kind=kind, by=None) for kind in (Kind.MEASURE, Kind.DUPLICATES)
    )
    for study_job, stage in ((measuring, "Measuring images"), (searching, "Comparing fingerprints")):
        claimed = jobs.claim(StudyJob, study_job.pk)
        assert claimed is not None
        jobs.tell(claimed, stage, done=1234, total=5000)
    said = as_olga.get("/studies/acne/prescreen/").content.decode()
    assert "Measuring images, 1,234 of 5,000." in said
    assert "requested again" not in said
    assert "Comparing" not in said
    study_jobs.request(study=measured, kind=Kind.DUPLICATES, by=None)
    said = as_olga.get("/studies/acne/duplicates/").content.decode()
    assert "Comparing fingerprints, 1,234 of 5,000." in said
    assert "It was requested again, so it runs once more" in said


def test_a_study_job_that_failed_says_why_on_its_page_and_is_tried_again_there(
    as_olga: Client, measured: Study
) -> None:
    study_job = study_jobs.request(study=measured, kind=Kind.MEASURE, by=None)
    again = reverse("retry_study_job", args=["acne", study_job.pk])
    page = as_olga.post(again, follow=True).content.decode()  # it did not fail
    assert "tries it again" not in page
    now = timezone.now()
    StudyJob.objects.update(state="failed", error=jobs.GIVEN_UP, started_at=now, finished_at=now, attempts=3)
    page = as_olga.get(reverse("study_job", args=["acne", study_job.pk]), follow=True).content.decode()
    assert f"Measuring images stopped: {jobs.GIVEN_UP}" in page
    assert f'action="{again}"' in page
    page = as_olga.post(again, follow=True).content.decode()
    assert "A worker tries it again" in page
    tasks.do_study_job(study_job.pk)
    study_job.refresh_from_db()
    assert (study_job.state, study_job.attempts) == ("succeeded", 1)
    assert AuditEvent.objects.get(action="tried a study job again").detail == str(study_job)


@pytest.fixture(params=[20, 400], ids=["few images", "many images"])
def sized(request: pytest.FixtureRequest, olga: User) -> Study:
    """Return a study of clusters of two, subjects of two, and every image blurred."""
    study = measured_study(request.param)
    study.admins.add(olga)
    chain(study, *[2] * (request.param // 2))
    for number, image in enumerate(study.images.order_by("pk")):
        study.images.filter(pk=image.pk).update(subject=f"P{number // 2:04}")
    return study


SESSION_AND_USER, STUDY, NOT_A_READER = 2, 1, 1


def test_what_a_page_asks_of_the_database_does_not_grow(
    as_olga: Client, sized: Study, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    current_limits, histograms, rules, under_way = 1, 1, 1, 1
    counts = 2  # the size of the study decides whether a sample is taken
    with django_assert_num_queries(SESSION_AND_USER + STUDY + current_limits + counts + histograms + rules + under_way):
        as_olga.get("/studies/acne/prescreen/")
    with django_assert_num_queries(SESSION_AND_USER + STUDY + counts):
        as_olga.get("/studies/acne/prescreen/counts.json?sharpness_min=0")
    images = 1
    with django_assert_num_queries(SESSION_AND_USER + STUDY + NOT_A_READER + images):
        as_olga.get("/studies/acne/prescreen/images/?sharpness_min=99")
    clusters, pictures, pairs, last_search, both_sides = 1, 1, 1, 1, 1
    with django_assert_num_queries(
        SESSION_AND_USER + STUDY + NOT_A_READER + clusters + pictures + pairs + last_search + both_sides + under_way
    ):
        as_olga.get("/studies/acne/duplicates/")
    subjects = 1
    with django_assert_num_queries(SESSION_AND_USER + STUDY + NOT_A_READER + subjects + pictures):
        as_olga.get("/studies/acne/subjects/")
