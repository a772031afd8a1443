"""How much faster several workers embed a study's photographs than one, and whether any of it is done twice.

    python -m benchmarks.scoring.workers [--images 96] [--rounds 3]

Real Celery workers on one broker, each of one process and one thread. In every round one, two and four of them take
turns at the same run of retraining, from an empty feature store; the run is cancelled when its embedding is over. The
clock runs from when each worker has stored its first photographs, so that loading the networks is not counted. What a
worker embeds stands in its log. Selfies and grades are SIMULATED.
"""

import argparse
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import stage

if TYPE_CHECKING:
    from labeler.models import Study
    from training.models import TrainingRun

WORKERS = (1, 2, 4)
GOLDEN = 10
EMBEDDED = re.compile(r"Embedded features/../([0-9a-f]{64})/")
PATIENCE = 1800  # seconds for one run on a busy machine
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Measured:
    """One run's embedding by so many workers."""

    images: int  # while the clock ran
    seconds: float
    processor_seconds: float
    embedded: Counter[str]  # how often each photograph was


class Worker:
    """A Celery worker of one process and one thread."""

    def __init__(self, number: int, folder: Path) -> None:
        self.log = folder / f"worker-{number}-{time.monotonic_ns()}.log"
        command = [sys.executable, "-m", "celery", "--quiet", "-A", "labeler", "worker", "-Q", "celery"]
        options = ["-n", f"worker{number}@%h", "--concurrency", "1", "--loglevel", "DEBUG", "--without-gossip"]
        one_thread = {"EMBEDDING_PROCESSES": str(os.cpu_count()), "OMP_NUM_THREADS": "1", "LOG_LEVEL": "DEBUG"}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, *options], cwd=stage.REPOSITORY, env=os.environ | one_thread, stdout=log, stderr=log
            )

    def embedded(self) -> list[str]:
        return EMBEDDED.findall(self.log.read_text())

    def is_ready(self) -> bool:
        return " ready." in self.log.read_text()

    def processor_seconds(self) -> float:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return sum(_processor_seconds(int(pid)) for pid in children)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)


def main() -> None:
    options = _options()
    os.environ.setdefault("WEIGHTS_DIR", str(stage.REPOSITORY / "var" / "weights"))
    os.environ.setdefault("FACES_DIR", str(stage.REPOSITORY / "var" / "faces"))
    results: dict[int, list[Measured]] = {number: [] for number in WORKERS}
    with stage.installation() as folder:
        study = _make_study(options.images, folder)
        for round_number in range(options.rounds):
            for number in WORKERS if round_number % 2 == 0 else reversed(WORKERS):
                measured = _measure(study, number, folder)
                results[number].append(measured)
                print(f"{number} workers: {_rate(measured):.2f} images/s", file=sys.stderr, flush=True)
    _print(results)
    if any(set(one.embedded.values()) != {1} for some in results.values() for one in some):
        sys.exit("Some photograph was embedded twice.")


def _measure(study: "Study", number: int, folder: Path) -> Measured:
    from django.conf import settings

    from scoring.platform.jobs import send
    from training import tasks
    from training.runs import retrain

    shutil.rmtree(Path(settings.MEDIA_ROOT) / "features", ignore_errors=True)
    with _working(number, folder) as workers:
        run = retrain.request(study=study)
        send(tasks.retrain, run.pk)
        _await(lambda: all(worker.embedded() for worker in workers))
        began, done, spent = time.monotonic(), _done(workers), _spent(workers)
        total = _until_embedded(run)
        took, images, spent = time.monotonic() - began, _done(workers) - done, _spent(workers) - spent
        _end(run)
        embedded = Counter(content_hash for worker in workers for content_hash in worker.embedded())
    if len(embedded) != total:
        sys.exit(f"{len(embedded)} of {total} photographs were embedded.")
    return Measured(images, took, spent, embedded)


@contextmanager
def _working(number: int, folder: Path) -> Iterator[list[Worker]]:
    import redis

    redis.Redis.from_url(os.environ["REDIS_URL"]).flushall()
    with ExitStack() as stack:
        workers = [Worker(n, folder) for n in range(number)]
        for worker in workers:
            stack.callback(worker.stop)
        _await(lambda: all(worker.is_ready() for worker in workers))
        yield workers


def _until_embedded(run: "TrainingRun") -> int:
    """Wait until the embedding is over; return of how many photographs it was."""
    from training.runs import retrain

    total = 0

    def is_over() -> bool:
        nonlocal total
        run.refresh_from_db()
        if run.stage == retrain.EMBEDDING:
            total = run.total
        return total > 0 and run.stage != retrain.EMBEDDING

    _await(is_over, every=0.02)
    return total


def _end(run: "TrainingRun") -> None:
    """Cancel the run: what comes after is not measured."""
    from labeler.models import User
    from training.runs import retrain

    retrain.cancel(run=run, by=User.objects.get(username="reader0"))

    def is_over() -> bool:
        run.refresh_from_db()
        return run.state == run.State.FAILED

    _await(is_over)


def _make_study(images: int, folder: Path) -> "Study":
    from demo.selfies import make_selfies
    from labeler.dealing import folds
    from labeler.golden_set import golden_draw
    from labeler.intake import importing
    from labeler.models import Study, User
    from labeler.studies import studies
    from tests.training.builders import grade_everything

    selfies = folder / "selfies"
    make_selfies(folder=selfies, count=images, seed=7)
    study = studies.create(slug="workers", title="Workers", is_simulated=True, seed=2019)
    for number in range(2):
        studies.add_reader(study=study, user=User.objects.create_user(username=f"reader{number}"))
    importing.import_folder(study=study, folder=selfies)
    golden_draw.draw(study=study, size=GOLDEN)
    folds.deal(study=Study.objects.get())
    grade_everything(Study.objects.get())
    return Study.objects.get()


def _await(is_so: Callable[[], bool], *, every: float = 0.1) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > deadline:
            sys.exit("The workers did not get on: see their logs.")
        time.sleep(every)


def _done(workers: list[Worker]) -> int:
    return sum(len(worker.embedded()) for worker in workers)


def _spent(workers: list[Worker]) -> float:
    return sum(worker.processor_seconds() for worker in workers)


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS  # user and system time


def _rate(measured: Measured) -> float:
    return measured.images / measured.seconds


def _print(results: dict[int, list[Measured]]) -> None:
    alone = statistics.median(map(_rate, results[1]))
    print(f"{len(results[1])} rounds in turn, SIMULATED selfies; load average at the end {os.getloadavg()[0]:.1f}\n")
    print(f"{'workers':<10}{'images/s':>10}{'times one':>12}{'processor seconds an image':>30}{'embedded twice':>17}")
    for number, some in results.items():
        rate = statistics.median(map(_rate, some))
        spent = statistics.median(one.processor_seconds / one.images for one in some)
        twice = sum(times - 1 for one in some for times in one.embedded.values())
        print(f"{number:<10}{rate:>10.2f}{rate / alone:>12.2f}{spent:>30.2f}{twice:>17}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
