"""The number of cores a process may use when several processes embed on one machine."""

import os
from pathlib import Path

QUOTA = Path("/sys/fs/cgroup/cpu.max")  # a container's limit: "200000 100000" is two cores, "max 100000" none


def share() -> int:
    """Return this process's threads: the cores it may run on, divided by EMBEDDING_PROCESSES."""
    return max(usable() // int(os.environ.get("EMBEDDING_PROCESSES") or 1), 1)


def usable() -> int:
    cores = len(os.sched_getaffinity(0))
    quota = quota_of(QUOTA.read_text()) if QUOTA.exists() else None
    return cores if quota is None else min(cores, quota)


def quota_of(line: str) -> int | None:
    """Return the whole cores of a line of cpu.max, 1 at least, or None where there is no limit."""
    quota, period = line.split()
    return None if quota == "max" else max(int(quota) // int(period), 1)
