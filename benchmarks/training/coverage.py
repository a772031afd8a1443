"""How often the report's 95 % intervals hold the truth, by simulation of the product's own functions.

    python -m benchmarks.training.coverage [--studies 1000] [--only NAME]

SIMULATED: severities in the published proportions, seen by readers through noise of sd 0.36 and rounded to the scale.
The truth of each number is that of 200,000 images. A dash: with so few people the report prints no interval. The
target is 0.93 to 0.97, but for two standard errors of the simulation. In the last columns 46 people have five
photographs each.
"""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from benchmarks.training.verdicts import NOISE, SEED, study
from training.statistics import agreement, bias, intervals, metrics, regression, stability
from training.statistics.intervals import Estimate, Floats, People

READERS = (3, 11, 30)
IMAGES = (10, 20, 50, 230)
LOW, HIGH = 0.93, 0.97
PEOPLE, EACH = 46, 5
SAME_IN_A_PERSON = 0.7  # of the variance of what a reader sees in an image beyond its severity
LEVELS = (1.0, 2.0, 3.0, 4.0, 5.0)
MANY = 200_000  # images of the truth

Numbers = Mapping[str, Callable[[Floats, Floats, People | None], Estimate]]  # of grades, scores, people

# Of the first reader and of a machine; the consensus with them is that of the other readers.
# ruff: noqa: ARG005  each takes all three
NUMBERS: Numbers = {
    "RMSE, leave one out": lambda g, s, p: metrics.rmse(g[0], others(g), p),
    "RMSE, published form": lambda g, s, p: metrics.reader_rmse(g, 0, p),
    "golden RMSE": lambda g, s, p: metrics.rmse(s, metrics.consensus(g), p),
    "machine minus reader": lambda g, s, p: metrics.compare_with_reader(s, g, 0, p),
    "mean absolute error": lambda g, s, p: metrics.mean_absolute_error(s, metrics.consensus(g), p),
    "bias": lambda g, s, p: intervals.mean(g[0] - others(g), p),
    "slope": lambda g, s, p: regression.fit_line(others(g), g[0], p).slope,
    "intercept": lambda g, s, p: regression.fit_line(others(g), g[0], p).intercept,
    "residual sd": lambda g, s, p: regression.fit_line(others(g), g[0], p).residual_sd,
    "upper limit of agreement": lambda g, s, p: bias.limits_of_agreement(g[0], others(g), p).upper,
    "Pearson's r": lambda g, s, p: metrics.pearson_r(s, metrics.consensus(g), p),
    "kappa of two readers": lambda g, s, p: agreement.weighted_kappa(g[0], g[1], p),
    "alpha, ordinal": lambda g, s, p: agreement.alpha_ordinal(g, p),
    "alpha, interval": lambda g, s, p: agreement.alpha_interval(g, p),
    "AC2": lambda g, s, p: agreement.ac2(g, LEVELS, p),
    "noise ceiling": lambda g, s, p: stability.noise_ceiling(g, p),
    "share of same grades": lambda g, s, p: intervals.share((g[0] == g[1]).astype(float), p),
}
SLOW_TRUTH = {"alpha, ordinal", "alpha, interval"}


def others(grades: Floats) -> Floats:
    return metrics.consensus_without(grades, 0)


def draw(rng: np.random.Generator, *, readers: int, images: int) -> tuple[Floats, Floats]:
    """Return (n, N) grades and (N,) scores."""
    made = study(rng, readers=readers, images=images)
    return made.grades, made.severities + rng.normal(0, NOISE, images)


def draw_people(rng: np.random.Generator, *, readers: int, people: int) -> tuple[Floats, Floats]:
    """Return the same for `people` with EACH photographs: most of what one sees in them is the same in all."""
    severities = np.repeat(study(rng, readers=2, images=people).severities, EACH)
    own, shared = ((NOISE * np.sqrt(share)) for share in (1 - SAME_IN_A_PERSON, SAME_IN_A_PERSON))
    noise = np.repeat(rng.normal(0, shared, (readers + 1, people)), EACH, axis=1)
    seen = severities + noise + rng.normal(0, own, noise.shape)
    return np.clip(np.round(seen[:-1]), 1, 5), seen[-1]


def held(name: str, readers: int, *, images: int | None, studies: int) -> float | None:
    """Return the share of simulated studies whose interval holds the truth; None where there is none."""
    rng = np.random.default_rng([SEED, readers, images or 0])
    number = NUMBERS[name]
    many = MANY // (10 if name in SLOW_TRUTH else 1)
    if images is None:
        truth = number(*draw_people(rng, readers=readers, people=many // EACH), None).known
    else:
        truth = number(*draw(rng, readers=readers, images=many), None).known
    people = np.repeat(np.arange(PEOPLE), EACH) if images is None else None
    times, within = 0, 0
    for _ in range(studies):
        made = (
            draw_people(rng, readers=readers, people=PEOPLE)
            if images is None
            else draw(rng, readers=readers, images=images)
        )
        found = number(*made, people).interval
        if found:
            times, within = times + 1, within + (found[0] <= truth <= found[1])
    return within / times if times > studies / 2 else None


def rows(studies: int, only: str) -> Iterator[tuple[str, int, list[float | None]]]:
    for name in NUMBERS:
        for readers in READERS:
            if only in name:
                found = [held(name, readers, images=images, studies=studies) for images in (*IMAGES, None)]
                yield name, readers, found


def table(studies: int, only: str) -> bool:
    """Print the rows as they come; return whether all are on target."""
    reach, good = 2 * float(np.sqrt(0.95 * 0.05 / studies)), True
    print(f"{'':<26} readers  " + "".join(f"{images:>9}" for images in IMAGES) + f"{f'{PEOPLE} x {EACH}':>11}")
    for name, readers, found in rows(studies, only):
        missed = [one is not None and not LOW - reach <= one <= HIGH + reach for one in found]
        cells = [
            "-" if one is None else f"{one:.3f}{'*' if off else ' '}" for one, off in zip(found, missed, strict=True)
        ]
        good &= not any(missed)
        print(
            f"{name:<26} {readers:>7}  " + "".join(f"{cell:>9}" for cell in cells[:-1]) + f"{cells[-1]:>11}", flush=True
        )
    print(f"n = {studies} studies; * is off {LOW} to {HIGH}")
    return good


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--only", default="", help="numbers whose name contains this")
    options = parser.parse_args()
    sys.exit(0 if table(options.studies, options.only) else 1)
