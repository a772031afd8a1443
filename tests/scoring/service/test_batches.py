"""Jobs of many photographs: each scored once, whatever happens to the worker, and erased."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db.models.functions import Now

from labeler.celery import app as celery
from scoring import tasks
from scoring.models import BulkItem, BulkJob, Job
from scoring.platform import jobs
from scoring.service import batches
from tests.builders import make_jpeg
from tests.scoring.builders import App, publish_one, upload
from tests.scoring.photograph import hostile
from tests.scoring.photograph.hostile import Hostile

pytestmark = pytest.mark.django_db
URL = "/api/v1/jobs"


@pytest.fixture
def app() -> App:
    publish_one("acne")
    return App()


@pytest.fixture(autouse=True)
def _empty_queue() -> Iterator[None]:
    """What is sent goes into the real queue, where no worker listens."""
    yield
    with celery.connection_for_read() as connection, connection.default_channel as channel:
        channel.queue_purge("intake")  # type: ignore[attr-defined]


@pytest.fixture
def server() -> Iterator[Hostile]:
    with hostile.server() as running:
        yield running


def send(app: App, *photographs: bytes) -> dict[str, Any]:
    files = [upload(data, f"{number}.jpg") for number, data in enumerate(photographs)]
    response = app.post(URL, {"files": files})
    assert response.status_code == 202
    told: dict[str, Any] = json.loads(response.content)
    assert response["Location"] == f"{URL}/{told['id']}"
    return told


def ask(app: App, job: dict[str, Any], more: str = "") -> dict[str, Any]:
    told: dict[str, Any] = json.loads(app.get(f"{URL}/{job['id']}{more}").content)
    return told


def row_of(job: dict[str, Any]) -> BulkJob:
    return BulkJob.objects.get(public_id=job["id"])


def files_of(job: dict[str, Any]) -> list[Path]:
    return sorted((Path(settings.MEDIA_ROOT) / "jobs").rglob("*/*"))


def lose_worker(job: dict[str, Any]) -> None:
    BulkJob.objects.filter(public_id=job["id"]).update(lease_until=Now() - timedelta(seconds=1))


def test_a_job_is_sent_asked_after_read_and_erased(app: App) -> None:
    job = send(app, make_jpeg(1), b"<svg/>", make_jpeg(2))
    assert (job["state"], job["total"], job["done"], job["webhook"]) == ("queued", 3, 0, None)
    assert len(files_of(job)) == 3
    tasks.score_job(row_of(job).pk)
    told = ask(app, job)
    assert (told["state"], told["done"], told["error"]) == ("succeeded", 3, "")
    assert files_of(job) == []
    results = ask(app, job, "/results")["results"]
    assert [result["status"] for result in results] == [200, 422, 200]
    assert results[0]["answer"]["abstains"] is True
    assert "not a JPEG" in results[1]["problem"]["detail"]
    assert app.send("DELETE", f"{URL}/{job['id']}").status_code == 204
    assert app.get(f"{URL}/{job['id']}").status_code == 404
    assert not BulkItem.objects.exists()


def test_results_are_the_answers_that_each_photograph_gets_alone(app: App, selfie_bytes: bytes) -> None:
    job = send(app, selfie_bytes)
    tasks.score_job(row_of(job).pk)
    alone = json.loads(app.post("/api/v1/score", {"file": upload(selfie_bytes)}).content)
    assert {**ask(app, job, "/results")["results"][0]["answer"], "stored": None} == alone


def test_a_job_done_twice_is_done_once(app: App) -> None:
    job = send(app, make_jpeg(1))
    tasks.score_job(row_of(job).pk)
    before = ask(app, job, "/results")
    tasks.score_job(row_of(job).pk)
    assert ask(app, job, "/results") == before


def test_another_worker_goes_on_where_the_lost_one_stopped(app: App) -> None:
    job = send(app, make_jpeg(1), make_jpeg(2))
    claimed = jobs.claim(BulkJob, row_of(job).pk)
    assert claimed is not None
    first, second = claimed.items.all()
    BulkItem.objects.filter(pk=first.pk).update(status=200, answer={"kept": "by the lost one"})
    lose_worker(job)
    tasks.score_job(claimed.pk)
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.answer == {"kept": "by the lost one"}
    assert (second.status, second.attempts) == (200, 1)


def test_a_photograph_that_stops_workers_is_given_up(app: App) -> None:
    job = send(app, make_jpeg(1), make_jpeg(2))
    BulkItem.objects.filter(position=0).update(attempts=batches.MAX_TRIES)
    tasks.score_job(row_of(job).pk)
    results = ask(app, job, "/results")["results"]
    assert [result["status"] for result in results] == [422, 200]
    assert results[0]["problem"]["detail"] == batches.DEADLY


def test_a_job_that_is_erased_at_work_ends(app: App) -> None:
    job = send(app, make_jpeg(1))
    claimed = jobs.claim(BulkJob, row_of(job).pk)
    assert claimed is not None
    app.send("DELETE", f"{URL}/{job['id']}")
    with pytest.raises(jobs.LostLeaseError):
        batches.work(claimed)
    assert not BulkJob.objects.exists()


def test_the_sweep_sends_again_what_was_lost(app: App) -> None:
    job = send(app, make_jpeg(1))
    assert list(jobs.overdue(BulkJob)) == []
    BulkJob.objects.update(requested_at=Now() - timedelta(minutes=5))
    assert list(jobs.overdue(BulkJob)) == [row_of(job)]
    tasks.sweep()
    with celery.connection_for_read() as connection:
        queue = connection.SimpleQueue("intake")
        assert [queue.get(timeout=5).headers["task"] for _ in range(2)] == ["scoring.tasks.score_job"] * 2
        queue.close()


def test_without_a_regressor_a_job_fails_with_its_sentence() -> None:
    app = App(study="young")
    job = send(app, make_jpeg(1))
    tasks.score_job(row_of(job).pk)
    told = ask(app, job)
    assert told["state"] == "failed"
    assert "Retrain" in told["error"]
    batches.forget()
    assert files_of(job) == []


def test_a_job_is_another_tokens_secret(app: App) -> None:
    job, stranger = send(app, make_jpeg(1)), App(name="a stranger")
    for method, more in (("GET", ""), ("GET", "/results"), ("DELETE", "")):
        assert stranger.send(method, f"{URL}/{job['id']}{more}").status_code == 404
    assert BulkJob.objects.exists()


def test_a_token_has_so_many_jobs_at_once(app: App) -> None:
    for number in range(batches.MOST_OPEN):
        send(app, make_jpeg(number))
    response = app.post(URL, {"files": [upload(make_jpeg(9))]})
    assert response.status_code == 429
    assert response["Retry-After"] == "60"


def test_results_come_in_pages(app: App) -> None:
    job = send(app, make_jpeg(1))
    BulkItem.objects.all().delete()
    BulkItem.objects.bulk_create(
        BulkItem(job=row_of(job), position=n, name=f"{n}.jpg", status=422, detail="No.") for n in range(150)
    )
    first = ask(app, job, "/results")
    second = ask(app, job, f"/results?after={first['next']}")
    assert [result["position"] for result in first["results"] + second["results"]] == list(range(150))
    assert second["next"] is None


def test_a_job_is_erased_a_week_after_its_end(app: App) -> None:
    old, young = send(app, make_jpeg(1)), send(app, make_jpeg(2))
    for job in (old, young):
        tasks.score_job(row_of(job).pk)
    long_ago = Now() - timedelta(days=8)
    BulkJob.objects.filter(public_id=old["id"]).update(started_at=long_ago, finished_at=long_ago)
    batches.forget()
    assert [str(job.public_id) for job in BulkJob.objects.all()] == [young["id"]]


def test_addresses_are_fetched_by_the_worker(app: App, server: Hostile, settings: Any) -> None:
    settings.OUTBOUND, settings.OUTBOUND_NETWORKS = True, [hostile.NETWORK]
    hostile.REPLIES["/selfie"] = hostile.whole(make_jpeg(1))
    urls = [f"http://127.0.0.1:{server.port}/{path}" for path in ("selfie", "page", "to-loopback")]
    job = json.loads(app.post_json(URL, {"urls": urls}).content)
    assert server.requests == []
    tasks.score_job(row_of(job).pk)
    results = ask(app, job, "/results")["results"]
    assert [(result["name"], result["status"]) for result in results] == list(zip(urls, (200, 422, 422), strict=True))


def test_an_address_that_can_never_be_fetched_is_refused_at_once(app: App, settings: Any) -> None:
    settings.OUTBOUND = True
    assert app.post_json(URL, {"urls": ["http://user@photos.example/a"]}).status_code == 422
    assert not BulkJob.objects.exists()


def test_a_photograph_that_is_gone_from_storage_is_told(app: App) -> None:
    job = send(app, make_jpeg(1))
    for path in files_of(job):
        path.unlink()
    tasks.score_job(row_of(job).pk)
    assert ask(app, job, "/results")["results"][0]["status"] == 410
    assert row_of(job).state == Job.State.SUCCEEDED
