"""The attack on a deal itself: with the code at hand, guess the secret, deal again, and see which places were golden.

It is spared what a reader would have to find out first (which places hold one photograph twice): it holds its own deal
against the truth. So where it fails, a reader fails.
"""

import hashlib
import math
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import cast

import numpy as np
from django.db.models import QuerySet

from labeler.blinding_audit import guesses
from labeler.blinding_audit.blinding_audit import Verdict
from labeler.blinding_audit.guesses import Known
from labeler.dealing import changes, reading_lists, remaining_lists
from labeler.dealing.folds import ORDER
from labeler.dealing.reading_lists import Flags, Whole
from labeler.golden_set import commitments
from labeler.models import Dealing, Reader, Study
from labeler.record import keyed_draws
from labeler.record.keyed_draws import Draws

WORTH_A_LOOK = 0.05  # of the longest list, before a guess is held against the other lists too
SMALLEST = 1e-300  # a chance that has a logarithm
# A fit as good as this by chance: some 100,000 guesses are made, and golden places, which are spread evenly, coincide
# somewhat more often than places that are drawn from a bag.
FOUND = 1e-12
LOTS = 200  # secrets of the system's randomness, by which the level of chance is measured


@dataclass(frozen=True)
class Stretch:
    """Places of one list that one act put in order: of what, and what stands there today as far as nothing changed."""

    purpose: tuple[str, int, str]  # of its draws: what was done, the number of the act, the reader's code
    ordinary: int
    golden: int
    repeats: int
    gap: int | None
    places: Whole  # (n,) from 0
    is_golden: Flags  # (n,)

    def names(self, draw: Draws) -> Flags:
        """Return which of the places these draws make golden, (n,)."""
        if self.purpose[0] == ORDER:
            numbers, _ = reading_lists.layout(self.ordinary, self.golden, self.repeats, draw, gap=self.gap)
        else:
            numbers = reading_lists.mixed(np.arange(self.ordinary + self.golden) < self.golden, draw)
        named: Flags = numbers[self.places] < self.golden
        return named


Source = Callable[[Stretch], Draws]


@dataclass(frozen=True)
class Reconstruction:
    """What the attack came to. The shares are of the golden places of the longest list that a guess names rightly."""

    verdict: Verdict
    guesses: int
    found: str = ""  # what the secret was made of
    named: float | None = None  # by the guess that is found, else by the best one
    chance: float | None = None  # by a secret drawn at random, on average
    best_by_chance: float | None = None  # by the best of as many such secrets
    reason: str = ""


def attack(study: Study, *, numbers: int = guesses.NUMBERS) -> Reconstruction:
    """Try every guess on the lists of a study; `numbers` says how many small numbers are tried."""
    whole = [one for reader in study.readers.all() for one in _whole(reader)]
    rests = [one for reader in study.readers.all() for one in _rest(reader)]
    known = _known(study)
    before = _try(whole, _of_before(known, numbers))
    return before if before.found else _try([*whole, *rests], _of_now(known, numbers), done=before.guesses)


def _try(stretches: list[Stretch], sources: Iterator[tuple[str, Source]], *, done: int = 0) -> Reconstruction:
    stretches = sorted((one for one in stretches if one.is_golden.any()), key=lambda one: -len(one.places))
    if not stretches:
        return Reconstruction(Verdict.TOO_FEW, 0, reason="no list was dealt here")
    surest = _together([_surest(one) for one in stretches])
    if surest > FOUND:
        return Reconstruction(Verdict.TOO_FEW, 0, reason=f"even the secret itself fits with a chance of {surest:.0e}")
    longest, best, tried = stretches[0], 0, done
    for name, source in sources:
        tried += 1
        hits, p = _fit(longest, source)
        if p <= WORTH_A_LOOK and _together([p, *(_fit(one, source)[1] for one in stretches[1:])]) <= FOUND:
            return _result(longest, Verdict.LEAK, tried, hits, name)
        best = max(best, hits)
    return _result(longest, Verdict.BLIND, tried, best)


def _result(one: Stretch, verdict: Verdict, tried: int, hits: int, found: str = "") -> Reconstruction:
    golden = int(one.is_golden.sum())
    lots = np.array([_fit(one, _of_secret(secrets.token_bytes()))[0] for _ in range(LOTS)]) / golden
    best = lots.mean() + lots.std() * NormalDist().inv_cdf(1 - 1 / max(tried, 2))
    return Reconstruction(verdict, tried, found, hits / golden, float(lots.mean()), min(1.0, float(best)))


def _known(study: Study) -> Known:
    promised = commitments.of(study)
    others = Study.objects.exclude(pk=study.pk).values_list("secret", flat=True)
    return Known(
        study.pk,
        study.slug,
        study.title,
        study.seed,
        study.created_at,
        promised.digest if promised else "",
        tuple(bytes(secret) for secret in others),
    )


def _of_before(known: Known, numbers: int) -> Iterator[tuple[str, Source]]:
    for what, seed in guesses.seeds_to_try(known, numbers):
        yield f"{what}, in the construction of releases before 2026-12", _of_seed(seed)


def _of_now(known: Known, numbers: int) -> Iterator[tuple[str, Source]]:
    return ((guess.name, _of_secret(guess.secret)) for guess in guesses.secrets_to_try(known, numbers))


def _of_secret(secret: bytes) -> Source:
    key = keyed_draws.dealing_key(secret)
    return lambda one: keyed_draws.by_key(key, *one.purpose)


def _of_seed(seed: int) -> Source:
    def draws(one: Stretch) -> Draws:
        drawn_from = hashlib.sha256(f"order {seed} {one.purpose[-1]}".encode()).digest()
        draw = np.random.RandomState(np.frombuffer(drawn_from, np.uint32))
        for images in (one.ordinary, one.golden):
            draw.permutation(images)  # which image is where, it drew first
        return cast("Draws", draw)  # it has methods of the same names, and the layout calls them as it did then

    return draws


def _whole(reader: Reader) -> Iterator[Stretch]:
    """Yield the list as the reader first got it, up to the first place that a later change touched."""
    acts = reader.study.dealings.filter(kind__in=(Dealing.Kind.FIRST, Dealing.Kind.JOIN))
    act = acts.filter(assignments__reader=reader).first()
    if act is None:
        return
    dealt = act.assignments.filter(reader=reader)
    length, repeats = dealt.count(), dealt.filter(is_repeat=True).count()
    golden = dealt.filter(image__is_golden=True, is_repeat=False).count()
    later = reader.study.dealings.filter(pk__gt=act.pk)
    # Changes of earlier releases kept the order that was, and put images between.
    came = reader.assignments.filter(dealing__in=later, position__isnull=False).values_list("position", flat=True)
    begins = [*(act.plan["begins"][reader.code] for act in _changes(reader)), *filter(None, came)]
    places, is_golden = _today(reader, 1, min(begins, default=length + 1))
    purpose = (ORDER, changes.number(act), reader.code)
    gap = changes.first_design(reader.study).gap
    yield Stretch(purpose, length - golden - repeats, golden, repeats, gap, places, is_golden)


def _rest(reader: Reader) -> Iterator[Stretch]:
    """Yield what the latest change put in order. Readings that it sent elsewhere, to be apart, are few."""
    act = max(_changes(reader), key=lambda act: act.reversed_at or act.dealt_at, default=None)
    if act:
        places, is_golden = _today(reader, act.plan["begins"][reader.code], None)
        golden = int(is_golden.sum())
        purpose = (remaining_lists.BACK if act.reversed_at else remaining_lists.REST, changes.number(act), reader.code)
        yield Stretch(purpose, len(places) - golden, golden, 0, None, np.arange(len(places)), is_golden)


def _changes(reader: Reader) -> QuerySet[Dealing]:
    """Return the acts that put the rest of this list in order."""
    return reader.study.dealings.filter(plan__begins__has_key=reader.code)


def _today(reader: Reader, first: int, end: int | None) -> tuple[Whole, Flags]:
    """Return the places, from 0, from one position on and before another, and which hold golden images."""
    there = reader.assignments.filter(position__gte=first).order_by("position")
    there = there.filter(position__lt=end) if end else there
    rows = np.array(list(there.values_list("position", "image__is_golden")), np.int64).reshape(-1, 2)
    return rows[:, 0] - 1, rows[:, 1] == 1


def _fit(one: Stretch, source: Source) -> tuple[int, float]:
    """Return how many golden places the guess names, and the chance that one at random names as many."""
    try:
        named = one.names(source(one))
    except reading_lists.ListError:
        return 0, 1.0  # these draws make no such list
    hits = int(np.sum(named & one.is_golden))
    return hits, tail(len(one.places), int(one.is_golden.sum()), int(named.sum()), hits)


def _surest(one: Stretch) -> float:
    golden = int(one.is_golden.sum())
    return tail(len(one.places), golden, golden, golden)


@cache
def tail(places: int, golden: int, named: int, hits: int) -> float:
    """Return the chance that so many places, named at random, hit so many golden ones or more: hypergeometric."""
    fewest, most = max(0, named + golden - places), min(golden, named)
    hits = max(hits, fewest)
    log_ways = _log_ways(golden, hits) + _log_ways(places - golden, named - hits) - _log_ways(places, named)
    total = term = 1.0
    for n in range(hits, most):
        term *= (golden - n) * (named - n) / ((n + 1) * (places - golden - named + n + 1))
        total += term
        if term < total * 1e-17:
            break
    return min(1.0, max(math.exp(log_ways) * total, SMALLEST))


def _log_ways(things: int, chosen: int) -> float:
    return math.lgamma(things + 1) - math.lgamma(chosen + 1) - math.lgamma(things - chosen + 1)


def _together(chances: list[float]) -> float:
    """Return Fisher's chance of all of them together."""
    half = -sum(math.log(chance) for chance in chances)
    terms, term = [], 1.0
    for number in range(1, len(chances) + 1):
        terms.append(term)
        term *= half / number
    return min(1.0, math.exp(-half) * sum(terms))
