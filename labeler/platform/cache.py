"""A cache in the database, for the rate limits of sign-in."""

import time
from datetime import UTC, datetime
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.db import DatabaseCache
from django.db import connection

LARGEST_SKEW = 60  # seconds that the clocks of two web servers may differ by


class Cache(DatabaseCache):
    """Forgets what lies in the future: it was written by a clock that was early.

    allauth keeps the times of the last sign-ins from an address, and locks them for seconds while it counts. By a
    clock that was a day early, both would keep everyone there out for a day once it is right again.
    """

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        kept = super().get(key, default, version)
        if isinstance(kept, list):
            latest = time.time() + LARGEST_SKEW
            return [at for at in kept if not (isinstance(at, float) and at > latest)]
        return kept

    def add(self, key: str, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Take a lock, also one that would hold for longer than any that is taken now."""
        if isinstance(timeout, int):
            latest = datetime.fromtimestamp(time.time() + timeout + LARGEST_SKEW, tz=UTC)
            with connection.cursor() as cursor:
                name = self.make_and_validate_key(key, version=version)
                cursor.execute("DELETE FROM cache WHERE cache_key = %s AND expires > %s", [name, latest])
        return bool(super().add(key, value, timeout, version))
