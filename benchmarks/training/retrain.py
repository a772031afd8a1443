"""A nightly run at the published size, from stored embeddings, beside fitting the published estimator five times.

    python -m benchmarks.training.retrain [--images 1000] [--golden 230] [--partings 5] [--without-mlp] [--rows N]

Readers, grades and embeddings are SIMULATED; everything else is what runs at night: reading the labels, all recipes
with their nested cross-validation from 5 seeds, scores of the golden images, the report with 2,000 bootstrap resamples,
the artefact. Then one of the five fits of scikit-learn's MLPRegressor that `ms2019` asks for, on as many rows as
balanced rolls give, in float32. Times are of the clock, and of the processors, which other programs distort
less; each fit keeps to one thread.

With --rows nothing but that: ridge regression with its nested cross-validation on so many rows, mapped from a file.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks import stage
from benchmarks.training import simulated_study

if TYPE_CHECKING:
    from labeler.models import Study
    from training.models import TrainingRun

ROLLED_ROWS = 17_000  # of 1,000 images with 4 patches, balanced as published
FITS = 5  # that ms2019 asks for


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000, help="ordinary ones")
    parser.add_argument("--golden", type=int, default=230)
    parser.add_argument("--partings", type=int, default=5, help="of the cross-validation; a run at night has 5")
    parser.add_argument("--without-mlp", action="store_true", help="leave the published estimator out: it takes long")
    parser.add_argument("--rows", type=int, default=0, help="nothing but ridge regression on so many rows")
    options = parser.parse_args()
    if options.rows:
        _fit_in_bounded_memory(options.rows)
        return
    with stage.installation():
        print(f"SIMULATED: {options.images:,} ordinary and {options.golden} golden images, 4 patches each\n")
        study, severities = simulated_study.make(
            images=options.images + options.golden, golden_size=options.golden, seed=2019
        )
        nightly = _run_at_night(study, options.partings)
        print_readers(study)
        print_recipes(study)
        print_truth(study, severities)
        if not options.without_mlp:
            _beside_mlp(nightly)


@contextmanager
def clock(name: str) -> Iterator[Callable[[], float]]:
    """Print how long the block took; give the seconds of the processors, when it is over."""
    wall, began = time.perf_counter(), time.process_time()
    took = 0.0
    yield lambda: took
    took = time.process_time() - began
    print(f"{name:<44}{time.perf_counter() - wall:>8.1f} s{took:>8.1f} s of processors   {_memory()}", flush=True)


def _memory() -> str:
    """Say how much is resident now, and how much of it is a page cache's that can be dropped at any time."""
    sizes = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    own, mapped, peak = (int(sizes[name].split()[0]) // 1024 for name in ("RssAnon", "RssFile", "VmHWM"))
    return f"{own} MiB resident, and {mapped} MiB mapped from files; {peak} MiB at most"


def _run_at_night(study: "Study", partings: int) -> float:
    from scoring.platform import jobs
    from training.fitting import model_selection
    from training.models import TrainingRun
    from training.reports import study_report
    from training.runs import retrain

    model_selection.REPEATS = partings
    run = retrain.request(study=study, is_nightly=True)
    TrainingRun.objects.filter(pk=run.pk).update(fits_ms2019=False)
    claimed = jobs.claim(TrainingRun, run.pk)
    if claimed is None:
        raise SystemExit("The run could not be claimed.")
    with clock("the nightly run") as ran:
        retrain.retrain(claimed)
    _print_stages(claimed)
    with clock("the readers' part of the report") as reported:
        study_report.current(study)
    print(claimed.conclusion, "\n", flush=True)
    return ran() + reported()


def _print_stages(run: "TrainingRun") -> None:
    for name, seconds in run.record["seconds"]:
        print(f"  {name:<42}{seconds:>8.1f} s")


def print_readers(study: "Study") -> None:
    """Print the readers' RMSE beside the published ones, both from the worst on."""
    from demo.simulated_readers import PUBLISHED_RMSE
    from training.reports import study_report

    rows = sorted((reader.rmse for reader in study_report.current(study).readers), key=lambda one: -one.known)
    print("| reader RMSE, published | here, SIMULATED | 95 % interval |\n|---|---|---|")
    for published, here in zip(sorted(PUBLISHED_RMSE, reverse=True), rows, strict=True):
        print(f"| {published:.3f} | {here.known:.3f} | {here.low:.3f} to {here.high:.3f} |")
    print()


def print_recipes(study: "Study") -> None:
    from training.reports import leaderboard

    board = leaderboard.of(study)
    print(board.sentence)
    print("\n| recipe | cross-validation RMSE | golden RMSE | 95 % interval | over seeds | s of a processor |")
    print("|---|---|---|---|---|---|")
    for row in board.recipes:
        golden, seeds = row.golden_rmse, row.golden_rmse_by_seed
        print(
            f"| `{row.recipe}` | {row.validation_rmse_by_seed.mean:.3f} | {golden.known:.3f} | "
            f"{golden.low:.3f} to {golden.high:.3f} | {seeds.lowest:.3f} to {seeds.highest:.3f} | "
            f"{row.fit_seconds:.1f} |"
        )
    print()


def print_truth(study: "Study", severities: "np.typing.NDArray[np.float64]") -> None:
    """Print what no real study knows: how far the machine is off the severity that was drawn."""
    from training.models import Score

    board = study.training_runs.filter(report__isnull=False).earliest("pk")
    machine = (board.report or {})["machine"]["recipe"]
    rows = Score.objects.filter(run=board, recipe=machine, fit=0, image__is_golden=True)
    drawn = {f"IMG_{number}.jpg": severity for number, severity in enumerate(severities.tolist())}
    errors = [value - drawn[name] for value, name in rows.values_list("value", "image__source_name")]
    print(f"Against the severities that were drawn, on golden images: {np.sqrt(np.mean(np.square(errors))):.3f}\n")


def _beside_mlp(nightly: float) -> None:
    from scoring.regressor.recipes import OnPatches
    from training.fitting import estimators

    embedder, rng = simulated_study.Embedder(2019), np.random.default_rng(3)
    severities = rng.uniform(0.5, 5.5, ROLLED_ROWS // 4)
    rows = np.concatenate([embedder.embed(float(severity), rng) for severity in severities]).astype(np.float32)
    grades = np.repeat(np.round(severities), 4).tolist()
    with threadpool_limits(1), clock(f"one fit of MLPRegressor, {len(rows):,} rows") as fitted:
        estimators.fit_patches(OnPatches((1024, 512, 256)), rows, grades, seed=2019)
    print(f"Five of them take {FITS * fitted() / nightly:.0f} times the processors' time of the whole nightly run.")


def _fit_in_bounded_memory(count: int) -> None:
    """Fit face_ridge on rows that would not fit into memory, with the nested choice of its penalty."""
    from training.fitting import ridge

    rng = np.random.default_rng(1)
    embedder = simulated_study.Embedder(2019)
    with tempfile.TemporaryFile() as file, threadpool_limits(1):
        rows = np.memmap(file, dtype=np.float16, mode="w+", shape=(count, 2048))
        targets = np.empty(count)
        with clock(f"{count:,} SIMULATED rows written, {rows.nbytes / 2**30:.1f} GiB"):
            for start in range(0, count, 4):
                targets[start : start + 4] = severity = rng.uniform(0.5, 5.5)
                rows[start : start + 4] = embedder.embed(severity, rng)[: count - start]
        part = (np.arange(count) // 4) % 5
        with clock("sums over five parts"):
            sums = ridge.sum_parts(rows, targets, part)
        with clock("nested cross-validation and fits"):
            fits = ridge.fit_nested(sums)
        lines = {place: fit.line for place, fit in enumerate(fits[:-1])}
        with clock("scores of all rows by fits without them"):
            scores = ridge.left_out_scores(rows, part, lines)
    print(f"RMSE of the left-out rows: {np.sqrt(np.mean((scores - targets) ** 2)):.3f}")


if __name__ == "__main__":
    main()
