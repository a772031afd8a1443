"""Readers grade while everything they stand on is killed, paused and cut off: what is acknowledged must be kept, once.

    python -m benchmarks.reliability.faults [--submissions 100000] [--faults 200] [--readers 20] [--browsers 2]
        [--think 0] [--seed 1]

Web, both workers, beat, PostgreSQL and Valkey are real processes of this benchmark's own. Scripted readers speak the
page's protocol: a grade stays in an outbox, oldest first, until the server settles it, and is sent again under its id
otherwise. Beside them readers sit at real browsers with the real page. All reach the site through a proxy that delays,
cuts and withholds answers. Everything is drawn from the seed. At the end the database is held against what every
reader was told. Stopped by Ctrl-C or SIGTERM, it examines what it has so far. All labels are SIMULATED.
"""

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks import stage
from benchmarks.grading.saving import PASSWORD
from benchmarks.reliability import verdict
from benchmarks.reliability.harmed_stage import PAUSE, Proxy, Stage
from benchmarks.reliability.harmed_storage import Imports, SmallDisk
from benchmarks.reliability.scripted_reader import Reader
from benchmarks.reliability.tally import Tally
from benchmarks.reliability.wrong_clocks import OFFSETS

if TYPE_CHECKING:
    from benchmarks.reliability.page_readers import PageReaders
    from labeler.models import Image, Study

SLUG = "faults"
GOLDEN, REPEATS = 20, 5  # in every reader's list
PHOTOGRAPHS = 48  # that differ; every image of the study shows one of them
SPARE = 1.5  # lists are longer than they need to be: some readers are faster than others
BACK_WITHIN = 10.0  # seconds from a process's return to the first grade that is saved
GIVEN_UP = 10 * BACK_WITHIN

Steps = Sequence[Callable[[], None]]  # of a fault; after each, readers must be able to go on


class Harm:
    """The faults, one after the other and evenly over the submissions, and how long each kept readers waiting."""

    def __init__(self, kinds: dict[str, Steps], tally: Tally, seed: int) -> None:
        self.kinds, self.tally = kinds, tally
        self.chance = np.random.default_rng(seed)
        self.times, self.waits = Counter[str](), dict[str, float]()
        self.is_over = threading.Event()
        self.never_back = 0
        self.loads: list[float] = []

    def go_on(self, *, faults: int, submissions: int) -> None:
        """Do so many faults, until there are so many submissions too."""
        deck = self._deck()
        self._await_a_saved_grade()
        while not self.is_over.is_set():
            done, acknowledged = self.times.total(), len(self.tally.acknowledged)
            if done >= faults and acknowledged >= submissions:
                return
            if done >= faults or acknowledged < done * submissions // faults:
                time.sleep(0.1)
                continue
            self._do(next(deck))

    def _deck(self) -> Iterator[str]:
        """Yield the kinds in a drawn order, again and again: each as often as every other."""
        while True:
            yield from map(str, self.chance.permutation(sorted(self.kinds)))

    def _do(self, name: str) -> None:
        for step in self.kinds[name]:
            step()
            waited = self._await_a_saved_grade()
            self.waits[name] = max(self.waits.get(name, 0.0), waited)
        self.times[name] += 1
        self.loads.append(os.getloadavg()[0])
        so_far = f"{len(self.tally.acknowledged):,} grades, {self.times.total()} faults, load {self.loads[-1]:.1f}"
        print(f"{time.strftime('%H:%M:%S')} {so_far}: {name}, {waited:.1f} s", file=sys.stderr, flush=True)

    def _await_a_saved_grade(self) -> float:
        """Return the seconds until readers go on."""
        returned = time.monotonic()
        while self.tally.saved_at <= returned and not self.is_over.is_set():
            if time.monotonic() - returned > GIVEN_UP:
                self.never_back += 1
                self.is_over.set()
            time.sleep(0.02)
        return time.monotonic() - returned


def main() -> None:
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # until there is something to examine, just clean up
    with stage.installation() as folder, ExitStack() as stack:
        disk = SmallDisk(folder / "media")
        stack.callback(disk.stop)
        study, images = _make_study(options)
        imports, lists = Imports(), verdict.digest(study)
        theirs, tally = Stage(folder), Tally()
        stack.callback(theirs.stop)
        _await(theirs.is_ready)
        proxy = Proxy(theirs.port)
        harm = Harm(_kinds(theirs, proxy, disk, imports, options), tally, options.seed)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: harm.is_over.set())
        readers = _readers(proxy, tally, images, options)
        for reader in readers:
            reader.start()
        began = time.monotonic()
        harm.go_on(faults=options.faults, submissions=options.submissions)
        found = {"times that the service did not come back": harm.never_back}
        found |= _end(readers, study, imports, options)
        theirs.stop()
        found |= verdict.of_labels(study, tally, {image.rendition: n for n, image in enumerate(images)})
        found |= verdict.of_histories(study, tally)
        found |= verdict.of_study(study, golden_size=GOLDEN, repeats=REPEATS, lists=lists)
        _print(tally, harm, found, time.monotonic() - began, options)
    is_late = max(harm.waits.values(), default=0.0) > BACK_WITHIN and not options.beside
    if any(found.values()) or is_late:
        sys.exit(1)


def _kinds(
    theirs: Stage, proxy: Proxy, disk: SmallDisk, imports: Imports, options: argparse.Namespace
) -> dict[str, Steps]:
    kinds: dict[str, Steps] = {
        **_of_connections(theirs, proxy),
        "PostgreSQL killed": [theirs.kill_postgresql],
        "PostgreSQL paused": [theirs.pause_postgresql],
        "Valkey killed": [theirs.kill_valkey],
        "Valkey paused": [theirs.pause_valkey],
        "Valkey wiped": [theirs.wipe_valkey],
    }
    for name in theirs.processes:
        kinds[f"{name} killed"] = [partial(theirs.kill, name)]
        kinds[f"{name} paused"] = [partial(theirs.pause, name)]
    storage, clocks = _of_storage(disk, imports), _of_clocks(theirs, np.random.default_rng(options.seed + 1))
    if unknown := set(options.kinds) - {*kinds, *storage, *clocks}:
        sys.exit(f"There is no fault {', '.join(sorted(unknown))}. There are: {', '.join(kinds | storage | clocks)}.")
    if disk.is_there:
        kinds |= storage
    else:
        print(f"Left out, as no small disk can be mounted here: full and read-only storage ({disk.why_not}).")
    if theirs.clocks.are_there():
        kinds |= clocks
    else:
        print("Left out, as libfaketime does not work here (requirements/dev.in): wrong clocks.")
    return {name: steps for name, steps in kinds.items() if not options.kinds or name in options.kinds}


def _of_connections(theirs: Stage, proxy: Proxy) -> dict[str, Steps]:
    def mode(name: str) -> None:
        proxy.mode = name
        time.sleep(PAUSE)
        proxy.mode = "open"

    return {
        "connections cut": [proxy.cut],
        "connections delayed": [partial(mode, "delayed")],
        "answers swallowed": [partial(mode, "swallowing")],
        "PostgreSQL cut off": [theirs.cut_off_postgresql],
        "Valkey cut off": [theirs.cut_off_valkey],
    }


def _of_storage(disk: SmallDisk, imports: Imports) -> dict[str, Steps]:
    def harm(harm: Callable[[], None]) -> None:
        imports.begin()
        harm()
        time.sleep(PAUSE)

    return {
        "storage full": [partial(harm, disk.fill), disk.empty],
        "storage read-only": [partial(harm, disk.forbid_writing), disk.allow_writing],
    }


def _of_clocks(theirs: Stage, chance: np.random.Generator) -> dict[str, Steps]:
    """Each comes back with a wrong clock and, when readers have gone on for a while, with the right one."""

    def start(kill: Callable[..., None]) -> None:
        kill(wrong_by=int(chance.choice(list(OFFSETS.values()))))

    def put_right(kill: Callable[..., None]) -> None:
        time.sleep(PAUSE)
        kill()

    kills: dict[str, Callable[..., None]] = {name: partial(theirs.kill, name) for name in ("web", "intake", "beat")}
    kills["PostgreSQL"] = theirs.kill_postgresql
    return {f"clock of {name} wrong": [partial(start, kill), partial(put_right, kill)] for name, kill in kills.items()}


def _readers(
    proxy: Proxy, tally: Tally, images: "list[Image]", options: argparse.Namespace
) -> "list[Reader | PageReaders]":
    from benchmarks.reliability.page_readers import PageReaders

    names = _names(options)
    scripted = [
        Reader(proxy.address, SLUG, name, tally, (options.seed, number), options.think)
        for number, name in enumerate(names[: options.readers])
    ]
    at_pages = PageReaders(
        proxy.address, SLUG, names[options.readers :], tally, looks=_looks(images), seed=options.seed
    )
    return [*scripted, at_pages]


def _end(
    readers: "list[Reader | PageReaders]", study: "Study", imports: Imports, options: argparse.Namespace
) -> verdict.Found:
    """Let everybody finish what they began, and everything that waits be done."""
    from django.db import connections

    connections.close_all()  # the one it was set up through died with PostgreSQL
    dead = sum(not reader.is_alive() for reader in readers if isinstance(reader, Reader) or options.browsers)
    for reader in readers:
        reader.is_done.set()
    deadline = time.monotonic() + 2 * GIVEN_UP
    for reader in readers:
        reader.join(timeout=max(0.0, deadline - time.monotonic()))
    scheduled = verdict.of_schedule(study, patience=options.settle) if options.settle else {}
    return {
        "readers whose program broke": dead,
        "outboxes that did not get empty": sum(reader.is_alive() or reader.stuck for reader in readers),
        **scheduled,
        **imports.unfinished(patience=2 * GIVEN_UP),
    }


def _make_study(options: argparse.Namespace) -> "tuple[Study, list[Image]]":
    """Deal everybody enough images, each of which shows one of the photographs that are stored."""
    from labeler.dealing import folds
    from labeler.golden_set import golden_draw
    from labeler.intake import importing
    from labeler.models import Image, Study, User
    from labeler.studies import studies
    from tests import builders

    shown = studies.create(slug="photographs", title="Photographs", is_simulated=True, seed=2019)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(PHOTOGRAPHS):
            (Path(folder) / f"{number}.jpg").write_bytes(builders.make_jpeg(number, size=(600, 800)))
        importing.import_folder(study=shown, folder=Path(folder))
    photographs = list(shown.images.all())
    study = studies.create(slug=SLUG, title="Faults", is_simulated=True, seed=2019)
    for name in _names(options):
        studies.add_reader(study=study, user=User.objects.create_user(username=name, password=PASSWORD))
    same = ("original", "rendition", "width", "height")
    Image.objects.bulk_create(
        (
            Image(
                study=study,
                content_hash=f"{n:064x}",
                source_name=f"{n}.jpg",
                **{name: getattr(photographs[n % PHOTOGRAPHS], name) for name in same},
            )
            for n in range(GOLDEN + int(SPARE * options.submissions))
        ),
        batch_size=5000,
    )
    golden_draw.draw(study=study, size=GOLDEN)
    folds.deal(study=Study.objects.get(slug=SLUG), design=folds.Design(repeats=REPEATS))
    return Study.objects.get(slug=SLUG), photographs


def _names(options: argparse.Namespace) -> list[str]:
    return [f"reader{number}" for number in range(options.readers + options.browsers)]


def _looks(images: "list[Image]") -> NDArray[np.float64]:
    from tests.browser.reading import look

    return np.stack([look(image) for image in images])


def _print(tally: Tally, harm: Harm, found: verdict.Found, seconds: float, options: argparse.Namespace) -> None:
    print(
        f"\nSIMULATED. {os.cpu_count()} cores, {options.readers} scripted readers, {options.browsers} browsers, "
        f"{seconds / 60:.0f} minutes, mean load {np.mean(harm.loads or [0]):.1f}"
        + (f"; beside it: {options.beside}" if options.beside else "")
        + f"\n\n{len(tally.acknowledged):,} submissions acknowledged, {tally.in_browsers:,} of them in browsers; "
        f"sent again {tally.sent_again:,} times; refused {dict(tally.refusals) or 'none'}; signed in "
        f"{tally.signed_in:,} times, refused {dict(tally.sign_ins_refused) or 'never'}; {harm.times.total()} faults; "
        f"longest time without a saved grade of anybody, faults included: {tally.longest_gap:.1f} s\n"
    )
    print("| fault | times | worst time from its end to the next saved grade |\n|---|---|---|")
    for name, times in sorted(harm.times.items()):
        late = " (late)" if harm.waits[name] > BACK_WITHIN else ""
        print(f"| {name} | {times} | {harm.waits[name]:.1f} s{late} |")
    print("\n| what must not be | times |\n|---|---|")
    for what, number in found.items():
        print(f"| {what} | {number} |")
    for leak in tally.leaks[:5]:
        print(f"\nTold to a reader: {leak[:2000]}")
    sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--submissions", type=int, default=100_000)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--readers", type=int, default=20)
    parser.add_argument("--think", type=float, default=0, help="seconds of a scripted reader between two images")
    parser.add_argument("--browsers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", nargs="*", default=[], help="faults, where not all kinds are wanted")
    parser.add_argument("--settle", type=float, default=300, help="seconds that scheduled work may take to catch up")
    parser.add_argument("--beside", default="", help="what else the machine does: then being late is no failure")
    return parser.parse_args()


def _await(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + GIVEN_UP
    while not is_so():
        if time.monotonic() > deadline:
            sys.exit(f"The site was not ready after {GIVEN_UP:.0f} seconds.")
        time.sleep(0.1)


if __name__ == "__main__":
    main()
