"""The cache in the database, which holds the limits of signing in."""

import time
from typing import Any

from django.core.cache.backends.db import DatabaseCache

LARGEST_SKEW = 60  # seconds that the clocks of two web servers may differ by


class Cache(DatabaseCache):
    """Forgets what lies in the future.

    allauth keeps the times of the last sign-ins from an address. Written by a clock that was a day early, they would
    keep everybody there out for a day once it is right again.
    """

    def get(self, key: str, default: Any = None, version: int | None = None) -> Any:
        kept = super().get(key, default, version)
        if isinstance(kept, list):
            latest = time.time() + LARGEST_SKEW
            return [at for at in kept if not (isinstance(at, float) and at > latest)]
        return kept
