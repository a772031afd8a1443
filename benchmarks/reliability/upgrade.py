"""An upgrade under readers: they grade on the release before while this version migrates and takes its place.

    python -m benchmarks.reliability.upgrade [--from REVISION] [--readers 4] [--think 0] [--labels 400]

The old code is taken out of git as it was, makes its own tables and study, and serves. Scripted readers grade over HTTP
through a proxy. Then this version's `manage.py migrate` runs beside the old web; the old web goes on with the new
tables; a new web takes its place. At the end the database is held against what every reader was told. All labels are
SIMULATED.
"""

import argparse
import os
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import stage
from benchmarks.grading.saving import PASSWORD
from benchmarks.reliability import verdict
from benchmarks.reliability.harmed_stage import Proxy
from benchmarks.reliability.scripted_reader import Reader
from benchmarks.reliability.tally import Tally

if TYPE_CHECKING:
    from labeler.models import Study

SLUG = "upgrade"
GOLDEN = 20
# Both versions know it: what `manage.py serve` adds to it belongs to one of them.
WEB = ("--worker-class", "gthread", "--workers", "2", "--threads", "8", "--keep-alive", "60")
READERS_SECONDS = 120  # seconds until readers who get nothing saved count as stopped
PREVIOUS = stage.REPOSITORY / "deploy" / "previous-release.toml"
# What the old code does by its own means: these modules have stood there since 7c90a6f. Nobody fetches images' files.
FILL = f"""
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("collectstatic", interactive=False, verbosity=0)
from labeler.dealing import folds
from labeler.golden_set import golden_draw
from labeler.models import Image, Study, User
from labeler.studies import studies
study = studies.create(slug={SLUG!r}, title="Upgrade", is_simulated=True, seed=2019)
for number in range(READERS):
    studies.add_reader(study=study, user=User.objects.create_user(username=f"reader{{number}}", password={PASSWORD!r}))
Image.objects.bulk_create(
    Image(study=study, content_hash=f"{{n:064x}}", source_name=f"{{n}}.jpg", original="", width=1200, height=1600)
    for n in range(IMAGES)
)
golden_draw.draw(study=study, size={GOLDEN})
folds.deal(study=Study.objects.get())
"""
SEAL = """
from datetime import timedelta
from labeler.record import ledger
for _ in range(2):
    ledger.seal(settled=timedelta(0))
"""


@dataclass
class Step:
    """What readers saw meanwhile."""

    title: str
    saved: int
    longest_gap: float  # seconds without a saved grade


class Upgrade:
    """The two versions, and the readers at each step between them."""

    def __init__(self, folder: Path, revision: str, *, readers: int, think: float) -> None:
        self.folder, self.old, self.readers_wanted, self.think = folder, folder / "old", readers, think
        self.tally, self.steps, self.lists = Tally(), list[Step](), ""
        _take_out(revision, self.old)

    def run(self, labels: int) -> None:
        images = self.readers_wanted * max(400, 12 * labels)  # more than readers can grade in the meantime
        fill = FILL.replace("READERS", str(self.readers_wanted)).replace("IMAGES", str(images))
        self.manage(self.old, "shell", "-c", fill)
        with ExitStack() as new:
            with self.web(self.old) as address:
                proxy = Proxy(_port(address))
                readers = self.begin(proxy)
                self.grade("old code, old tables", labels)
                self.manage(self.old, "shell", "-c", SEAL)
                with self.step("while `migrate` ran"):
                    self.manage(stage.REPOSITORY, "migrate", "--verbosity", "0")
                self.grade("old code, new tables", labels)
                with self.step("while web was replaced"):
                    stage.begin_django()
                    self.lists = verdict.digest(_study())  # as the old code dealt them
                    proxy.port = _port(new.enter_context(self.web(stage.REPOSITORY)))
            self.grade("new code, new tables", labels)
            for reader in readers:
                reader.is_done.set()
            for reader in readers:
                reader.join()

    def begin(self, proxy: Proxy) -> list[Reader]:
        numbers = range(self.readers_wanted)
        readers = [
            Reader(proxy.address, SLUG, f"reader{number}", self.tally, (1, number), self.think) for number in numbers
        ]
        for reader in readers:
            reader.start()
        return readers

    def grade(self, title: str, labels: int) -> None:
        """Let readers go on until so many more grades are saved."""
        with self.step(title):
            before, deadline = len(self.tally.acknowledged), time.monotonic() + READERS_SECONDS
            while len(self.tally.acknowledged) < before + labels:
                if time.monotonic() > deadline:
                    sys.exit(f"{title}: readers got nothing saved any more. Refused: {dict(self.tally.refusals)}")
                time.sleep(0.05)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        before, self.tally.longest_gap = len(self.tally.acknowledged), 0.0
        yield
        self.steps.append(Step(title, len(self.tally.acknowledged) - before, self.tally.longest_gap))

    def web(self, code: Path) -> AbstractContextManager[str]:
        command = [sys.executable, "-m", "gunicorn", "labeler.wsgi", "--no-control-socket", *WEB]
        # A version is ready only on tables that are its own or newer: what answers here is the code that we mean.
        log, environment = self.folder / f"{code.name}.log", self.environment(code)
        return stage.served(command, log, at="/readyz", environment=environment, code=code)

    def manage(self, code: Path, *arguments: str) -> None:
        subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=code,
            env=self.environment(code),
            check=True,
            stdout=subprocess.DEVNULL if arguments[0] == "shell" else None,
        )

    def environment(self, code: Path) -> dict[str, str]:
        static = code / "static-files" if code == self.old else self.folder / "static"
        return os.environ | {"PYTHONPATH": str(code), "STATIC_ROOT": str(static), "LOG_LEVEL": "WARNING"}


def main() -> None:
    options = _options()
    with stage.servers() as folder:
        upgrade = Upgrade(folder, options.revision, readers=options.readers, think=options.think)
        upgrade.run(options.labels)
        found = _examine(upgrade)
    _print(upgrade, options.revision, found)
    if any(found.values()):
        sys.exit(1)


def _examine(upgrade: Upgrade) -> verdict.Found:
    """Hold the database against what readers did and were told."""
    photographs = {"": 0}  # nobody looks at one
    return {
        **verdict.of_labels(_study(), upgrade.tally, photographs),
        **verdict.of_study(_study(), golden_size=GOLDEN, repeats=0, lists=upgrade.lists),
        "refused": upgrade.tally.refusals.total(),
    }


def _study() -> "Study":
    from labeler.models import Study

    return Study.objects.get(slug=SLUG)


def _print(upgrade: Upgrade, revision: str, found: dict[str, int]) -> None:
    print(f"from {revision}, {upgrade.readers_wanted} scripted readers (SIMULATED)\n")
    print(f"{'':<26}{'grades saved':>14}{'longest time without one':>28}")
    for step in upgrade.steps:
        print(f"{step.title:<26}{step.saved:>14}{step.longest_gap:>26.1f} s")
    print(f"\nsent again: {upgrade.tally.sent_again}")
    for what, number in found.items():
        print(f"{what}: {number}")


def _take_out(revision: str, folder: Path) -> None:
    """Lay the code of a revision into a folder."""
    archive = folder.with_suffix(".tar")
    command = ["git", "-C", str(stage.REPOSITORY), "archive", "--output", str(archive), revision]
    if subprocess.run(command, check=False).returncode:
        sys.exit(f"git has no {revision} here. Fetch all history (git fetch --unshallow --tags), or name another.")
    folder.mkdir()
    subprocess.run(["tar", "--extract", "--file", str(archive), "--directory", str(folder)], check=True)


def _port(address: str) -> int:
    return int(address.rsplit(":", 1)[1])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    previous = tomllib.loads(PREVIOUS.read_text())["revision"]
    parser.add_argument("--from", dest="revision", default=previous, help="a tag or commit (%(default)s)")
    parser.add_argument("--readers", type=int, default=4)
    parser.add_argument("--think", type=float, default=0, help="seconds of a reader between two images")
    parser.add_argument("--labels", type=int, default=400, help="in each of the three states")
    return parser.parse_args()


if __name__ == "__main__":
    main()
