"""Beat's scheduler: one of several beats is in charge, another takes over, and wrong clocks stop none."""

import json
import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from celery import beat
from celery.utils.time import maybe_make_aware
from django.db import Error, connections

LOCK_KEY = 1_633_906_277  # of the advisory lock: any number that nothing else of this database uses
WAIT = 5.0  # seconds until a beat that waits looks again whether it is its turn
# A machine that vanished says nothing: PostgreSQL asks after half a minute, and lets go of the lock soon after.
KEEPALIVES = "SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3"

logger = logging.getLogger(__name__)


class Turn:
    """A lock of PostgreSQL's that lasts as long as a connection of its own, so no process leaves it behind."""

    def __init__(self) -> None:
        self._connection = connections.create_connection("default")
        self._is_mine = False

    def is_mine(self) -> bool:
        """Whether this process has the lock, which it takes where it is free. Raises Error without a database."""
        try:
            with self._connection.cursor() as cursor:
                if self._is_mine:
                    cursor.execute("SELECT 1")  # the connection is there, and so is the lock
                else:
                    cursor.execute(KEEPALIVES)
                    cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK_KEY])
                    (self._is_mine,) = cursor.fetchone()
        except Error:
            self.release()
            raise
        return self._is_mine

    def release(self) -> None:
        self._is_mine = False
        self._connection.close()


class Schedule(beat.Scheduler):
    """Celery's own, which remembers in a JSON file when each entry last ran: {name: time in UTC}.

    Celery's stored schedule is a dbm, whose kind depends on how Python was built, and Debian's can't hold it. Runs that
    lie in the future are forgotten: Celery would wait until that time has come again.
    """

    def __init__(self, *args: Any, schedule_filename: str, **kwargs: Any) -> None:
        self._path = Path(schedule_filename)
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        self.merge_inplace(self.app.conf.beat_schedule)
        try:
            last_runs = {
                name: datetime.fromisoformat(text) for name, text in json.loads(self._path.read_text()).items()
            }
        except FileNotFoundError:
            last_runs = {}
        except ValueError:
            logger.warning("%s can't be read. Entries that are due meanwhile run at their next time.", self._path)
            last_runs = {}
        for name in last_runs.keys() & self.schedule.keys():
            self.schedule[name].last_run_at = last_runs[name].astimezone(self.app.timezone)

    def sync(self) -> None:
        """Write the file. Celery asks for it every three minutes, and at the end."""
        last_runs = {
            name: maybe_make_aware(entry.last_run_at).astimezone(UTC).isoformat()
            for name, entry in self.schedule.items()
            if entry.last_run_at
        }
        written = self._path.with_name(f"{self._path.name}.new")
        written.write_text(json.dumps(last_runs, indent=1))
        written.replace(self._path)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        for entry in self.schedule.values():
            now = maybe_make_aware(entry.default_now())
            if entry.last_run_at and maybe_make_aware(entry.last_run_at) > now:
                entry.last_run_at = now
                self._heap = None  # made anew, with what is due now
        return float(super().tick(*args, **kwargs))


class Scheduler(Schedule):
    """The same, which says nothing while it is another beat's turn."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._turn = Turn()
        self._has_begun = self._waits = False
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        """Leave the file with the schedule alone: it is the other's until that is gone."""

    def sync(self) -> None:
        if self._has_begun:
            super().sync()

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due, if it is this beat's turn; return after how many seconds to look again."""
        try:
            is_mine = self._turn.is_mine()
        except Error:
            logger.warning("The database does not answer, so it is unknown which beat is in charge. Trying again.")
            return WAIT
        if is_mine:
            self._begin()
            return super().tick(*args, **kwargs)
        if self._has_begun:
            logger.error("Another beat took over while the database was away. This one ends; start it again to wait.")
            os._exit(1)  # at once: to end in order would write our old schedule over the other's
        if not self._waits:
            logger.warning("Another beat says what is due. This one waits until that is gone.")
            self._waits = True
        return WAIT

    def _begin(self) -> None:
        if not self._has_begun:
            super().setup_schedule()
            self._has_begun = True
            logger.warning("This beat says what is due.")
