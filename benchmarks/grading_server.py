"""How fast the server takes a grade and gives the next image, beside Label Studio, on this machine in one run.

    python -m benchmarks.grading_server [--rounds 3] [--acts 60] [--tasks 1000]

Both are signed in to with a session cookie, as a browser is; both are served by gunicorn with the same processes and
threads and stand on the same PostgreSQL; they take turns. One act is: submit a grade, then ask for the next image.
"""

import argparse
import http.client
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

import numpy as np

from benchmarks import label_studio, stage

PASSWORD = "a password of this benchmark alone"  # noqa: S105
READERS = 8  # at once
WARM_UP = 5  # acts that are not measured


class Session:
    """A browser's session: one kept connection, its cookies, and the CSRF token that goes with them."""

    def __init__(self, address: str, csrf_cookie: str) -> None:
        self.address, self.csrf_cookie = address, csrf_cookie
        self.connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
        self.cookies: SimpleCookie = SimpleCookie()

    def get(self, path: str) -> bytes:
        return self._send("GET", path, None, {})

    def post(self, path: str, fields: dict[str, Any]) -> bytes:
        return self._send("POST", path, urlencode(fields), {"Content-Type": "application/x-www-form-urlencoded"})

    def post_json(self, path: str, text: str) -> bytes:
        return self._send("POST", path, text, {"Content-Type": "application/json"})

    def _send(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> bytes:
        cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in self.cookies.items())
        token = self.cookies[self.csrf_cookie].value if self.csrf_cookie in self.cookies else ""
        headers |= {"Cookie": cookies, "X-CSRFToken": token, "Referer": self.address, "Accept": "application/json"}
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                self.cookies.load(value)
        content = answer.read()
        if answer.status >= 400:
            sys.exit(f"{method} {path} was answered with {answer.status}: {content[:500]!r}")
        return content


class Reader(Protocol):
    """Somebody signed in, with an image before them."""

    def submit(self, grade: int) -> None: ...
    def next(self) -> None: ...


class OurReader:
    """A reader of our page."""

    def __init__(self, address: str, number: int) -> None:
        self.session = Session(address, csrf_cookie="csrf")
        self.session.get("/accounts/login/")
        self.session.post("/accounts/login/", {"login": f"reader{number}", "password": PASSWORD})
        self._take("/read/benchmark/queue/")

    def submit(self, grade: int) -> None:
        fields = {"submission": uuid4(), "version": self.card["version"], "grade": grade, "visible_ms": 900}
        self.session.post(self.card["label"], fields)

    def next(self) -> None:
        self._take(f"/read/benchmark/queue/?after={self.card['id']}")

    def _take(self, path: str) -> None:
        self.card = json.loads(self.session.get(path))["upcoming"][0]


class LabelStudioReader:
    """An annotator of Label Studio."""

    def __init__(self, address: str, number: int, project: int) -> None:
        self.session = sign_in_to_label_studio(address, number)
        self.project = project
        self.next()

    def submit(self, grade: int) -> None:
        choice = {"from_name": "grade", "to_name": "image", "type": "choices", "value": {"choices": [str(grade)]}}
        body = json.dumps({"result": [choice], "lead_time": 0.9})
        self.session.post_json(f"/api/tasks/{self.task}/annotations/?project={self.project}", body)

    def next(self) -> None:
        self.task = json.loads(self.session.get(f"/api/projects/{self.project}/next"))["id"]


def sign_in_to_label_studio(address: str, number: int) -> Session:
    session = Session(address, csrf_cookie="csrftoken")
    session.get("/user/login/")
    session.post("/user/login/", {"email": f"reader{number}@example.org", "password": PASSWORD})
    return session


@dataclass
class Measured:
    """What one system did, by the number of readers at once."""

    submits: list[float] = field(default_factory=list)  # ms
    nexts: list[float] = field(default_factory=list)  # ms
    rates: list[float] = field(default_factory=list)  # labels per second, one a round

    def add(self, times: list[tuple[float, float]], seconds: float) -> None:
        self.submits += [submit for submit, _ in times]
        self.nexts += [following for _, following in times]
        self.rates.append(len(times) / seconds)

    def quantile(self, what: str, percent: int) -> float:
        values = {
            "submit": self.submits,
            "next": self.nexts,
            "both": [sum(pair) for pair in zip(self.submits, self.nexts, strict=True)],
        }[what]
        return float(np.percentile(values, percent))

    @property
    def rate(self) -> float:
        return float(np.median(self.rates))


def main() -> None:
    options = _options()
    results = {(name, readers): Measured() for readers in (1, READERS) for name in ("ours", "Label Studio")}
    python = label_studio.install(options.label_studio)
    with stage.installation() as folder:
        _make_study(options.tasks)
        theirs = label_studio.site(python, folder / "theirs.log", readers=READERS, password=PASSWORD)
        with stage.site(folder / "ours.log") as address, theirs as their_address:
            project = _make_project(their_address, options.tasks)
            ours = [OurReader(address, number) for number in range(READERS)]
            others = [LabelStudioReader(their_address, number, project) for number in range(READERS)]
            for _ in range(options.rounds):
                for (name, readers), measured in results.items():
                    people: list[Any] = ours if name == "ours" else others
                    _round(people[:readers], options.acts, measured)
    _print(results, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--acts", type=int, default=60, help="by all readers together, in each round of each kind")
    parser.add_argument("--tasks", type=int, default=1000, help="images that everybody has to grade")
    default = stage.REPOSITORY / "var" / "benchmarks" / "label-studio"
    parser.add_argument("--label-studio", type=Path, default=default, help="where it is, or will be installed")
    return parser.parse_args()


def _make_study(images: int) -> None:
    """Make a study in which every reader has the same images (and one more) to grade; nobody fetches their files."""
    from labeler import folds, golden, studies
    from labeler.models import Image, Study, User

    study = studies.create(slug="benchmark", title="Benchmark", is_simulated=True)
    for number in range(READERS):
        studies.add_reader(study=study, user=User.objects.create_user(username=f"reader{number}", password=PASSWORD))
    Image.objects.bulk_create(
        Image(study=study, content_hash=f"{n:064x}", source_name=f"{n}.jpg", original="", width=1200, height=1600)
        for n in range(images + READERS)
    )
    golden.draw(study=study, size=images)
    folds.deal(study=Study.objects.get())


def _make_project(address: str, tasks: int) -> int:
    admin = sign_in_to_label_studio(address, 0)
    project = {"title": "Benchmark", "label_config": label_studio.CONFIG, "maximum_annotations": READERS}
    number = int(json.loads(admin.post_json("/api/projects/", json.dumps(project)))["id"])
    admin.post_json(f"/api/projects/{number}/import", label_studio.tasks(tasks))
    return number


def _round(readers: list[Reader], acts: int, measured: Measured) -> None:
    for reader in readers:
        for _ in range(WARM_UP):
            _act(reader)

    def work(reader: Reader) -> list[tuple[float, float]]:
        return [_act(reader) for _ in range(acts // len(readers))]

    started = time.perf_counter()
    with ThreadPoolExecutor(len(readers)) as pool:
        times = [pair for pairs in pool.map(work, readers) for pair in pairs]
    measured.add(times, time.perf_counter() - started)


def _act(reader: Reader) -> tuple[float, float]:
    """Submit, then ask for the next; return how long each took, in milliseconds."""
    begun = time.perf_counter()
    reader.submit(3)
    submitted = time.perf_counter()
    reader.next()
    return 1000 * (submitted - begun), 1000 * (time.perf_counter() - submitted)


def _print(results: dict[tuple[str, int], Measured], options: argparse.Namespace) -> None:
    print(f"{options.tasks} images, {options.rounds} rounds in turn, {options.acts} acts a round; milliseconds\n")
    print(f"{'':<24}{'labels/s':>9}{'submit p50':>12}{'p99':>7}{'next p50':>10}{'p99':>7}{'both p50':>10}{'p99':>7}")
    for (name, readers), found in results.items():
        times = "".join(
            f"{found.quantile(what, 50):>{width}.1f}{found.quantile(what, 99):>7.1f}"
            for what, width in (("submit", 12), ("next", 10), ("both", 10))
        )
        print(f"{name + ', ' + str(readers) + ' at once':<24}{found.rate:>9.1f}{times}")
    for readers in (1, READERS):
        ours, theirs = results["ours", readers], results["Label Studio", readers]
        print(
            f"\n{readers} at once: {ours.rate / theirs.rate:.1f} times the labels per second; "
            f"p99 of both {theirs.quantile('both', 99) / ours.quantile('both', 99):.1f} times as fast"
        )


if __name__ == "__main__":
    main()
