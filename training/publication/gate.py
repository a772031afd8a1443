"""The gate: decides from a regressor's results on the golden images whether it is published. [core]

`decide` is the only place where that is decided. Each condition says whether it holds and by how much, in a sentence.
What must be shown of readers and of the regressor in service does not hold where too few images can show it: then a
person publishes, or nobody. Of calibration and subgroups, one that too few images can tell holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from training.statistics.intervals import FEWEST_TO_SHOW, Estimate
from training.statistics.subgroups import Subgroup
from training.verdicts import against_readers
from training.verdicts.against_readers import AgainstReaders
from training.verdicts.careless_readers import Flag

SLOPE_LIMITS = (0.67, 1.5)  # of the consensus on the score: beyond, a score means half as much, or twice, as it says
SUBGROUP_LIMIT = 1.5  # times the RMSE over all golden images
ACTIVE_MARGIN = 0.05  # grades of RMSE that a regressor may be worse than the one in service, unless the rule says so


@dataclass(frozen=True)
class Bar:
    """The worst RMSE, published form, among the readers who count: the paper's number, which decides nothing here."""

    value: float
    reader: str


@dataclass(frozen=True)
class Condition:
    """One thing that must hold, and the sentence that says how far it does."""

    name: str
    passes: bool
    sentence: str


@dataclass(frozen=True)
class Decision:
    """Whether a regressor is published: each condition, and one paragraph for people."""

    conditions: tuple[Condition, ...]
    is_passed: bool
    conclusion: str  # names every condition that fails, and by how much


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What a regressor shows on the golden images."""

    against: AgainstReaders  # it and the readers, by the study's rule
    golden_rmse: Estimate  # against the consensus
    slope: Estimate  # of the consensus on its score
    subgroups: Sequence[Subgroup]  # its errors by kinds of images
    bar: Bar | None  # the paper's number
    excess: Estimate | None  # `against_readers.not_worse` than the regressor in service; None where none answers
    undecided: Sequence[Flag] = ()  # readers who stand out and of whom nobody has decided whether they count
    without_flagged: AgainstReaders | None = None  # it and the readers, were those who stand out not there


def decide(findings: Findings, *, active_margin: float = ACTIVE_MARGIN) -> Decision:
    """Decide whether a regressor is published."""
    conditions = (
        against_the_readers(findings.against),
        decided(findings.undecided),
        against_active(findings.excess, active_margin),
        calibrated(findings.slope),
        even(findings.subgroups, findings.golden_rmse),
    )
    is_passed = all(condition.passes for condition in conditions)
    verdict = "Published." if is_passed else "Not published."
    failed = [condition.sentence for condition in conditions[1:] if not condition.passes]
    without = findings.without_flagged if findings.undecided else None
    if without:
        failed.insert(0, f"Were those who stand out not there: {against_readers.in_words(without)}")
    said = [verdict, conditions[0].sentence, *failed, _published_form(findings.golden_rmse, findings.bar)]
    return Decision(conditions, is_passed, " ".join(filter(None, said)))


def bar_of(errors: Mapping[str, float | None]) -> Bar | None:
    """Return the bar of the readers who count, by their codes; those without an error set none."""
    known = {code: error for code, error in errors.items() if error is not None}
    worst = max(known, key=lambda code: known[code], default=None)
    return None if worst is None else Bar(known[worst], worst)


def against_the_readers(against: AgainstReaders) -> Condition:
    """It must not be farther off than the rule's reader by the margin or more: the whole interval says so."""
    return Condition("readers", against.passes, against_readers.in_words(against))


def decided(undecided: Sequence[Flag]) -> Condition:
    """Whoever stands out as careless sets no bar and clears none before a person has decided."""
    if not undecided:
        return Condition("careless", passes=True, sentence="No reader stands out undecided.")
    names = sorted({flag.reader for flag in undecided})
    said = f"Publishing waits until somebody decides whether {' and '.join(names)} set{'s' if len(names) == 1 else ''}"
    return Condition(
        "careless", passes=False, sentence=f"{said} a bar. {' '.join(flag.sentence for flag in undecided)}"
    )


def against_active(excess: Estimate | None, margin: float) -> Condition:
    """It must be shown not to be worse than the regressor in service by the margin or more."""
    if excess is None:
        return Condition("active", passes=True, sentence="No regressor is in service yet that it could be worse than.")
    if excess.interval is None:
        said = "Whether it is worse than the regressor in service can't be told:"
        return Condition("active", passes=False, sentence=f"{said} {excess.reason}")
    low, high = excess.interval
    passes = high < margin
    words = "worse" if excess.known > 0 else "better"
    sentence = (
        f"Its golden RMSE is {abs(excess.known):.3f} {words} than that of the regressor in service "
        f"(interval of the difference, at this look's level, {low:+.3f} to {high:+.3f}, n = {excess.n})"
    )
    side = "below" if passes else "not wholly below"
    return Condition("active", passes, f"{sentence}, {side} the margin of {margin:g}.")


def calibrated(slope: Estimate) -> Condition:
    """The slope of the consensus on the score must lie within the limits."""
    low, high = SLOPE_LIMITS
    if slope.value is None or slope.n < FEWEST_TO_SHOW:
        return Condition("calibration", passes=True, sentence="Too few golden images to tell how it is calibrated.")
    passes = low <= slope.value <= high
    beyond = "" if passes else f", {max(low - slope.value, slope.value - high):.2f} beyond"
    sentence = f"The calibration slope is {slope.value:.2f}{beyond}; the limits are {low} and {high}."
    return Condition("calibration", passes, sentence)


def even(subgroups: Sequence[Subgroup], golden_rmse: Estimate) -> Condition:
    """In no subgroup of enough images may the RMSE exceed the limit."""
    shown = [group for group in subgroups if group.rmse.value is not None]
    if not shown:
        return Condition("subgroups", passes=True, sentence=f"No subgroup has {FEWEST_TO_SHOW} golden images.")
    limit = SUBGROUP_LIMIT * golden_rmse.known
    worst = max(shown, key=lambda group: group.rmse.known)
    value = worst.rmse.known
    passes = value <= limit
    side = "within" if passes else "beyond"
    sentence = (
        f"The largest error in a subgroup, {worst.column}: {worst.value} (n = {worst.rmse.n}), has an RMSE of "
        f"{value:.3f}, {abs(value - limit):.3f} {side} the limit of {SUBGROUP_LIMIT} times that of all images."
    )
    return Condition("subgroups", passes, sentence)


def _published_form(golden_rmse: Estimate, bar: Bar | None) -> str:
    """Set the paper's two numbers beside each other, and say that they decide nothing."""
    if bar is None or golden_rmse.value is None:
        return ""
    return (
        f"In the paper's form the golden RMSE is {golden_rmse.value:.3f} and the bar, the largest reader's, "
        f"{bar.value:.3f} (n = {golden_rmse.n}): two estimates on the same images, which establish nothing alone."
    )
