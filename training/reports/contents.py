"""What a report holds: a field of these is a key of the report's JSON. [core]"""

from dataclasses import dataclass

from training.fitting.recipe_comparison import Margin
from training.publication.gate import Bar, Condition
from training.statistics.bias import Limits
from training.statistics.intervals import Estimate
from training.statistics.metrics import ReliabilityStep
from training.statistics.panels import Agreement, ReaderStatistics
from training.statistics.subgroups import Subgroup
from training.verdicts.against_readers import AgainstReaders
from training.verdicts.careless_readers import Decided, Flag
from training.verdicts.enough_grades import EnoughGrades


@dataclass(frozen=True)
class Level:
    """A grade of the study's scale."""

    value: int
    name: str


# What the readers' current labels say of them


@dataclass(frozen=True, kw_only=True)
class ReaderNumbers(ReaderStatistics):
    """A row of the report."""

    is_simulated: bool
    counts_for_bar: bool


@dataclass(frozen=True, kw_only=True)
class ReadersReport:
    """All that a study knows without a machine."""

    golden_images: int
    enough: EnoughGrades  # on which of these numbers of several readers rest
    flags: tuple[Flag, ...]  # readers who stand out
    decisions: tuple[Decided, ...]  # of such readers
    bar_without_flagged: Bar | None  # were those who stand out not there
    levels: tuple[Level, ...]
    readers: tuple[ReaderNumbers, ...]
    agreement: Agreement
    subgroups: tuple[Subgroup, ...]  # errors of all readers against the others
    counted_at: str | None  # ISO 8601; None where the numbers are those of now


# What a run found


@dataclass(frozen=True)
class ComparedReader:
    """A reader on the golden images as the run found them, and the machine beside them."""

    code: str
    is_simulated: bool
    rmse: Estimate
    counts_for_bar: bool
    rmse_leave_one_out: Estimate
    machine_minus_reader: Estimate


@dataclass(frozen=True)
class ImageCounts:
    """How many images a run learned from, was judged on, and left out."""

    golden: int
    ordinary: int
    left_out: int


@dataclass(frozen=True)
class OverSeeds:
    """A number of each seed, the published one first: it was fixed beforehand, so none of these was chosen."""

    values: tuple[float, ...]
    mean: float
    lowest: float
    highest: float


@dataclass(frozen=True, kw_only=True)
class RecipeNumbers:
    """How one recipe did."""

    recipe: str
    estimator: str
    training_rows: int
    validation_rmse: Estimate
    validation_rmse_by_seed: OverSeeds
    golden_rmse: Estimate
    golden_rmse_by_seed: OverSeeds
    fit_seconds: float | None
    from_run: int | None


@dataclass(frozen=True)
class Calibration:
    """How far a score means what it says: the consensus on the score."""

    slope: Estimate
    intercept: Estimate
    reliability: tuple[ReliabilityStep, ...]


@dataclass(frozen=True)
class Held:
    """How many of n values lay within the interval."""

    held: int
    n: int
    share: Estimate


@dataclass(frozen=True)
class ScoreInterval:
    """The interval that apps are told, sized on left-out ordinary images, and how often it held on golden ones."""

    coverage: float
    half_width: float | None
    validation_images: int
    golden_consensus: Held | None
    golden_grades: Held | None


@dataclass(frozen=True, kw_only=True)
class MachineNumbers(RecipeNumbers):
    """How the chosen recipe's regressor does on the golden images."""

    pearson_r: Estimate
    spearman_r: Estimate
    mean_absolute_error: Estimate
    bias: Estimate
    limits_of_agreement: Limits
    calibration: Calibration
    confusion: list[list[int]]  # rows: the consensus; columns: the score
    recall: tuple[Estimate, ...]  # of each level
    subgroups: tuple[Subgroup, ...]
    interval: ScoreInterval
    levels: tuple[Level, ...]


@dataclass(frozen=True)
class ChosenRecipe:
    """Which recipe was chosen, by how much, and how easily that comes by chance."""

    recipe: str
    margins: tuple[Margin, ...]
    sentence: str
    repeats: int
    parts: int


@dataclass(frozen=True)
class Point:
    """A golden image."""

    consensus: float
    score: float


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """What a run found, and what was decided of it."""

    study: str
    is_simulated: bool
    made_at: str  # ISO 8601
    run: int
    regressor_id: int | None  # None until it is stored
    images: ImageCounts
    readers: tuple[ComparedReader, ...]
    machine: MachineNumbers
    recipes: tuple[RecipeNumbers, ...]
    choice: ChosenRecipe
    labels_until: int  # the newest label that it read
    grades_sha256: str
    points: tuple[Point, ...]  # in the order of the images' hashes
    bar: Bar | None
    gate: tuple[Condition, ...]
    passes: bool
    conclusion: str
    # None, or nothing, in reports of before 2026-12-01: these were judged by the bar in the published form.
    against: AgainstReaders | None = None
    against_without_flagged: AgainstReaders | None = None  # were those who stand out not there
    enough: EnoughGrades | None = None
    flags: tuple[Flag, ...] = ()
    left_out_readers: tuple[str, ...] = ()  # who were decided to set no bar
    rule_note: str = ""  # where the rule was changed after reading had begun: when, and why


# Both together


@dataclass(frozen=True)
class WithAndWithout:
    """A number with the images that count no more, and without them."""

    with_them: Estimate
    without: Estimate


@dataclass(frozen=True)
class ReaderWithAndWithout:
    """A reader's RMSE with the images that count no more, and without them."""

    code: str
    rmse: WithAndWithout


@dataclass(frozen=True)
class LeftOut:
    """What the numbers would be with the graded images that count no more: taken out, erased, or without consent."""

    images: int
    golden_images: int
    readers: tuple[ReaderWithAndWithout, ...]
    bar_with_them: Bar | None
    bar_without: Bar | None
    # The scores of the latest run against the consensus of now; None where it did not score all of these images.
    golden_rmse: WithAndWithout | None


@dataclass(frozen=True)
class BetterThan:
    """Than how many readers the machine is closer to the others' consensus, and for how many that is established."""

    closer_than: int
    surely_closer_than: int
    surely_farther_than: int
    of: int
    sentence: str


@dataclass(frozen=True, kw_only=True)
class StudyReport(ReadersReport):
    """The report of a study: its readers as they are now, and the machine of its latest run."""

    study: str
    title: str
    is_simulated: bool
    erased_images: int
    left_out: LeftOut | None = None  # None where all graded images count
    bar: Bar | None
    machine_run: RunReport | None
    better_than: BetterThan | None
    labels_since_run: int | None  # the readers' numbers know them, the machine's do not
