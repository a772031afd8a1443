"""An app is told once that its job has ended, by a message it can verify, and again until it takes it."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db.models.functions import Now

from scoring import tasks
from scoring.models import BulkJob
from scoring.service import webhooks
from tests.builders import make_jpeg
from tests.scoring.builders import App, publish_one, upload
from tests.scoring.photograph import hostile
from tests.scoring.photograph.hostile import Hostile

pytestmark = pytest.mark.django_db


@pytest.fixture
def app(settings: Any) -> App:
    settings.OUTBOUND, settings.OUTBOUND_NETWORKS = True, [hostile.NETWORK]
    publish_one("acne")
    return App()


@pytest.fixture
def server() -> Iterator[Hostile]:
    with hostile.server() as running:
        yield running


def ended(app: App, server: Hostile, path: str) -> BulkJob:
    """Return a job that has ended, its app told for the first time."""
    webhook = f"http://127.0.0.1:{server.port}{path}"
    response = app.post("/api/v1/jobs", {"files": [upload(make_jpeg(1))], "webhook": webhook})
    job = BulkJob.objects.get(public_id=json.loads(response.content)["id"])
    tasks.score_job(job.pk)
    job.refresh_from_db()
    return job


def pass_time(job: BulkJob) -> None:
    BulkJob.objects.filter(pk=job.pk).update(webhook_due_at=Now() - timedelta(seconds=1))


def test_the_message_is_signed_and_tells_no_score(app: App, server: Hostile) -> None:
    job = ended(app, server, "/photo")
    assert job.webhook_delivered_at is not None
    head, _, body = server.requests[0].decode().partition("\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
    assert json.loads(body)["data"] == {"id": str(job.public_id), "state": "succeeded"}
    assert headers["webhook-id"] == f"job_{job.public_id.hex}"
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 600
    secret = base64.b64decode(webhooks.secret(app.token).removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body}".encode()
    expected = base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


def test_each_token_signs_with_its_own_secret(app: App) -> None:
    assert webhooks.secret(app.token) != webhooks.secret(App(name="another").token)


def test_a_message_that_was_taken_is_not_sent_again(app: App, server: Hostile) -> None:
    job = ended(app, server, "/photo")
    assert not webhooks.deliver(job.pk)
    assert len(server.requests) == 1
    assert not webhooks.due().exists()


@pytest.mark.parametrize("path", ["/missing", "/nonsense", "/to-loopback"])
def test_what_was_not_taken_comes_again_later_and_later(app: App, server: Hostile, path: str) -> None:
    job = ended(app, server, path)
    assert not webhooks.deliver(job.pk)  # not yet
    for attempt in range(2, len(webhooks.WAITS) + 1):
        pass_time(job)
        assert list(webhooks.due()) == [job]
        assert not webhooks.deliver(job.pk)
        assert len(server.requests) == attempt
    pass_time(job)
    assert not webhooks.due().exists()


def test_waits_grow() -> None:
    assert list(webhooks.WAITS) == sorted(set(webhooks.WAITS))


def test_a_failed_job_is_told_too(app: App, server: Hostile) -> None:
    job = ended(App(name="of a young study", study="young"), server, "/photo")
    assert b'"state": "failed"' in server.requests[0]
    assert job.webhook_delivered_at is not None


def test_the_inside_is_not_told(app: App, server: Hostile) -> None:
    with hostile.server("127.0.0.2") as inside:
        webhook = f"http://127.0.0.2:{inside.port}/photo"
        response = app.post("/api/v1/jobs", {"files": [upload(make_jpeg(1))], "webhook": webhook})
        tasks.score_job(BulkJob.objects.get(public_id=json.loads(response.content)["id"]).pk)
        assert inside.requests == []


def test_a_webhook_needs_what_is_off_by_default(settings: Any) -> None:
    response = App().post("/api/v1/jobs", {"files": [upload(make_jpeg(1))], "webhook": "https://app.example/"})
    assert response.status_code == 422
    assert not BulkJob.objects.exists()
