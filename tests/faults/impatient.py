"""The Celery application with little patience: celery -A tests.faults.impatient.

Its broker takes a task for lost after a second, its leases last seconds, and an erasure goes on until a file is there.
"""

import os
import time
from datetime import timedelta
from pathlib import Path

from celery.signals import worker_process_init

from labeler.celery import app

app.conf.broker_transport_options = {**app.conf.broker_transport_options, "visibility_timeout": 1}


@worker_process_init.connect
def _hurry(**_: object) -> None:
    from labeler.models import Erasure
    from labeler.privacy import erasing
    from scoring.platform import jobs

    jobs.LEASE, jobs.RENEWAL = timedelta(seconds=3), 0.5
    make_sure = erasing._make_sure

    def take_long(erasure: Erasure) -> None:
        while not Path(os.environ["GO_ON"]).exists():
            time.sleep(0.1)
        make_sure(erasure)

    erasing._make_sure = take_long
