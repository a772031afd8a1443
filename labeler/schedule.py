"""Beat's schedule, which a clock that was wrong for a while does not stop."""

from typing import Any

from celery.beat import PersistentScheduler
from celery.utils.time import maybe_make_aware


class Schedule(PersistentScheduler):
    """Forgets runs that lie in the future: Celery would wait until that time has come again."""

    def tick(self, *arguments: Any, **named: Any) -> float:
        for entry in self.schedule.values():
            now = maybe_make_aware(entry.default_now())
            if entry.last_run_at and maybe_make_aware(entry.last_run_at) > now:
                entry.last_run_at = now
                self._heap = None  # made anew, with what is due now
        return float(super().tick(*arguments, **named))
