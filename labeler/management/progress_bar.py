"""Progress of a long command: a bar on a terminal, a line per tenth elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm import tqdm

PARTS = 10


class ProgressBar:
    """What a noun tells of its progress: called with what is done and what there is to do."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._bar: tqdm | None = None
        self._told = 0

    def __call__(self, done: int, total: int) -> None:
        if sys.stderr.isatty():
            self._move(done, total)
        elif total and done * PARTS // total > self._told:
            self._told = done * PARTS // total
            sys.stderr.write(f"{self.what}: {done:,} of {total:,}\n")
            sys.stderr.flush()

    def _move(self, done: int, total: int) -> None:
        if self._bar is None:
            self._bar = tqdm(desc=self.what, total=total, file=sys.stderr, dynamic_ncols=True)
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


@contextmanager
def shown(what: str) -> Iterator[ProgressBar]:
    """Show progress on the error stream, so that what a command prints can still be read by a program."""
    bar = ProgressBar(what)
    try:
        yield bar
    finally:
        bar.close()
