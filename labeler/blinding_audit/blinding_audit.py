"""The blinding audit: AUC per channel for telling golden or repeated images from ordinary ones. [core]

Per channel: traits -> columns -> a classifier cross-validated over images -> AUC, its interval, a permutation p-value.
docs/science/statistics.md defines every number; docs/science/blinding.md says what an audit sees and what it can't.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from labeler.blinding_audit import classifier
from labeler.blinding_audit.classifier import Floats, Trial
from labeler.blinding_audit.features import CHANNELS, Traits

EVERYTHING = "all"  # the channels together
# Where a number follows from the photograph itself: what the original's width, height and bytes explain is taken off.
OF_THE_PICTURE = frozenset({"page", "size", "encoding", "time"})
ORIGINAL = "original"  # what the photographs themselves tell, for comparison
FEWEST = 10  # images of a class: fewer say nothing
ALPHA = 0.05
CHANCE = 0.5
SEED = 2019


@dataclass(frozen=True)
class Photograph:
    """An image as it came: what differs there is the picture's, and not told by the platform."""

    width: int
    height: int
    size: int  # bytes


@dataclass(frozen=True)
class Row:
    """One image on one reader's list: what was received, and the truth that no reader knows."""

    image: int
    photograph: Photograph
    is_golden: bool
    is_repeated: bool  # this reader meets it twice
    channels: Mapping[str, Traits]


class Verdict(StrEnum):
    BLIND = "blind"
    LEAK = "leak"
    TOO_FEW = "too few"


@dataclass(frozen=True)
class Finding:
    """How well one channel tells a class: 0.5 is a coin, 1 is knowledge. None where there is nothing to say."""

    question: str
    channel: str
    verdict: Verdict
    auc: float | None
    low: float | None
    high: float | None
    p: float | None  # one-sided, over permutations of the classes
    adjusted_p: float | None  # Holm, over the findings of this audit
    reason: str = ""


@dataclass(frozen=True)
class Answer:
    """One question's findings, and a reference: what the originals' own measures tell. It is no verdict."""

    question: str
    members: int  # images of the class
    others: int
    findings: tuple[Finding, ...]
    reference: Finding | None = None


QUESTIONS: dict[str, Callable[[Row], bool]] = {
    "golden": lambda row: row.is_golden,
    "repeat": lambda row: row.is_repeated,
}


def audit(rows: Sequence[Row], *, seed: int = SEED, permutations: int = classifier.PERMUTATIONS) -> list[Answer]:
    """Ask of the rows every question that the study has a class for."""
    asked = [name for name, is_member in QUESTIONS.items() if name == "golden" or any(map(is_member, rows))]
    answers = [_answer(name, rows, seed, permutations) for name in asked]
    return _judged(answers)


def exit_status(answers: Sequence[Answer], others: Iterable[Verdict] = ()) -> int:
    """Return 1 for a leak, there or in other attacks, 2 where a question had too few images to be answered, else 0."""
    verdicts = {finding.verdict for answer in answers for finding in answer.findings}
    return 1 if Verdict.LEAK in {*verdicts, *others} else 2 if Verdict.TOO_FEW in verdicts else 0


def _answer(question: str, rows: Sequence[Row], seed: int, permutations: int) -> Answer:
    rows = _of_one_class_per_image(rows, QUESTIONS[question])
    classes = {row.image: QUESTIONS[question](row) for row in rows}
    members = sum(classes.values())
    others = len(classes) - members
    names = (*CHANNELS, EVERYTHING)
    if min(members, others) < FEWEST:
        reason = f"{members} images against {others}: each side needs {FEWEST}"
        return Answer(
            question,
            members,
            others,
            tuple(Finding(question, name, Verdict.TOO_FEW, None, None, None, None, None, reason) for name in names),
        )
    images, is_member = [row.image for row in rows], [QUESTIONS[question](row) for row in rows]
    trial = Trial.of(images, is_member, seed=seed, permutations=permutations)
    reference = _finding(question, ORIGINAL, trial, classifier.columns_of(_photograph_traits(rows), trial.images))
    measures = _measures(rows)
    findings = (_finding(question, name, trial, _columns(rows, name, trial, measures)) for name in names)
    return Answer(question, members, others, tuple(findings), reference)


def _finding(question: str, channel: str, trial: Trial, columns: Floats) -> Finding:
    guess = trial.guess(columns)
    reason = "nothing varies" if guess.is_constant else ""
    return Finding(question, channel, Verdict.BLIND, guess.auc, guess.low, guess.high, guess.p, None, reason)


def _of_one_class_per_image(rows: Sequence[Row], is_member: Callable[[Row], bool]) -> list[Row]:
    """Leave out other readers' rows of an image that only some of them meet twice: its class must be one."""
    members = {row.image for row in rows if is_member(row)}
    return [row for row in rows if is_member(row) or row.image not in members]


def _columns(rows: Sequence[Row], channel: str, trial: Trial, measures: Floats) -> Floats:
    names = CHANNELS if channel == EVERYTHING else (channel,)
    return np.hstack(
        [
            classifier.columns_of(
                [row.channels[name] for row in rows], trial.images, measures if name in OF_THE_PICTURE else None
            )
            for name in names
        ]
    )


def _photograph_traits(rows: Sequence[Row]) -> list[Traits]:
    photographs = (row.photograph for row in rows)
    return [{"width": float(one.width), "height": float(one.height), "bytes": float(one.size)} for one in photographs]


def _measures(rows: Sequence[Row]) -> Floats:
    """Return (n, 7): one, the logarithms of the originals' width, height and bytes, and their squares."""
    logs = np.log([[one.width, one.height, max(one.size, 1)] for one in (row.photograph for row in rows)])
    centred = logs - logs.mean(axis=0)
    return np.hstack([np.ones((len(rows), 1)), centred, centred**2])


# The verdict


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values (1979), in the order given: they bound the chance of any false alarm."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, largest = [1.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def _judged(answers: Sequence[Answer]) -> list[Answer]:
    """Adjust every p over the whole audit, and say what is a leak."""
    p_values = [finding.p for answer in answers for finding in answer.findings if finding.p is not None]
    adjusted = iter(holm(p_values))
    return [
        replace(answer, findings=tuple(_decided(finding, adjusted) for finding in answer.findings))
        for answer in answers
    ]


def _decided(finding: Finding, adjusted: Iterator[float]) -> Finding:
    if finding.p is None or finding.low is None:
        return finding
    p = next(adjusted)
    is_leak = finding.low > CHANCE and p < ALPHA
    return replace(finding, adjusted_p=p, verdict=Verdict.LEAK if is_leak else Verdict.BLIND)
