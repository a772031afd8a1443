"""Progress of a run: its stage, the time each stage took, and the points where it can be cancelled."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.utils import timezone

from scoring.platform import jobs
from training.models import TrainingRun

SELDOM = 0.5  # seconds between two messages of one stage

Done = Callable[[int], None]  # is told how many of the stage's parts are done


class Stages:
    """The stages of one run. `seconds` has how long each took, in order."""

    def __init__(self, run: TrainingRun) -> None:
        self.run = run
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, *, total: int = 0) -> Iterator[Done]:
        """Tell what begins, of how many parts. Raises JobError if the run was cancelled, LostLeaseError."""
        began, told = time.monotonic(), time.monotonic()
        self._tell(stage=name, done=0, total=total, stage_began_at=timezone.now())

        def done(parts: int) -> None:
            nonlocal told
            if time.monotonic() - told >= SELDOM:
                told = time.monotonic()
                self._tell(stage=name, done=parts)

        yield done
        self.seconds[name] = round(time.monotonic() - began, 2)

    def _tell(self, *, stage: str, **fields: object) -> None:
        jobs.tell(self.run, stage, **fields)
        self.run.refresh_from_db(fields=["cancelled_by"])
        if self.run.cancelled_by:
            raise jobs.JobError(f"Cancelled by {self.run.cancelled_by}.")
