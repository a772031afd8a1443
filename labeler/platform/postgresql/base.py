"""A connection that worked a moment ago is not checked again."""

import time

from django.db.backends.postgresql import base

FRESH = 1.0  # seconds; a server that was started anew was away for longer


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's asks each connection before each request, which under load is one round trip of five.

    A connection that breaks within the second costs its request an answer of 503, and is closed.
    """

    health_check_done: bool
    well_at = 0.0  # by the clock that only goes forward

    def close_if_health_check_failed(self) -> None:
        if not self.health_check_done and time.monotonic() - self.well_at < FRESH:
            self.health_check_done = True
        super().close_if_health_check_failed()
        self.well_at = time.monotonic()
