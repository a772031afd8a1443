"""Readers grade while everything they stand on is killed, paused and cut off: what is acknowledged must be kept, once.

    python -m benchmarks.faults [--submissions 100000] [--faults 200] [--readers 20] [--seed 1]

Web, both workers, beat, PostgreSQL and Valkey are real processes of this benchmark's own. The readers are scripted and
speak the page's protocol: a grade stays in an outbox, oldest first, until the server settles it, and is sent again
under its id otherwise. They reach the site through a proxy that delays, cuts and withholds answers. Everything is drawn
from the seed. At the end the database is held against what every reader was told. All labels are SIMULATED.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from functools import partial

import numpy as np

from benchmarks import stage
from benchmarks.grading_server import PASSWORD
from benchmarks.harmed_stage import PAUSE, Proxy, Stage
from benchmarks.scripted_reader import Reader, Tally

SLUG = "faults"
GOLDEN = 20
BACK_WITHIN = 10.0  # seconds from a process's return to the first grade that is saved


def main() -> None:
    options = _options()
    with stage.installation() as folder, ExitStack() as stack:
        _make_study(options.readers, options.submissions)
        theirs = Stage(folder)
        stack.callback(theirs.stop)
        _await(theirs.is_ready)
        proxy, tally = Proxy(theirs.port), Tally()
        readers = [Reader(proxy.address, SLUG, number, tally, options.seed) for number in range(options.readers)]
        for reader in readers:
            reader.start()
        faults, outages = _harm(theirs, proxy, tally, readers, options)
        for reader in readers:
            reader.join()
        found = _examine(tally)
        _print(tally, faults, outages, found)
        if any(found.values()):
            sys.exit(1)


def _harm(
    theirs: Stage, proxy: Proxy, tally: Tally, readers: list[Reader], options: argparse.Namespace
) -> tuple[Counter[str], dict[str, float]]:
    """Do the faults one after the other, evenly over the submissions; return how many, and the worst outage of each."""
    chance, faults, outages = np.random.default_rng(options.seed), Counter[str](), dict[str, float]()
    kinds = _kinds(theirs, proxy)
    while any(reader.is_alive() for reader in readers):
        due = faults.total() * options.submissions // options.faults
        if faults.total() >= options.faults or len(tally.acknowledged) < due:
            time.sleep(0.1)
            if len(tally.acknowledged) >= options.submissions:
                for reader in readers:
                    reader.is_done.set()
            continue
        name = str(chance.choice(sorted(kinds)))
        kinds[name]()
        returned = time.monotonic()
        _await(lambda: tally.saved_at > returned or not any(reader.is_alive() for reader in readers))  # noqa: B023
        faults[name] += 1
        outages[name] = max(outages.get(name, 0.0), time.monotonic() - returned)
        print(f"{len(tally.acknowledged):,} grades, {faults.total()} faults: {name}", file=sys.stderr, flush=True)
    return faults, outages


def _kinds(theirs: Stage, proxy: Proxy) -> dict[str, Callable[[], None]]:
    def mode(name: str) -> Callable[[], None]:
        def act() -> None:
            proxy.mode = name
            time.sleep(PAUSE)
            proxy.mode = "open"

        return act

    kinds: dict[str, Callable[[], None]] = {
        "connections cut": proxy.cut,
        "connections delayed": mode("delayed"),
        "answers swallowed": mode("swallowing"),
        "PostgreSQL killed": theirs.kill_postgresql,
        "PostgreSQL paused": theirs.pause_postgresql,
        "Valkey killed": theirs.kill_valkey,
        "Valkey paused": theirs.pause_valkey,
        "Valkey wiped": theirs.wipe_valkey,
    }
    for name in theirs.processes:
        kinds[f"{name} killed"] = partial(theirs.kill, name)
        kinds[f"{name} paused"] = partial(theirs.pause, name)
    return kinds


def _examine(tally: Tally) -> dict[str, int]:
    """Hold the database against what readers were told."""
    from django.core.management import CommandError, call_command
    from django.db import connections
    from django.db.models import Count, F, Q

    from labeler import ledger, models

    connections.close_all()  # the one it was set up through died with PostgreSQL
    rows = models.Label.objects.filter(submission__in=list(tally.acknowledged))
    stored = Counter[str]()
    wrong = 0
    for submission, assignment, grade in rows.values_list("submission", "assignment__public_id", "grade"):
        stored[str(submission)] += 1
        wrong += tally.acknowledged[str(submission)] != (str(assignment), grade)
    counted = models.Assignment.objects.annotate(acts=Count("labels"))
    done = models.Reader.objects.annotate(graded=Count("assignments", filter=Q(assignments__is_done=True)))
    for _ in range(2):  # the first sees what there is, the second knows that it is settled
        ledger.seal(settled=timedelta(0))
    try:
        call_command("verify_ledger", verbosity=0)
        broken = 0
    except (CommandError, SystemExit):
        broken = 1
    return {
        "lost": len(set(tally.acknowledged) - set(stored)),
        "duplicated": sum(count > 1 for count in stored.values()),
        "with another grade, image or reader": wrong,
        "assignments whose version is not their labels' number": counted.exclude(version=F("acts")).count(),
        "readers whose count is wrong": done.exclude(done=F("graded")).count(),
        "ledgers that do not verify": broken,
    }


def _make_study(readers: int, submissions: int) -> None:
    """Deal every reader enough images for their share; nobody fetches their files."""
    from labeler import folds, golden, studies
    from labeler.models import Image, Study, User

    study = studies.create(slug=SLUG, title="Faults", is_simulated=True, seed=2019)
    for number in range(readers):
        studies.add_reader(study=study, user=User.objects.create_user(username=f"reader{number}", password=PASSWORD))
    Image.objects.bulk_create(
        Image(study=study, content_hash=f"{n:064x}", source_name=f"{n}.jpg", original="", width=1200, height=1600)
        for n in range(GOLDEN + submissions + submissions // 5)
    )
    golden.draw(study=study, size=GOLDEN)
    folds.deal(study=Study.objects.get())


def _print(tally: Tally, faults: Counter[str], outages: dict[str, float], found: dict[str, int]) -> None:
    print(f"\nacknowledged submissions: {len(tally.acknowledged):,} (SIMULATED), sent again: {tally.sent_again:,}")
    print(f"refused: {dict(tally.refused) or 'none'}; longest time without a saved grade: {tally.longest_gap:.1f} s\n")
    print(f"{'fault':<24}{'times':>6}{'worst time to the next saved grade after it':>46}")
    for name, times in sorted(faults.items()):
        late = "  late" if outages[name] > BACK_WITHIN else ""
        print(f"{name:<24}{times:>6}{outages[name]:>44.1f} s{late}")
    print()
    for what, number in found.items():
        print(f"{what}: {number}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--submissions", type=int, default=100_000)
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--readers", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def _await(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10 * BACK_WITHIN
    while not is_so():
        if time.monotonic() > deadline:
            sys.exit("Nothing was saved for 100 seconds after a fault: the service did not come back by itself.")
        time.sleep(0.02)


if __name__ == "__main__":
    main()
