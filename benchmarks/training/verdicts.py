"""How often the report's verdicts are wrong, by simulation of the product's own functions, beside their targets.

    python -m benchmarks.training.verdicts [--studies 1000] [--nights 365] [--only NAME]

SIMULATED: severities in the published proportions; readers see them through noise of sd 0.36, and a bias where it says
so. Each line is a rate, its target, and the number of studies that it rests on.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from itertools import product

import numpy as np

from training.statistics import planning
from training.statistics.intervals import Floats
from training.verdicts import against_readers, careless_readers, judged_panel, spending
from training.verdicts.against_readers import Against, AgainstReaders, Rule

NOISE = 0.36  # sd of one grade before it is rounded, as in planning.Design
PUBLISHED_RMSE = (0.517, 0.508, 0.500, 0.495, 0.490, 0.484, 0.454, 0.450, 0.402, 0.400, 0.388)
SEED = 2026
MARGIN = 0.05
REFITS_ALIKE = (0.9, 0.5)  # of the variance of a night's errors that all nights share
WORSE = 1.2  # times the RMSE of the regressor in service


@dataclass(frozen=True)
class Line:
    """A rate, what it must not exceed, or must reach, and the studies that it rests on."""

    name: str
    rate: float
    low: float
    high: float
    studies: int

    @property
    def holds(self) -> bool:
        """Whether the rate is within its target, but for two standard errors of the simulation."""
        reach = 2 * float(np.sqrt(max(self.rate * (1 - self.rate), 0.01) / self.studies))
        return self.low - reach <= self.rate <= self.high + reach


@dataclass(frozen=True)
class Simulated:
    """Severities (N,), grades (n, N) of readers."""

    severities: Floats
    grades: Floats

    @property
    def codes(self) -> tuple[str, ...]:
        return tuple(f"R{number:02d}" for number in range(1, len(self.grades) + 1))


def study(rng: np.random.Generator, *, readers: int, images: int, bias: float = 0.0) -> Simulated:
    """Draw one study of equally noisy readers."""
    severities = planning.draw_severities(images, rng)
    seen = severities + rng.normal(0, bias, (readers, 1)) + rng.normal(0, NOISE, (readers, images))
    return Simulated(severities, planning.PUBLISHED_SCALE.grades_of(seen).astype(float))


def compared(one: Simulated, scores: Floats, rule: Rule, *, look: int = 1) -> AgainstReaders:
    return against_readers.compare(scores, one.grades, one.codes, rule=rule, look=look)


def twin(rng: np.random.Generator, *, readers: int, images: int, verdict: str, rule: Rule) -> bool:
    """Draw a machine that is one more reader like the others; return whether this verdict is given, wrongly."""
    one = study(rng, readers=readers + 1, images=images)
    others = Simulated(one.severities, one.grades[1:])
    return compared(others, one.grades[0], rule).verdict == verdict


def published_as_good(
    rng: np.random.Generator, *, machine: float, images: int, margin: float = 0.0, against: Against = "worst"
) -> bool:
    """Return whether a machine of this error is published, on a golden set read by eleven readers as published."""
    severities = planning.draw_severities(images, rng)
    noise = np.sqrt(np.maximum((1.1 * np.array(PUBLISHED_RMSE)) ** 2 - 0.1, 0.01))[:, None]  # rounding adds the rest
    grades = planning.PUBLISHED_SCALE.grades_of(severities + noise * rng.normal(0, 1, (11, images))).astype(float)
    scores = severities + rng.normal(0, machine, images)
    return compared(Simulated(severities, grades), scores, Rule(against, margin)).passes


def careless(rng: np.random.Generator, *, readers: int, images: int) -> bool:
    """Let one reader grade at random; return whether that reader, and no other, is flagged."""
    one = study(rng, readers=readers, images=images)
    one.grades[0] = rng.integers(1, 6, images)
    return {flag.reader for flag in careless_readers.find(one.grades, one.codes)} == {"R01"}


def flagged(rng: np.random.Generator, *, readers: int, images: int) -> bool:
    """Return whether anybody is flagged among readers who do as they can, biased as in the published study."""
    one = study(rng, readers=readers, images=images, bias=0.2)
    return bool(careless_readers.find(one.grades, one.codes))


def unfinished(rng: np.random.Generator, *, done: float, readers: int = 11, images: int = 230) -> float:
    """Let the first reader finish and the others stop at this share; return how far the bar is from the finished one.

    0 where no bar is shown.
    """
    one = study(rng, readers=readers, images=images, bias=0.2)
    given = np.vstack([np.ones((1, images), bool), rng.random((readers - 1, images)) < done])
    panel = judged_panel.of(np.where(given, one.grades, np.nan), one.codes, drawn=images)
    finished = judged_panel.of(one.grades, one.codes, drawn=images)
    bars = [max((error or 0 for error in each.errors().values()), default=0.0) for each in (panel, finished)]
    return abs(bars[0] - bars[1]) if panel.enough.images else 0.0


def worse_than_active(rng: np.random.Generator, *, images: int) -> bool:
    """Return whether a regressor whose RMSE is 20 % larger passes as no worse than the one in service."""
    target = planning.draw_severities(images, rng)
    shared = rng.normal(0, 0.4, images)
    own = rng.normal(0, 0.4 * np.sqrt(WORSE**2 - 1), images)
    excess = against_readers.not_worse(target + shared + own, target + shared, target, look=1)
    return excess.high is not None and excess.high < MARGIN


def is_ever_published(
    rng: np.random.Generator, *, nights: int, machine: float, alike: float, images: int = 230, spends: bool = True
) -> bool:
    """Return whether a machine that is fitted anew every night is ever published, beside eleven equal readers.

    Its errors are those of the other nights but for 1 - `alike` of their variance. `machine` is its error, or 0 for
    that of the readers. Without `spends` every look has the level of the first.
    """
    one = study(rng, readers=11, images=images)
    error = machine or _as_bad_as_a_reader()
    lasting = rng.normal(0, error * np.sqrt(alike), images)
    for night in range(1, nights + 1):
        scores = one.severities + lasting + rng.normal(0, error * np.sqrt(1 - alike), images)
        # The arithmetic of `compare` for the worst reader, and no more of it than the upper bound.
        share = spending.share(night if spends else 1)
        if against_readers.differences(scores, one.grades).bounds(1, share / 11).min() < 0:
            return True
    return False


@cache
def _as_bad_as_a_reader() -> float:
    """Return the error of a machine whose RMSE against the others is a reader's: noise and rounding, unbiased."""
    rng = np.random.default_rng(SEED)
    one = study(rng, readers=1, images=200_000)
    return float(np.std(one.grades[0] - one.severities))


@dataclass(frozen=True)
class Rate:
    """What to simulate, and what its mean must not exceed, or must reach. What takes long has `times` fewer studies."""

    name: str
    of: Callable[[np.random.Generator], float]
    low: float
    high: float
    times: int = 1

    def simulate(self, studies: int) -> Line:
        rng = np.random.default_rng([SEED, *self.name.encode()])
        number = max(1, studies // self.times)
        return Line(self.name, float(np.mean([self.of(rng) for _ in range(number)])), self.low, self.high, number)


AT_MOST, AT_LEAST = (0.0, 0.05), (0.8, 1.0)


def rates(nights: int) -> list[Rate]:
    return [*_of_equal_machines(), *_of_power(), *_of_service(), *_of_readers(), *_of_unfinished(), *_of_nights(nights)]


def _of_equal_machines() -> Iterator[Rate]:
    rules = (Rule("worst"), Rule("median"))
    for rule, readers, images in product(rules, (3, 11, 30), (20, 50, 230)):
        for verdict in ("closer", "farther"):
            of = partial(twin, readers=readers, images=images, verdict=verdict, rule=rule)
            name = f"equal machine called {verdict} than the {rule.against} of {readers} readers, {images} images"
            yield Rate(name, of, *AT_MOST)


def _of_power() -> Iterator[Rate]:
    of = partial(published_as_good, machine=0.42, images=230)
    yield Rate("machine of 0.42 closer than the worst, as published", of, *AT_LEAST)
    of = partial(published_as_good, machine=0.30, images=30, margin=MARGIN)
    yield Rate("machine of 0.30, 30 images, margin 0.05", of, *AT_LEAST)
    of = partial(published_as_good, machine=0.42, images=230, margin=MARGIN, against="median")
    yield Rate("machine of 0.42 against the median, margin 0.05", of, *AT_LEAST)


def _of_service() -> Iterator[Rate]:
    for images in (30, 100, 230):
        name = f"regressor 20 % worse than the one in service passes, {images} images"
        yield Rate(name, partial(worse_than_active, images=images), *AT_MOST)


def _of_readers() -> Iterator[Rate]:
    for readers, images in product((3, 11), (20, 50, 230)):
        name = f"{readers} readers, {images} images"
        random, honest = (partial(of, readers=readers, images=images) for of in (careless, flagged))
        yield Rate(f"reader at random is flagged and no other, {name}", random, *AT_LEAST)
        yield Rate(f"anybody is flagged who does as they can, {name}", honest, *AT_MOST)


def _of_unfinished() -> Iterator[Rate]:
    for done in (0.0, 0.2, 0.5, 0.6, 0.8):
        name = f"the bar is off by, where one has finished and ten are at {100 * done:.0f} %"
        yield Rate(name, partial(unfinished, done=done), *AT_MOST, times=4)


def _of_nights(nights: int) -> Iterator[Rate]:
    for images, alike in product((230, 50), REFITS_ALIKE):
        name = f"on any of {nights} nights, {100 * alike:.0f} % alike, {images} images"
        of = partial(is_ever_published, nights=nights, machine=0.0, alike=alike, images=images)
        yield Rate(f"equal machine published {name}", of, *AT_MOST, times=4)
        yield Rate(f"the same without spending {name}", partial(of, spends=False), 0, 1, times=8)
    of = partial(is_ever_published, nights=nights, machine=0.36, alike=REFITS_ALIKE[0])
    yield Rate(f"machine of 0.36 published on any of {nights} nights", of, *AT_LEAST, times=8)


def table(found: Iterator[Line]) -> bool:
    """Print the lines as they come; return whether all hold."""
    good = True
    for line in found:
        target = f"at most {line.high:.2f}" if line.low == 0 else f"at least {line.low:.2f}"
        good &= line.holds
        print(
            f"{line.name:<78} {line.rate:6.3f}  {target:<14} {'' if line.holds else 'MISSED'}  n = {line.studies}",
            flush=True,
        )
    return good


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--nights", type=int, default=365)
    parser.add_argument("--only", default="", help="lines whose name contains this")
    options = parser.parse_args()
    wanted = (rate.simulate(options.studies) for rate in rates(options.nights) if options.only in rate.name)
    sys.exit(0 if table(wanted) else 1)
