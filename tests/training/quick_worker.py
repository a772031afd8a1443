"""The Celery application whose workers fit small layers: celery -A tests.training.quick_worker.

`make test-slow` asks for the published layers.
"""

import os
from contextlib import ExitStack

from celery.signals import worker_process_init

from labeler.celery import app

__all__ = ["app"]

_for_ever = ExitStack()


@worker_process_init.connect
def _hurry(**_: object) -> None:
    from tests.training.builders import quick_training

    if os.environ.get("LAYERS") != "as published":
        _for_ever.enter_context(quick_training())
