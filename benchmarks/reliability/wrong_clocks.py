"""A process whose clock is wrong, by libfaketime: what it asks the system for is moved, and nobody else's."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path

OFFSETS = {"a day late": -86400, "an hour late": -3600, "an hour early": 3600, "a day early": 86400}  # seconds


class WrongClocks:
    """The library where every account may read it, and the environment that brings it into a process."""

    def __init__(self, folder: Path) -> None:
        self.library = folder / "libfaketime.so"
        with suppress(ModuleNotFoundError):
            source = files("libfaketime") / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"
            shutil.copyfile(str(source), self.library)
            self.library.chmod(0o755)

    def are_there(self) -> bool:
        """Whether a process can be made to believe that it is another day: the library is for one kind of machine."""
        with self.wrong_by(OFFSETS["a day early"]):
            asked = subprocess.run(["date", "+%s"], capture_output=True, text=True, check=False).stdout
        return float(asked or 0) > time.time() + OFFSETS["an hour early"]

    @contextmanager
    def wrong_by(self, seconds: int) -> Iterator[None]:
        """Give processes that are started in the block a clock that is wrong by so much; 0 is right."""
        ours = {
            "LD_PRELOAD": str(self.library),
            "FAKETIME": f"{seconds:+d}",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # nor does it jump where an operator sets a clock
            "NO_FAKE_STAT": "1",
        }
        if not seconds:
            ours = {}
        os.environ.update(ours)
        try:
            yield
        finally:
            for name in ours:
                del os.environ[name]


def clean_up(pids: list[int]) -> None:
    """Remove what libfaketime shares between a process and its children, once it was killed."""
    for pid in pids:
        for path in Path("/dev/shm").glob(f"*faketime_*_{pid}"):  # noqa: S108
            path.unlink(missing_ok=True)
