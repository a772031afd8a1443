"""How far a long command is: a bar on a terminal, nothing in a file or a pipe."""

from collections.abc import Callable

from django.core.management.base import OutputWrapper

WIDTH = 30  # characters


def on(out: OutputWrapper) -> Callable[[int, int], None]:
    """Return what draws the bar, told how much is done and of how much; at the end it stays."""

    def draw(done: int, total: int) -> None:
        if out.isatty():
            filled = WIDTH * done // max(total, 1)
            bar = "#" * filled + " " * (WIDTH - filled)
            out.write(f"\r[{bar}] {done:,} of {total:,}", ending="\n" if done == total else "")
            out.flush()

    return draw
