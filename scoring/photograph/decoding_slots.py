"""The limit of photographs that a process describes at a time; the others wait. [core]

A photograph of 12 megapixels takes about 200 MB while faces are looked for. More at a time than there are cores make
each of them slower.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_slots: threading.Semaphore | None = None  # no limit unless it is set: a worker describes one photograph at a time


def limit(at_work: int) -> None:
    """Set how many photographs this process describes at a time."""
    global _slots  # noqa: PLW0603  one process, one limit
    _slots = threading.Semaphore(at_work)


@contextmanager
def take() -> Iterator[None]:
    """Wait for a slot, and hold it while the block runs."""
    if _slots is None:
        yield
        return
    with _slots:
        yield
