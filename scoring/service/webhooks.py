"""Webhooks that tell an app that its job ended: signed (Standard Webhooks), sent until accepted.

The message carries no score: a stranger at a mistyped address learns nothing about a person's skin.
"""

import base64
import hashlib
import hmac
import json
import logging
import time
from datetime import timedelta
from typing import Any

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils.crypto import salted_hmac

from scoring.models import ApiToken, BulkJob, Job
from scoring.service import fetching
from scoring.service.fetching import FetchError

# How long after each attempt the next one comes; after the last none does.
WAITS = tuple(timedelta(seconds=seconds) for seconds in (30, 120, 480, 1920, 7680, 30720))

logger = logging.getLogger(__name__)


def secret(token: ApiToken) -> str:
    """Return what an app verifies signatures with. It is made from the installation's key, and so stored nowhere."""
    return "whsec_" + base64.b64encode(_key(token)).decode()


def due() -> QuerySet[BulkJob]:
    """Return the jobs whose app is to be told now."""
    return BulkJob.objects.filter(
        Q(webhook_due_at=None) | Q(webhook_due_at__lte=Now()),
        state__in=[Job.State.SUCCEEDED, Job.State.FAILED],
        webhook_delivered_at=None,
        webhook_attempts__lt=len(WAITS),
    ).exclude(webhook="")


def deliver(job_id: int) -> bool:
    """Deliver a webhook once, unless another process does. Return whether the app accepted it."""
    job = _claim(job_id)
    if job is None:
        return False
    try:
        body = _body(job)
        status = fetching.post(job.webhook, body, _signed(job, body), fetching.rules())
    except FetchError as error:
        logger.warning("The webhook of %s was not delivered: %s", job, error)
        return False
    if not 200 <= status < 300:
        logger.warning("The webhook of %s was answered with %s.", job, status)
        return False
    BulkJob.objects.filter(pk=job.pk).update(webhook_delivered_at=Now(), webhook_due_at=None)
    return True


def _claim(job_id: int) -> BulkJob | None:
    """Take a delivery by setting when the next one is due: a sender that is lost is followed by another then."""
    job = due().filter(pk=job_id).select_related("token").first()
    if job is None:
        return None
    again = Now() + WAITS[job.webhook_attempts]
    mine = due().filter(pk=job_id, webhook_attempts=job.webhook_attempts)
    claimed = mine.update(webhook_attempts=F("webhook_attempts") + 1, webhook_due_at=again)
    return job if claimed else None


def _body(job: BulkJob) -> bytes:
    data: dict[str, Any] = {"id": str(job.public_id), "state": job.state}
    finished_at = job.finished_at.isoformat() if job.finished_at else None
    return json.dumps({"type": "job.ended", "timestamp": finished_at, "data": data}).encode()


def _signed(job: BulkJob, body: bytes) -> dict[str, str]:
    number, now = f"job_{job.public_id.hex}", int(time.time())
    mac = hmac.digest(_key(job.token), f"{number}.{now}.".encode() + body, hashlib.sha256)
    return {
        "Content-Type": "application/json",
        "webhook-id": number,
        "webhook-timestamp": str(now),
        "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
    }


def _key(token: ApiToken) -> bytes:
    return salted_hmac("scoring.service.webhooks", str(token.pk), algorithm="sha256").digest()
