"""What a run reports: its machine and every recipe on the golden images, beside the readers."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from django.utils import timezone

from labeler.models import Image, Reader, Study
from labeler.platform import typed_json
from training.fitting import calibration, recipe_comparison
from training.fitting.dataset import GradedImages, OrdinaryImage
from training.fitting.model_selection import Entry
from training.fitting.recipe_comparison import Choice
from training.models import TrainingRun
from training.publication import gate, reader_decisions
from training.publication.gate import Bar, Decision
from training.reports import reader_numbers
from training.reports.contents import (
    Calibration,
    ChosenRecipe,
    ComparedReader,
    Held,
    ImageCounts,
    Level,
    MachineNumbers,
    OverSeeds,
    Point,
    RecipeNumbers,
    RunReport,
    ScoreInterval,
)
from training.statistics import bias, metrics, panels, regression, subgroups
from training.statistics.intervals import Floats, People, mean, share
from training.verdicts import against_readers, careless_readers, enough_grades, judged_panel
from training.verdicts.against_readers import AgainstReaders, Rule
from training.verdicts.careless_readers import Decided, Flag
from training.verdicts.enough_grades import EnoughGrades


@dataclass(frozen=True)
class Measured:
    """What the golden images say of a run's chosen recipe, and of the readers beside it."""

    people: People  # (N,) the number of the person in each image
    consensus: Floats  # (N,) of all grades that there are
    judged: Floats  # (N,) the same where it has enough grades, else NaN; all of it as long as no image has
    scores: Floats  # (N,) of the fit that may be published
    readers: tuple[ComparedReader, ...]
    machine: MachineNumbers
    against: AgainstReaders
    against_without_flagged: AgainstReaders | None
    enough: EnoughGrades
    flags: tuple[Flag, ...]
    decisions: tuple[Decided, ...]
    bar: Bar | None


def of(run: TrainingRun | None) -> RunReport | None:
    """Return the report that stands on a run's row. Raises pydantic.ValidationError where it is no such report."""
    return typed_json.load(RunReport, run.report) if run and run.report is not None else None


def latest(study: Study) -> TrainingRun | None:
    """Return the latest run that has a report."""
    return study.training_runs.filter(report__isnull=False).first()


def published(study: Study) -> TrainingRun | None:
    """Return the run whose regressor answers for the study now."""
    return study.training_runs.filter(regressor__is_active=True).first()


def measure(study: Study, graded: GradedImages, chosen: Entry) -> Measured:
    """Measure the chosen recipe and the readers on the golden images: another look at these."""
    readers = study.readers.order_by("code")
    rows = [[image.grades.get(reader.code, np.nan) for image in graded.golden] for reader in readers]
    grades = np.array(rows, dtype=float).reshape(len(readers), len(graded.golden))
    drawn = study.images.filter(is_golden=True).count()
    enough, has_enough = enough_grades.of_panel(grades, drawn)
    scores, consensus = chosen.golden[0], metrics.consensus(grades)
    target = np.where(has_enough, consensus, np.nan) if enough.images else consensus
    judged = enough_grades.only(grades, has_enough) if enough.images else grades
    levels = tuple(Level(level.value, level.name) for level in study.grade_levels.all())
    scale = [level.value for level in levels]
    images = {image.content_hash: image for image in study.images.filter(is_golden=True).select_related("measurement")}
    columns = reader_numbers.columns_of([images[image.content_hash] for image in graded.golden])
    people = _people([image.content_hash for image in graded.golden], images)
    line = regression.fit_line(scores, target, people)
    machine = MachineNumbers(
        **vars(_recipe_numbers(chosen, target, graded.ordinary, people)),
        pearson_r=metrics.pearson_r(scores, target, people),
        spearman_r=metrics.spearman_r(scores, target, people),
        mean_absolute_error=metrics.mean_absolute_error(scores, target, people),
        bias=mean(scores - target, people),
        limits_of_agreement=bias.limits_of_agreement(scores, target, people),
        calibration=Calibration(line.slope, line.intercept, metrics.reliability(scores, target, scale, people)),
        confusion=metrics.confusion(scores, target, scale).tolist(),
        recall=metrics.recall(scores, target, scale, people),
        subgroups=subgroups.by_column(scores - target, columns, people),
        interval=_interval(left_out_errors(chosen, graded.ordinary), target - scores, judged - scores, people),
        levels=levels,
    )
    codes = [reader.code for reader in readers]
    flags = careless_readers.find(grades, codes, reader_numbers.looks(study))
    decisions = reader_decisions.standing(study)
    left_out = careless_readers.left_out(decisions)
    judging = enough_grades.only(grades, has_enough)
    compared = _compared(readers, grades, judging, scores, drawn, left_out, people)
    number = looks_so_far(study) + 1

    def against(without: Collection[str]) -> AgainstReaders:
        panel = judged_panel.of(grades, codes, drawn=drawn, without=without)
        return panel.against(scores, people, rule=rule_of(study), look=number)

    return Measured(
        people=people,
        consensus=consensus,
        judged=target,
        scores=scores,
        readers=compared,
        machine=machine,
        against=against(left_out),
        against_without_flagged=against(left_out | {flag.reader for flag in flags}) if flags else None,
        enough=enough,
        flags=flags,
        decisions=decisions,
        bar=gate.bar_of({row.code: row.rmse.value for row in compared if row.counts_for_bar}),
    )


def looks_so_far(study: Study) -> int:
    """Return how many runs have been judged on the study's golden images."""
    return study.training_runs.filter(report__isnull=False).count()


def rule_of(study: Study) -> Rule:
    """Return whom the study's machine is held against, as set; or the worst reader, without a margin."""
    row = study.judging_rules.first()
    return typed_json.load(Rule, {"against": row.against, "margin": row.margin}) if row else Rule()


def decide(study: Study, measured: Measured, active: Floats | None) -> Decision:
    """Decide whether the measured regressor is published. `active`: (N,) scores of the one in service, if there is one.

    Every look at the golden images has its own level, and the regressor in service is compared by the same.
    """
    row = study.judging_rules.first()
    look, machine = measured.against.look, measured.machine
    excess = None
    if active is not None:
        excess = against_readers.not_worse(measured.scores, active, measured.judged, measured.people, look=look)
    findings = gate.Findings(
        against=measured.against,
        golden_rmse=machine.golden_rmse,
        slope=machine.calibration.slope,
        subgroups=machine.subgroups,
        bar=measured.bar,
        excess=excess,
        undecided=careless_readers.undecided(measured.flags, measured.decisions),
        without_flagged=measured.against_without_flagged,
    )
    return gate.decide(findings, active_margin=row.active_margin if row else gate.ACTIVE_MARGIN)


def _rule_note(study: Study) -> str:
    """Say of each change of the rule after reading had begun when it was made, and why."""
    late = reversed(study.judging_rules.filter(after_reading=True))
    return " ".join(
        f"The rule was changed on {row.set_at:%Y-%m-%d}, after reading had begun: {row.reason}" for row in late
    )


def build(
    *,
    run: TrainingRun,
    graded: GradedImages,
    entries: Sequence[Entry],
    choice: Choice,
    measured: Measured,
    decision: Decision,
) -> RunReport:
    """Return the report of a run: the chosen recipe is its machine, and every recipe has a line."""
    repeats = next(len(entry.left_out) for entry in entries if entry.recipe.name == choice.recipe)
    return RunReport(
        study=run.study.slug,
        is_simulated=run.study.is_simulated or any(reader.is_simulated for reader in measured.readers),
        made_at=timezone.now().isoformat(timespec="seconds"),
        run=run.pk,
        regressor_id=None,
        images=ImageCounts(len(graded.golden), len(graded.ordinary), len(graded.left_out)),
        readers=measured.readers,
        machine=measured.machine,
        recipes=tuple(_recipe_numbers(entry, measured.judged, graded.ordinary, measured.people) for entry in entries),
        choice=ChosenRecipe(choice.recipe, choice.margins, choice.in_words(), repeats, recipe_comparison.PARTS),
        labels_until=graded.labels_until,
        grades_sha256=graded.snapshot,
        points=tuple(map(Point, measured.consensus.tolist(), measured.scores.tolist())),
        bar=measured.bar,
        gate=decision.conditions,
        passes=decision.is_passed,
        conclusion=decision.conclusion,
        against=measured.against,
        against_without_flagged=measured.against_without_flagged,
        enough=measured.enough,
        flags=measured.flags,
        left_out_readers=tuple(sorted(careless_readers.left_out(measured.decisions))),
        rule_note=_rule_note(run.study),
    )


def _compared(
    readers: Iterable[Reader],
    grades: Floats,
    judged: Floats,
    scores: Floats,
    drawn: int,
    left_out: Collection[str],
    people: People,
) -> tuple[ComparedReader, ...]:
    """Return each reader's errors by the rows of (n, N) `judged` grades, and what the machine's are less them.

    Whether a reader has done enough to set a bar is told by all their grades.
    """
    counts = enough_grades.who_count(grades, drawn)
    return tuple(
        ComparedReader(
            code=reader.code,
            is_simulated=reader.is_simulated,
            rmse=metrics.reader_rmse(judged, number, people),
            counts_for_bar=bool(counts[number]) and reader.code not in left_out,
            rmse_leave_one_out=metrics.reader_rmse_leave_one_out(judged, number, people),
            machine_minus_reader=metrics.compare_with_reader(scores, judged, number, people),
        )
        for number, reader in enumerate(readers)
    )


def _people(names: Sequence[str], images: Mapping[str, Image]) -> People:
    return panels.number_people(names, {name: image.subject for name, image in images.items()})


def _recipe_numbers(entry: Entry, target: Floats, ordinary: Sequence[OrdinaryImage], people: People) -> RecipeNumbers:
    grades = np.array([image.grade for image in ordinary])
    return RecipeNumbers(
        recipe=entry.recipe.name,
        estimator=entry.recipe.about,
        training_rows=entry.training_rows,
        validation_rmse=metrics.rmse(entry.left_out[0], grades),
        validation_rmse_by_seed=_over_seeds(recipe_comparison.rmse(entry.left_out, grades).tolist()),
        golden_rmse=metrics.rmse(entry.golden[0], target, people),
        golden_rmse_by_seed=_over_seeds([metrics.rmse(row, target).value or 0.0 for row in entry.golden]),
        fit_seconds=entry.seconds,
        from_run=entry.from_run,
    )


def _over_seeds(values: list[float]) -> OverSeeds:
    return OverSeeds(tuple(values), sum(values) / len(values), min(values), max(values))


def _interval(left_out: Sequence[float], consensus: Floats, grades: Floats, people: People) -> ScoreInterval:
    """Size the interval by errors of left-out ordinary images; say how often it held the consensus (N,), grades (n, N).

    All three are less the score; NaN where a reader gave no grade.
    """
    width = calibration.half_width(left_out)
    held = (None if width is None else _held(np.abs(errors), width, people) for errors in (consensus[None], grades))
    return ScoreInterval(calibration.COVERAGE, width, len(left_out), *held)


def _held(errors: Floats, width: float, people: People) -> Held:
    """Say how many of (n, N) errors are within; all that were made on one person's images count together."""
    held = np.where(np.isfinite(errors), errors <= width, np.nan)
    return Held(int(np.nansum(held)), int(np.isfinite(held).sum()), share(held, people))


def left_out_errors(entry: Entry, ordinary: Sequence[OrdinaryImage]) -> list[float]:
    """Return grade - score of every ordinary image, by a fit that left it out."""
    return [float(image.grade - score) for image, score in zip(ordinary, entry.left_out[0], strict=True)]
