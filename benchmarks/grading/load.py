"""Hundreds of readers at once: what the server takes for each request, beside Label Studio, and what overload does.

    python -m benchmarks.grading.load [--readers 200] [--fewer 20] [--seconds 60] [--rounds 2] [--think 2.5]
        [--times 4 16]

Locust's readers (crowd.py) are a process of its own on the same machine. Ours and Label Studio's are served by gunicorn
with the processes and threads of `manage.py serve`, stand on the same PostgreSQL, and take turns. Server time is from
gunicorn's access log, of both alike; "seen" is what the readers' process measured, on the same cores. Every grade that
was acknowledged is looked for in the database. All labels are SIMULATED.
"""

import argparse
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import stage
from benchmarks.grading import label_studio, next_image
from benchmarks.grading.saving import PASSWORD, sign_in_to_label_studio

if TYPE_CHECKING:
    from labeler.models import Study, User

SLUG = "load"
FILES = 6  # photographs that are really there; the study's other images share their renditions
WARM_UP = 10.0  # seconds: everybody fetches their first images
ACCESS = ("--access-logformat", "%(m)s %(s)s %(D)s %(U)s")
# What a line of the access log was.
KINDS = {
    "submit": re.compile(r"POST .*/(label|undo|annotations)/"),
    "image": re.compile(r"GET (/read/.*/image/|/data/upload/.*)"),
    "queue": re.compile(r"GET .*/(queue/|next)"),
}


@dataclass
class Round:
    """What one crowd met, and the machine's load average before it came."""

    load: float
    found: dict[str, Any]
    server: dict[str, list[float]] = field(default_factory=lambda: {kind: [] for kind in KINDS})  # ms of each answer

    def seen(self, kind: str) -> list[float]:
        """Return the ms that readers waited for what they got."""
        return [ms for what, status, ms in self.found["requests"] if what == kind and 200 <= status < 300]

    def statuses(self, kind: str) -> Counter[int]:
        return Counter(status for what, status, _ in self.found["requests"] if what == kind)

    @property
    def saved(self) -> float:
        return len(self.seen("submit")) / float(self.found["seconds"])

    @property
    def worked(self) -> float:
        """Return the ms of a processor that site and database took for each grade, with its image and all else."""
        return 1000 * float(self.found["worked"]) / max(1, len(self.seen("submit")))

    @property
    def requests(self) -> float:
        return len(self.found["requests"]) / float(self.found["seconds"])


class Site:
    """A system under load: where it is, its access log, and who is signed in."""

    def __init__(self, name: str, address: str, access: Path, people: list[dict[str, str]], **plan: Any) -> None:
        self.name, self.access, self.people = name, access, people
        self.plan = {"system": name, "host": address} | plan
        self.acknowledged: list[tuple[str, str, int | None]] = []
        self.rounds = 0

    def meet(self, readers: int, *, warm_up: float = WARM_UP, **plan: float) -> Round:
        """Let so many readers grade, for `seconds` after the warm-up, at a pace of `think` seconds an image."""
        load, _, _ = os.getloadavg()
        self.rounds += 1
        plan |= {"seed": self.rounds, "warm_up": warm_up}
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(self.plan | plan | {"people": self.people[:readers]}, file)
            file.flush()
            found, lines = self._run(file.name)
        self.acknowledged += [(submission, image, grade) for submission, image, grade in found["acknowledged"]]
        return _round(load, found, lines)

    def _run(self, plan: str) -> tuple[dict[str, Any], list[str]]:
        """Run the crowd; return what it found, and the access log of the time that counts."""
        command = [sys.executable, "-m", "benchmarks.grading.crowd", plan]
        at, worked, answer = {"measuring": 0, "over": 0}, list[float](), ""
        with subprocess.Popen(command, cwd=stage.REPOSITORY, stdout=subprocess.PIPE, text=True) as crowd:
            for answer in crowd.stdout or ():
                if answer.strip() in at:
                    at[answer.strip()] = self.access.stat().st_size
                    worked.append(stage.worked(without=crowd.pid))
        if crowd.returncode:
            sys.exit("The readers' process broke; what it said is above.")
        with self.access.open("rb") as log:
            log.seek(at["measuring"])
            lines = log.read(at["over"] - at["measuring"]).decode().splitlines()
        return json.loads(answer) | {"worked": worked[1] - worked[0]}, lines


def _round(load: float, found: dict[str, Any], lines: list[str]) -> Round:
    result = Round(load, found)
    for method, status, microseconds, path in (line.split(" ", 3) for line in lines if line.count(" ") >= 3):
        for kind, pattern in KINDS.items():
            if pattern.fullmatch(f"{method} {path}") and int(status) < 400:
                result.server[kind].append(int(microseconds) / 1000)
    return result


def main() -> None:
    options = _options()
    with stage.installation() as folder, our_site(folder, options.most, options.images) as ours:
        if options.alone:
            _compare([ours], options)
        else:
            with their_site(folder, options) as theirs:
                _compare([ours, theirs], options)
        of_all = {"seconds": options.seconds, "warm_up": options.warm_up}
        for times in options.times:
            readers = times * options.readers
            _print(f"ours, {readers} readers", [ours.meet(readers, think=options.think, **of_all)])
        if options.times:
            met = ours.meet(options.readers, think=0, **of_all)
            _print(f"ours, {options.readers} readers who never pause", [met])
        lost = count_lost(ours)
    print(f"\nacknowledged by us: {len(ours.acknowledged):,} (SIMULATED); lost, doubled or changed: {lost}")
    if lost:
        sys.exit(1)


def _compare(systems: list[Site], options: argparse.Namespace) -> None:
    """Let the systems take turns."""
    results: dict[tuple[int, str], list[Round]] = {}
    for _ in range(options.rounds):
        for readers in sorted({options.fewer, options.readers}):
            for system in systems:
                met = system.meet(readers, seconds=options.seconds, warm_up=options.warm_up, think=options.think)
                results.setdefault((readers, system.name), []).append(met)
                print(f"{system.name}, {readers} readers: {met.saved:.1f} saved/s", file=sys.stderr, flush=True)
    for (readers, name), rounds in sorted(results.items()):
        _print(f"{name}, {readers} readers", rounds)


@contextmanager
def our_site(folder: Path, readers: int, images: int) -> Iterator[Site]:
    """Serve a study in which all readers have the same images to grade."""
    people = make_study(readers, images)
    access = folder / "ours-access.log"
    with stage.site(folder / "ours.log", "--access-logfile", str(access), *ACCESS) as address:
        yield Site("ours", address, access, people, read=f"/read/{SLUG}/")


def make_study(readers: int, images: int) -> list[dict[str, str]]:
    """Make it, and return the headers of each reader's browser."""
    from django.contrib.auth.hashers import make_password

    from labeler.dealing import folds
    from labeler.golden_set import golden_draw
    from labeler.intake import importing
    from labeler.models import Study, User
    from labeler.studies import studies

    study = studies.create(slug=SLUG, title="Load", is_simulated=True, seed=2019)
    password = make_password(PASSWORD)  # once: it is slow on purpose
    users = [User(username=f"reader{number}", password=password) for number in range(readers)]
    for user in User.objects.bulk_create(users):
        studies.add_reader(study=study, user=user)
    with tempfile.TemporaryDirectory() as photographs:
        for number, data in enumerate(next_image.photographs(FILES)):
            (Path(photographs) / f"{number}.jpg").write_bytes(data)
        importing.import_folder(study=study, folder=Path(photographs))
    _copy(study, images + readers - FILES)
    golden_draw.draw(study=study, size=images)
    folds.deal(study=Study.objects.get())
    return [_headers(user) for user in users]


def _copy(study: "Study", count: int) -> None:
    """Add images that share the files of those that the study has."""
    from labeler.models import Image

    files = list(study.images.values("original", "rendition", "width", "height"))
    Image.objects.bulk_create(
        Image(study=study, content_hash=f"{number:064x}", source_name=f"{number}.jpg", **files[number % len(files)])
        for number in range(count)
    )


def _headers(user: "User") -> dict[str, str]:
    """Sign a reader in without their password, which would take minutes for hundreds of them."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    from labeler.accounts import sessions

    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    sessions.begin(session, user)
    session.save()
    token = secrets.token_hex(16)  # any 32 characters, the same in cookie and header
    cookies = f"{settings.SESSION_COOKIE_NAME}={session.session_key}; {settings.CSRF_COOKIE_NAME}={token}"
    return {"Cookie": cookies, "X-CSRFToken": token}


@contextmanager
def their_site(folder: Path, options: argparse.Namespace) -> Iterator[Site]:
    """Serve a project of Label Studio with as many tasks, whose images it serves too."""
    python = label_studio.install(options.label_studio)
    access = folder / "theirs-access.log"
    log = ("--access-logfile", str(access), *ACCESS)
    served = label_studio.site(python, folder / "theirs.log", *log, readers=options.readers, password=PASSWORD)
    with served as address:
        cookies = json.loads((folder / label_studio.COOKIES).read_text())
        token = secrets.token_hex(16)
        people = [{"Cookie": f"{cookie}; csrftoken={token}", "X-CSRFToken": token} for cookie in cookies]
        admin = sign_in_to_label_studio(address, 0)
        project = label_studio.make_project(admin, readers=options.readers, tasks=options.images, pictures=_pictures())
        yield Site("Label Studio", address, access, people, project=project)


def _pictures() -> list[bytes]:
    """Return what a reader of ours gets of each file."""
    from django.core.files.storage import default_storage

    from labeler.images import renditions
    from labeler.models import Image

    names = Image.objects.order_by("rendition").values_list("rendition", flat=True).distinct()
    return [default_storage.open(renditions.storage_name(name, renditions.FULL)).read() for name in names]


def count_lost(ours: Site) -> int:
    """Count what was acknowledged and is not in the database, once, with its image and grade."""
    from labeler.models import Label

    rows = Label.objects.values_list("submission", "assignment__public_id", "grade")
    stored = Counter((str(submission), str(image), grade) for submission, image, grade in rows)
    return sum(stored[act] != 1 for act in ours.acknowledged)


def _print(title: str, rounds: list[Round]) -> None:
    saved, asked, worked = (
        np.median([getattr(one, name) for one in rounds]) for name in ("saved", "requests", "worked")
    )
    loads = ", ".join(f"{one.load:.1f}" for one in rounds)
    print(f"\n{title}: {saved:.1f} saved/s, {asked:.0f} requests/s; load average before: {loads}")
    print(f"a grade and its image took {worked:.1f} ms of a processor, in site and database together")
    print(f"{'':<12}{'asked':>8}{'503':>7}{'failed':>8}   {'server, ms: p50, 95, 99':>28}{'seen, ms: p50, 95, 99':>28}")
    for kind in KINDS:
        statuses = sum((one.statuses(kind) for one in rounds), Counter[int]())
        failed = sum(count for status, count in statuses.items() if not 200 <= status < 500 and status != 503)
        server = _quantiles([ms for one in rounds for ms in one.server[kind]])
        seen = _quantiles([ms for one in rounds for ms in one.seen(kind)])
        print(f"{kind:<12}{statuses.total():>8}{statuses[503]:>7}{failed:>8}   {server:>28}{seen:>28}")
    waits = _quantiles([ms for one in rounds for ms in one.found["waits"]])
    print(f"{'next image':<12}{'':>26}{'':>28}{waits:>28}")
    refused = Counter(status for one in rounds for status in one.found["refused"])
    unsettled = sum(one.found["unsettled"] for one in rounds)
    print(f"refused: {dict(refused) or 'none'}; still in outboxes two minutes after the end: {unsettled}")


def _quantiles(milliseconds: list[float]) -> str:
    if not milliseconds:
        return "none"
    return "  ".join(f"{value:.0f}" for value in np.percentile(milliseconds, (50, 95, 99)))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, default=200)
    parser.add_argument("--fewer", type=int, default=20, help="how many readers, in rounds that both systems bear")
    parser.add_argument("--seconds", type=float, default=60, help="of each round, after its warm-up")
    parser.add_argument("--warm-up", type=float, default=WARM_UP, help="seconds before that, which do not count")
    parser.add_argument("--rounds", type=int, default=2, help="in which the systems take turns")
    parser.add_argument("--think", type=float, default=2.5, help="seconds that a reader looks at an image, on average")
    parser.add_argument("--times", type=int, nargs="*", default=[4, 16], help="overload: as many times the readers")
    parser.add_argument("--images", type=int, default=300, help="on each reader's list")
    parser.add_argument("--alone", action="store_true", help="without Label Studio")
    default = stage.REPOSITORY / "var" / "benchmarks" / "label-studio"
    parser.add_argument("--label-studio", type=Path, default=default, help="where it is, or will be installed")
    options = parser.parse_args()
    options.most = max([1, *options.times]) * options.readers
    return options


if __name__ == "__main__":
    main()
