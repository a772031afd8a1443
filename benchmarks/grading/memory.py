"""Whether memory grows: every process of the installation, looked at each minute while readers grade for an hour.

    python -m benchmarks.grading.memory [--readers 20] [--minutes 60]

Web, workers and beat run as `manage.py serve` runs them; the readers are those of load.py. All labels are SIMULATED.
"""

import argparse
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from benchmarks import stage
from benchmarks.grading import load
from benchmarks.reliability.harmed_stage import Stage

THINK = 2.5  # seconds
SETTLED = 15  # minutes after which a process has what it needs, and the slope counts
GROWS = 2.0  # MiB an hour: more than that goes on to be looked for


def main() -> None:
    options = _options()
    with stage.installation() as folder:
        images = round(60 * options.minutes / THINK * 1.3)
        people = load.make_study(options.readers, images)
        theirs = Stage(folder)
        try:
            _await(theirs)
            (access := folder / "no-access-log").touch()
            address = f"http://127.0.0.1:{theirs.port}"
            ours = load.Site("ours", address, access, people, read=f"/read/{load.SLUG}/")
            watch = Watch(theirs, options.minutes)
            watch.start()
            met = ours.meet(options.readers, seconds=60 * options.minutes, think=THINK)
            watch.join()
        finally:
            theirs.stop()
        lost = load.count_lost(ours)
    print(f"{options.readers} readers, {met.saved:.1f} saved/s, {met.requests:.0f} requests/s, lost {lost}")
    watch.print()


class Watch(threading.Thread):
    """Notes the resident memory of every process, once a minute."""

    def __init__(self, theirs: Stage, minutes: int) -> None:
        super().__init__(daemon=True)
        self.theirs, self.minutes = theirs, minutes
        self.resident: dict[str, list[float]] = {}  # process -> MiB, by the minute

    def run(self) -> None:
        time.sleep(load.WARM_UP)
        for minute in range(self.minutes + 1):
            for name, pid in _processes(self.theirs):
                with suppress(FileNotFoundError):  # it has ended
                    self.resident.setdefault(f"{name} ({pid})", []).append(_resident(pid))
            now = {name: seen[-1] for name, seen in self.resident.items()}
            print(f"{minute} min: {now}", file=sys.stderr, flush=True)
            time.sleep(60 if minute < self.minutes else 0)

    def print(self) -> None:
        marks = [round(self.minutes * quarter / 4) for quarter in range(5)]
        print(f"{'MiB after':<24}" + "".join(f"{mark:>6} min" for mark in marks) + "     MiB an hour, at the end")
        for name, seen in self.resident.items():
            if len(seen) <= self.minutes:
                print(f"{name:<24} lived for {len(seen)} minutes")
                continue
            late = seen[min(SETTLED, self.minutes // 2) :]
            slope = 60 * np.polyfit(range(len(late)), late, 1)[0] if len(late) > 1 else 0.0
            grows = "  grows" if slope > GROWS else ""
            print(f"{name:<24}" + "".join(f"{seen[mark]:>10.1f}" for mark in marks) + f"{slope:>12.2f}{grows}")


def _processes(theirs: Stage) -> list[tuple[str, int]]:
    """Return every process with its name, parents first."""
    found = []
    for name, process in theirs.processes.items():
        found.append((name, process.pid))
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        found += [(f"{name}, a child", int(pid)) for pid in children]
    return found


def _resident(pid: int) -> float:
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


def _await(theirs: Stage) -> None:
    deadline = time.monotonic() + stage.SERVER_SECONDS
    while not theirs.is_ready():
        if time.monotonic() > deadline:
            sys.exit("The site did not start.")
        time.sleep(0.2)
    time.sleep(10)  # the workers' children come after them


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=20)
    parser.add_argument("--minutes", type=int, default=60)
    return parser.parse_args()


if __name__ == "__main__":
    main()
