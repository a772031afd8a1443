"""The Celery application: `celery -A labeler worker` and `celery -A labeler beat`."""

import os
import time
from typing import Any

from celery import Celery
from celery.signals import before_task_publish

from labeler.platform.message_headers import SENT_AT

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "labeler.settings")

app = Celery("labeler")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@before_task_publish.connect
def _note_time(headers: dict[str, Any], **_: object) -> None:
    headers[SENT_AT] = time.time()
