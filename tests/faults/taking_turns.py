"""The Celery application whose messages work at an import for a moment only: celery -A tests.faults.taking_turns.

Sixteen of them go round in seconds then, and a test need not send hundreds of photographs.
"""

from celery.signals import worker_process_init

from labeler.celery import app

__all__ = ["app"]


@worker_process_init.connect
def _hurry(**_: object) -> None:
    from labeler import tasks

    tasks.TURN = 0.1
