"""The memory that each process may need for photographs, against what its container has.

A decoder is limited to `decoding.budget` (scoring/photograph/decoder/process.py), so the sum is known beforehand. What
has more than `decoding.MAX_PIXELS` is decoded one at a time in a container.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.cache import cache

from scoring.network import cpu_cores
from scoring.photograph import decoding

MEBIBYTE = 2**20
# Of a container, and of the older kind, which writes a huge number for none.
LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
NO_LIMIT = 2**60  # bytes
# MiB that a process has without decoders; of intake, for each of its workers (docs/running/operations.md, "Sizes").
ITSELF = {"web": 350, "scorer": 1200, "worker": 2048, "intake": 300}
MEND = "Give its container more memory or fewer cores, or lower INTAKE_MEGAPIXELS."
OF_STUDIES = {"worker", "intake"}  # they open what studies take; the others what apps send


@dataclass(frozen=True)
class Misfit:
    """A process whose container may have too little memory."""

    name: str
    has: int  # bytes
    needs: int

    def __str__(self) -> str:
        return f"{self.name} has {self.has / 2**30:.1f} GiB and may need {self.needs / 2**30:.1f}"


def limit() -> int | None:
    """Return the bytes that this container may have, None where that is not limited or not known."""
    for path in LIMITS:
        if path.exists():
            said = path.read_text().strip()
            return int(said) if said.isdecimal() and int(said) < NO_LIMIT else None
    return None


def needed(name: str, cores: int) -> int:
    """Return the bytes that a process of this name may need on so many cores."""
    decoders = 1 if name == "web" else cores
    most_bytes, most_pixels = decoding.SELFIE.bytes, decoding.SELFIE.pixels
    if name in OF_STUDIES:
        most_bytes, most_pixels = settings.INTAKE_MAX_BYTES, settings.INTAKE_MAX_PIXELS
    ordinary = decoding.budget(min(most_pixels, decoding.MAX_PIXELS))
    itself = ITSELF[name] * MEBIBYTE * (cores if name == "intake" else 1)
    # The file is here and in the decoder. What is made of the pixels afterwards takes less than opening them may
    # (14 bytes for each, measured over an import), and the decoder has given its memory back by then.
    return itself + decoders * (ordinary + 2 * most_bytes) + decoding.budget(most_pixels) - ordinary


def note(name: str) -> str:
    """Write down what this process has and may need, for `misfits`; return a sentence if that does not fit."""
    has = limit()
    needs = needed(name, cpu_cores.usable()) if name in ITSELF else 0
    if has is None or needs <= has:
        cache.delete(_key(name))
        return ""
    cache.set(_key(name), (has, needs), timeout=None)
    return f"{Misfit(name, has, needs)} for photographs. {MEND}"


def misfits() -> Iterator[Misfit]:
    """Yield the processes that did not fit when they last started."""
    for name in ITSELF:
        found = cache.get(_key(name))
        if found:
            yield Misfit(name, *found)


def _key(name: str) -> str:
    return f"memory-misfit-{name}"
