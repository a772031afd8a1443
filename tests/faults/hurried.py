"""The Celery application whose beat waits for nothing long: celery -A tests.faults.hurried beat.

A beat that waits looks every half second whether it is its turn. With SWEEP_EVERY the sweep is due after so many
seconds, in place of half a minute.
"""

import os

from labeler.celery import app
from labeler.server import beat

__all__ = ["app"]

beat.WAIT = 0.5
if "SWEEP_EVERY" in os.environ:
    schedule = dict(app.conf.beat_schedule)
    schedule["sweep"] = {**schedule["sweep"], "schedule": float(os.environ["SWEEP_EVERY"])}
    app.conf.beat_schedule = schedule
