"""How fast the server takes a grade and gives the next image, beside Label Studio, on this machine in one run.

    python -m benchmarks.grading.saving [--rounds 3] [--acts 120] [--tasks 1000]

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
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

import numpy as np
from urllib3 import encode_multipart_formdata

from benchmarks import stage
from benchmarks.grading import label_studio

PASSWORD = "a password of this benchmark alone"  # noqa: S105
READERS = 8  # at once
WARM_UP = 20  # acts that are not measured: every thread opens its connection to the database


class Session:
    """A browser's session: one kept connection, its cookies, and the CSRF token that goes with them."""

    def __init__(self, address: str, csrf_cookie: str, *, patience: float = 60, origin: str = "127.0.0.1") -> None:
        self.address, self.csrf_cookie = address, csrf_cookie
        netloc = urlsplit(address).netloc
        self.connection = http.client.HTTPConnection(netloc, timeout=patience, source_address=(origin, 0))
        self.cookies: SimpleCookie = SimpleCookie()

    def get(self, path: str) -> bytes:
        return self._send("GET", path, None, {})

    def post(self, path: str, fields: dict[str, Any]) -> bytes:
        return self._send("POST", path, urlencode(fields), {"Content-Type": "application/x-www-form-urlencoded"})

    def post_json(self, path: str, text: str) -> bytes:
        return self._send("POST", path, text, {"Content-Type": "application/json"})

    def post_files(self, path: str, files: dict[str, bytes]) -> bytes:
        body, kind = encode_multipart_formdata({name: (name, data) for name, data in files.items()})
        return self._send("POST", path, body, {"Content-Type": kind})

    def headers(self) -> dict[str, str]:
        """Return what the browser sends along with every request."""
        cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in self.cookies.items())
        token = self.cookies[self.csrf_cookie].value if self.csrf_cookie in self.cookies else ""
        return {"Cookie": cookies, "X-CSRFToken": token, "Referer": self.address, "Accept": "application/json"}

    def _send(self, method: str, path: str, body: str | bytes | None, headers: dict[str, str]) -> bytes:
        status, content = self.ask(method, path, body, headers)
        if status >= 400:
            sys.exit(f"{method} {path} was answered with {status}: {content[:500]!r}")
        return content

    def ask(self, method: str, path: str, body: str | bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
        """Return status and content, whatever they are. After an OSError or HTTPException it connects anew."""
        try:
            self.connection.request(method, path, body, headers | self.headers())
            answer = self.connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            raise
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                self.cookies.load(value)
        return answer.status, content


class Reader(Protocol):
    """Somebody signed in, with an image before them."""

    def act(self) -> None:
        """Submit a grade and get the next image."""


class OurReader:
    """A reader of our page: the answer to a grade brings the next image along."""

    def __init__(self, address: str, number: int) -> None:
        self.session = Session(address, csrf_cookie="csrf")
        self.session.get("/accounts/login/")
        self.session.post("/accounts/login/", {"login": f"reader{number}", "password": PASSWORD})
        self.cards = json.loads(self.session.get("/read/benchmark/queue/"))["upcoming"]

    def act(self) -> None:
        card = self.cards.pop(0)
        fields = {"submission": uuid4(), "version": card["version"], "grade": 3, "visible_ms": 900}
        answer = self.session.post(card["label"], fields | {"after": self.cards[-1]["id"]})
        self.cards += json.loads(answer)["upcoming"]


class LabelStudioReader:
    """An annotator of Label Studio, which asks for the next task by itself."""

    def __init__(self, address: str, number: int, project: int) -> None:
        self.session = sign_in_to_label_studio(address, number)
        self.project = project
        self._next()

    def act(self) -> None:
        choice = {"from_name": "grade", "to_name": "image", "type": "choices", "value": {"choices": ["3"]}}
        body = json.dumps({"result": [choice], "lead_time": 0.9})
        self.session.post_json(f"/api/tasks/{self.task}/annotations/?project={self.project}", body)
        self._next()

    def _next(self) -> None:
        self.task = json.loads(self.session.get(f"/api/projects/{self.project}/next"))["id"]


def sign_in_to_label_studio(address: str, number: int) -> Session:
    session = Session(address, csrf_cookie="csrftoken")
    session.get("/user/login/")
    session.post("/user/login/", {"email": f"reader{number}@example.org", "password": PASSWORD})
    return session


@dataclass
class Measured:
    """What one system did with so many readers at once."""

    acts: list[float] = field(default_factory=list)  # ms
    rates: list[float] = field(default_factory=list)  # labels per second, one a round

    @property
    def rate(self) -> float:
        return float(np.median(self.rates))

    def quantile(self, percent: int) -> float:
        return float(np.percentile(self.acts, percent))


def main() -> None:
    options = _options()
    results = {(name, readers): Measured() for readers in (1, READERS) for name in ("ours", "Label Studio")}
    python = label_studio.install(options.label_studio)
    with stage.installation() as folder:
        _make_study(options.tasks)
        theirs = label_studio.site(python, folder / "theirs.log", readers=READERS, password=PASSWORD)
        with stage.site(folder / "ours.log") as address, theirs as their_address:
            admin = sign_in_to_label_studio(their_address, 0)
            project = label_studio.make_project(admin, readers=READERS, tasks=options.tasks)
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
    parser.add_argument("--acts", type=int, default=120, help="by all readers together, in each round of each kind")
    parser.add_argument("--tasks", type=int, default=1000, help="images that everybody has to grade")
    default = stage.REPOSITORY / "var" / "benchmarks" / "label-studio"
    parser.add_argument("--label-studio", type=Path, default=default, help="where it is, or will be installed")
    return parser.parse_args()


def _make_study(images: int) -> None:
    """Make a study in which every reader has the same images (and one more) to grade; nobody fetches their files."""
    from labeler.dealing import folds
    from labeler.golden_set import golden_draw
    from labeler.models import Image, Study, User
    from labeler.studies import studies

    study = studies.create(slug="benchmark", title="Benchmark", is_simulated=True, seed=2019)
    for number in range(READERS):
        studies.add_reader(study=study, user=User.objects.create_user(username=f"reader{number}", password=PASSWORD))
    Image.objects.bulk_create(
        Image(study=study, content_hash=f"{n:064x}", source_name=f"{n}.jpg", original="", width=1200, height=1600)
        for n in range(images + READERS)
    )
    golden_draw.draw(study=study, size=images)
    folds.deal(study=Study.objects.get())


def _round(readers: list[Reader], acts: int, measured: Measured) -> None:
    for reader in readers:
        _acts(reader, WARM_UP)
    started = time.perf_counter()
    with ThreadPoolExecutor(len(readers)) as pool:
        times = list(pool.map(_acts, readers, [acts // len(readers)] * len(readers)))
    measured.rates.append(sum(map(len, times)) / (time.perf_counter() - started))
    measured.acts += [milliseconds for of_reader in times for milliseconds in of_reader]


def _acts(reader: Reader, count: int) -> list[float]:
    """Submit and get the next, `count` times; return how long each took, in milliseconds."""
    clock = [time.perf_counter()]
    for _ in range(count):
        reader.act()
        clock.append(time.perf_counter())
    return [1000 * (end - begin) for begin, end in pairwise(clock)]


def _print(results: dict[tuple[str, int], Measured], options: argparse.Namespace) -> None:
    print(f"{options.tasks} images, {options.rounds} rounds in turn, {options.acts} acts a round\n")
    print(f"{'':<26}{'labels/s':>10}{'submit + next, ms: p50':>26}{'p99':>8}")
    for (name, readers), found in results.items():
        title = f"{name}, {readers} at once"
        print(f"{title:<26}{found.rate:>10.1f}{found.quantile(50):>26.1f}{found.quantile(99):>8.1f}")
    for readers in (1, READERS):
        ours, theirs = results["ours", readers], results["Label Studio", readers]
        rate, p99 = ours.rate / theirs.rate, theirs.quantile(99) / ours.quantile(99)
        print(f"\n{readers} at once: {rate:.1f} times the labels per second, a p99 {p99:.1f} times shorter")


if __name__ == "__main__":
    main()
