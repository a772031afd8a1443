"""A scoring process under load, beside the published way: one selfie, too many of them, slow clients, and memory.

    python -m benchmarks.scoring.service [--requests 10000]

The client is in this process and asks the loopback address only. "Published" is full-size detection (dlib, one
upsampling) and torch, one patch at a time; its torch network has folded norms and channels last, which is kinder to it
than torch as it comes. The regressor is fitted on noise: SIMULATED.
"""

import argparse
import io
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import cv2
import numpy as np
from PIL import Image

from benchmarks import stage
from benchmarks.scoring.detection import full_size
from labeler.server import supervisor

if TYPE_CHECKING:
    from scoring.network.torch_network import TorchNetwork

PHOTOGRAPH = stage.REPOSITORY / "var" / "faces" / "grace_hopper.jpg"
TWELVE_MEGAPIXELS = (3000, 4000)
ROUNDS = 3
OURS = 5  # of ours for each of theirs
OVERLOAD_SECONDS = 20
SLOW_CLIENTS = 4
MEMORY_LINES = 10
CHECKS = Image.fromarray(np.indices((8, 6)).sum(axis=0).astype(np.uint8) % 2 * 255).convert("RGB")  # no face
Answer = tuple[int, float]  # status and seconds


@dataclass(frozen=True)
class Scorer:
    """A scoring process, and how to ask it."""

    address: str
    pid: int
    key: str

    def ask(self, picture: bytes) -> Answer:
        begun = time.perf_counter()
        try:
            with urlopen(self._request(picture), timeout=120) as answer:  # noqa: S310  our own loopback address
                return answer.status, time.perf_counter() - begun
        except HTTPError as error:
            return error.code, time.perf_counter() - begun

    def _request(self, picture: bytes) -> Request:
        start = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "multipart/form-data; boundary=b"}
        url = f"{self.address}/api/v1/score"
        return Request(url, start + picture + b"\r\n--b--\r\n", headers)  # noqa: S310  our own loopback address

    def megabytes(self) -> float:
        """Return what its processes hold in memory."""
        return sum(_resident(pid) for pid in self._pids())

    def cpu_seconds(self) -> float:
        """Return what its processes have used: other programs on the machine do not change it much."""
        return sum(_cpu_seconds(pid) for pid in self._pids())

    def _pids(self) -> list[str]:
        """Return the server, its workers, and the process in which a worker opens photographs."""
        found = [str(self.pid)]
        for pid in found:  # grows as it goes
            found += [
                child for tasks in Path(f"/proc/{pid}/task").glob("*/children") for child in tasks.read_text().split()
            ]
        return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=10_000, help="for memory")
    requests = parser.parse_args().requests
    if not PHOTOGRAPH.exists():
        sys.exit(f"There is no {PHOTOGRAPH}: `make demo` fetches it.")
    with stage.installation() as folder, scorer(folder / "scorer.log") as served:
        large, small = _jpeg(TWELVE_MEGAPIXELS), _jpeg((300, 400))
        _one_selfie(served, large)
        _overload(served, small)
        _slow_clients(served, small)
        _memory(served, [small, _jpeg((300, 400), picture=CHECKS), small[: len(small) // 2], b"no picture"], requests)


@contextmanager
def scorer(log: Path) -> Iterator[Scorer]:
    """Run a scorer that is ready, with a regressor to answer with."""
    key = _publish()
    address = f"127.0.0.1:{stage.free_port()}"
    command = supervisor.commands(site="", scorer=address)["scorer"]
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=stage.REPOSITORY)
    try:
        while process.poll() is None and not supervisor._answers(f"http://{address}/readyz"):
            time.sleep(0.1)
        yield Scorer(f"http://{address}", process.pid, key)
    finally:
        process.terminate()
        process.wait(timeout=2 * supervisor.SCORER_STOP_SECONDS)


def _one_selfie(served: Scorer, picture: bytes) -> None:
    """Let both take turns on one photograph."""
    _published(picture)  # loads
    published, ours, used = [], [], {"published": 0.0, "ours": 0.0}
    for _ in range(ROUNDS):
        begun = time.process_time()
        published.append(_seconds(lambda: _published(picture)))
        used["published"] += (time.process_time() - begun) / ROUNDS
        begun = served.cpu_seconds()
        ours += [_scored(served, picture) for _ in range(OURS)]
        used["ours"] += (served.cpu_seconds() - begun) / ROUNDS / OURS
    slow, fast = statistics.median(published), statistics.median(ours)
    print(f"One selfie of 12 megapixels ({len(picture) / 1e6:.1f} MB), published in a function, ours over HTTP:")
    print(f"  p50 {slow:.2f} s and {fast:.3f} s, {slow / fast:.1f} times as fast")
    ratio = used["published"] / used["ours"]
    print(f"  CPU {used['published']:.2f} s and {used['ours']:.2f} s, a {ratio:.1f}th", flush=True)


def _published(picture: bytes) -> None:
    from scoring.network import embedder
    from scoring.photograph import faces, patches
    from scoring.photograph.decoding import decode

    pixels = decode(picture)
    _, predictor = faces._dlib_models()
    points = faces.landmarks(predictor, pixels, full_size(pixels)[0])
    network = _torch()
    for patch in patches.from_landmarks(points, pixels.shape[1], pixels.shape[0]):
        network.embed(embedder.resize(patch.crop(pixels))[None])


@cache
def _torch() -> "TorchNetwork":
    from scoring.network import backbones
    from scoring.network.torch_network import TorchNetwork
    from scoring.weights import weight_files

    return TorchNetwork(backbones.load("resnet50", weight_files.RESNET50.sha256))


def _overload(served: Scorer, picture: bytes) -> None:
    """Ask with as many clients as are served at once, then with four times as many as there are places."""
    from django.conf import settings

    from scoring.network import cpu_cores

    calm = _load(served, picture, cpu_cores.share())
    busy = _load(served, picture, 4 * (cpu_cores.share() + settings.SCORER_WAITING))
    for name, answers in (("as many clients as cores", calm), ("four times as many as places", busy)):
        scored = [seconds for status, seconds in answers if status == 200]
        refused = [seconds for status, seconds in answers if status == 503]
        print(
            f"{name}: {dict(Counter(status for status, _ in answers))}, {len(scored) / OVERLOAD_SECONDS:.1f} scored/s, "
            f"p50 {_ms(scored, 50)}, p99 {_ms(scored, 99)}"
            + (f"; sent away in p50 {_ms(refused, 50)}, p99 {_ms(refused, 99)}" if refused else "")
        )


def _load(served: Scorer, picture: bytes, clients: int) -> list[Answer]:
    """Ask from many clients at once; who is sent away comes back after a pause, as a client should."""
    until = time.monotonic() + OVERLOAD_SECONDS

    def client(_: int) -> list[Answer]:
        answers = []
        while time.monotonic() < until:
            answers.append(served.ask(picture))
            if answers[-1][0] != 200:
                time.sleep(0.2)
        return answers

    with ThreadPoolExecutor(clients) as pool:
        return [answer for answers in pool.map(client, range(clients)) for answer in answers]


def _slow_clients(served: Scorer, picture: bytes) -> None:
    alone = [_scored(served, picture) for _ in range(20)]
    stop = threading.Event()
    crawling = [threading.Thread(target=_crawl, args=(served, stop)) for _ in range(SLOW_CLIENTS)]
    for thread in crawling:
        thread.start()
    beside = [_scored(served, picture) for _ in range(20)]
    stop.set()
    for thread in crawling:
        thread.join()
    print(
        f"{SLOW_CLIENTS} clients that send a byte a second: "
        f"others' p50 {_ms(beside, 50)}, {_ms(alone, 50)} without them"
    )


def _crawl(served: Scorer, stop: threading.Event) -> None:
    host, port = served.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(b"POST /api/v1/score HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n")
        connection.sendall(
            b"Content-Type: multipart/form-data; boundary=b\r\nAuthorization: Bearer "
            + served.key.encode()
            + b"\r\n\r\n"
        )
        while not stop.wait(1):
            connection.sendall(b"-")


def _memory(served: Scorer, pictures: Sequence[bytes], requests: int) -> None:
    """Send a face, no face, a damaged file and no picture in turn: each leaves by another way."""
    from scoring.network import cpu_cores

    print(f"memory at the start: {served.megabytes():.0f} MB")
    part = requests // MEMORY_LINES
    with ThreadPoolExecutor(cpu_cores.share()) as pool:
        for line in range(MEMORY_LINES):
            sent = islice(cycle(pictures), part)
            statuses = Counter(status for status, _ in pool.map(served.ask, sent))
            print(f"  after {(line + 1) * part:,} requests: {served.megabytes():.0f} MB {dict(statuses)}", flush=True)


def _publish() -> str:
    from sklearn.neural_network import MLPRegressor

    from scoring.models import Scope
    from scoring.regressor import recipes, regressors
    from scoring.regressor.pipeline import FittedRegressor
    from scoring.regressor.score_scale import Scale
    from scoring.service import tokens
    from training.fitting import estimators

    rng = np.random.default_rng(1)
    rows, grades = rng.normal(size=(200, 2048)).astype(np.float32), rng.uniform(1, 5, 200).astype(np.float32)
    layers = (1024, 512, 256)
    estimator = MLPRegressor(hidden_layer_sizes=layers, random_state=1, tol=1e6, n_iter_no_change=2).fit(rows, grades)
    fitted = FittedRegressor(recipes.ms2019(), estimators.network(estimator), Scale.of_steps(5))
    row = regressors.save(fitted, study="benchmark", provenance={})
    regressors.publish(row)
    _, key = tokens.make(name="benchmark", study="benchmark", made_by=None, scopes=(Scope.SCORE,), per_minute=10**6)
    return key


def _jpeg(size: tuple[int, int], *, picture: Image.Image | None = None) -> bytes:
    picture = picture or Image.open(PHOTOGRAPH).convert("RGB")
    pixels = cv2.resize(np.asarray(picture), size, interpolation=cv2.INTER_CUBIC)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


def _scored(served: Scorer, picture: bytes) -> float:
    status, seconds = served.ask(picture)
    if status != 200:
        sys.exit(f"The scorer answered {status}.")
    return seconds


def _seconds(act: Callable[[], None]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def _ms(seconds: Sequence[float], percentile: int) -> str:
    return f"{1000 * float(np.percentile(seconds, percentile)):.0f} ms" if seconds else "none"


def _cpu_seconds(pid: str) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident(pid: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1000


if __name__ == "__main__":
    main()
