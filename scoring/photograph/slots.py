"""How many photographs a process has at work at a time; the others wait for their turn. [core]

One of 12 megapixels holds about 200 MB while faces are looked for, and more at a time than there are cores only make
each of them slower.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_turns: threading.Semaphore | None = None  # nobody waits where nobody asked for it: a worker does one thing at a time


def limit(at_work: int) -> None:
    """Let this process have so many photographs at work from now on."""
    global _turns  # noqa: PLW0603  one process, one limit
    _turns = threading.Semaphore(at_work)


@contextmanager
def turn() -> Iterator[None]:
    """Wait until a photograph may be worked at, and hold its place while the block runs."""
    if _turns is None:
        yield
        return
    with _turns:
        yield
