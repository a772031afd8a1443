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

from labeler.blinding_audit import guesses
from labeler.blinding_audit.blinding_audit import Verdict
from labeler.blinding_audit.guesses import Known
from labeler.dealing import changes, reading_lists
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
class DealtList:
    """How long a list was dealt, and what stands at its first places, which no later change touched."""

    code: str
    act: int
    ordinary: int
    golden: int
    repeats: int
    gap: int | None
    places: Whole  # (n,) from 0
    is_golden: Flags  # (n,)

    @property
    def length(self) -> int:
        return self.ordinary + self.golden + self.repeats


Source = Callable[[DealtList], Draws]


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
    lists = sorted(_dealt(study), key=lambda one: -len(one.places))
    if not lists:
        return Reconstruction(Verdict.TOO_FEW, 0, reason="no list was dealt here")
    surest = _together([_surest(one) for one in lists])
    if surest > FOUND:
        return Reconstruction(Verdict.TOO_FEW, 0, reason=f"even the secret itself fits with a chance of {surest:.0e}")
    longest, best, tried = lists[0], 0, 0
    for name, source in _sources(_known(study), numbers):
        tried += 1
        hits, p = _fit(longest, source)
        if p <= WORTH_A_LOOK and _together([p, *(_fit(one, source)[1] for one in lists[1:])]) <= FOUND:
            return _result(longest, Verdict.LEAK, tried, hits, name)
        best = max(best, hits)
    return _result(longest, Verdict.BLIND, tried, best)


def _result(one: DealtList, verdict: Verdict, tried: int, hits: int, found: str = "") -> Reconstruction:
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


def _sources(known: Known, numbers: int) -> Iterator[tuple[str, Source]]:
    for what, seed in guesses.seeds_to_try(known, numbers):
        yield f"{what}, in the construction of releases before 2026-12", _of_old(seed)
    for guess in guesses.secrets_to_try(known, numbers):
        yield guess.name, _of_secret(guess.secret)


def _of_secret(secret: bytes) -> Source:
    key = keyed_draws.dealing_key(secret)
    return lambda one: keyed_draws.by_key(key, "order", one.act, one.code)


def _of_old(seed: int) -> Source:
    def draws(one: DealtList) -> Draws:
        drawn_from = hashlib.sha256(f"order {seed} {one.code}".encode()).digest()
        # It has the methods of the same names, which that construction called with the same arguments.
        return cast("Draws", np.random.RandomState(np.frombuffer(drawn_from, np.uint32)))

    return draws


def _dealt(study: Study) -> list[DealtList]:
    gap = changes.first_design(study).gap
    acts = study.dealings.filter(kind__in=(Dealing.Kind.FIRST, Dealing.Kind.JOIN), reversed_at=None)
    return [
        one
        for act in acts
        for reader in (study.readers.all() if act.kind == Dealing.Kind.FIRST else [act.reader])
        if reader and (one := _list(reader, act, gap)) and one.is_golden.any()
    ]


def _list(reader: Reader, act: Dealing, gap: int | None) -> DealtList:
    dealt = act.assignments.filter(reader=reader)
    golden, repeats = dealt.filter(image__is_golden=True, is_repeat=False).count(), dealt.filter(is_repeat=True).count()
    length = dealt.count()
    today = reader.assignments.filter(position__lt=min(length + 1, _touched(reader, act))).order_by("position")
    rows = np.array(list(today.values_list("position", "image__is_golden")), np.int64).reshape(-1, 2)
    ordinary = length - golden - repeats
    act_number = changes.number(act)
    return DealtList(reader.code, act_number, ordinary, golden, repeats, gap, rows[:, 0] - 1, rows[:, 1] == 1)


def _touched(reader: Reader, act: Dealing) -> int:
    """Return the first place that a change after the act put in another order."""
    later = reader.study.dealings.filter(pk__gt=act.pk)
    known = [plan.get("begins", {}).get(reader.code) for plan in later.values_list("plan", flat=True)]
    # Changes of earlier releases kept the order that was, and put images between.
    came = reader.assignments.filter(dealing__in=later, position__isnull=False).order_by("position")
    return min((place for place in (*known, came.values_list("position", flat=True).first()) if place), default=2**31)


def _fit(one: DealtList, source: Source) -> tuple[int, float]:
    """Return how many golden places the guess names, and the chance that one at random names as many."""
    ordinary, golden = np.arange(one.ordinary), np.arange(one.ordinary, one.ordinary + one.golden)
    try:
        images, _ = reading_lists.arrange(ordinary, golden, one.repeats, source(one), gap=one.gap)
    except reading_lists.ListError:
        return 0, 1.0  # these draws make no such list
    named = images[one.places] >= one.ordinary
    hits = int(np.sum(named & one.is_golden))
    return hits, tail(len(one.places), int(one.is_golden.sum()), int(named.sum()), hits)


def _surest(one: DealtList) -> float:
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
