"""The report of a study: the numbers of its page and of its JSON, computed once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.utils import timezone

from labeler.models import Label, Reader, Study
from training.fitting import calibration, recipe_comparison
from training.fitting.dataset import GradedImages, OrdinaryImage
from training.fitting.model_selection import Entry
from training.fitting.recipe_comparison import Choice
from training.models import TrainingRun
from training.publication import gate
from training.reports import reader_numbers
from training.statistics import bias, metrics, regression, subgroups
from training.statistics.intervals import Floats

Report = dict[str, Any]


@dataclass(frozen=True)
class GoldenGrades:
    """The readers' current golden grades: (n readers, N images), NaN where there is none."""

    readers: tuple[Reader, ...]
    grades: Floats
    drawn: int  # golden images of the study, graded or not


def build(
    *, study: Study, graded: GradedImages, entries: Sequence[Entry], choice: Choice, active: Floats | None
) -> Report:
    """Return the report of a run: the chosen recipe is its machine, and every recipe has a line.

    active: (N,) scores of the regressor in service, which the machine must not be worse than.
    """
    readers = _readers_of(study, [image.grades for image in graded.golden])
    target = metrics.consensus(readers.grades)
    machine = next(entry for entry in entries if entry.recipe.name == choice.recipe)
    scores = machine.golden[0]
    levels = tuple(study.grade_levels.values_list("value", flat=True))
    report = {
        "study": study.slug,
        "is_simulated": _is_simulated(study, readers),
        "made_at": timezone.now().isoformat(timespec="seconds"),
        "images": {
            "golden": len(graded.golden),
            "ordinary": len(graded.ordinary),
            "left_out": len(graded.left_out),
        },
        "readers": _reader_rows(readers, scores),
        "machine": {
            **_entry_row(machine, target, graded.ordinary),
            "pearson_r": metrics.pearson_r(scores, target).as_json(),
            "mean_absolute_error": metrics.mean_absolute_error(scores, target).as_json(),
            "confusion": metrics.confusion(scores, target, levels).tolist(),
            **_against_consensus(scores, target, levels),
            "subgroups": _subgroups(study, [image.content_hash for image in graded.golden], scores - target),
            "interval": _interval_row(machine, readers, graded.ordinary),
            "levels": [{"value": level.value, "name": level.name} for level in study.grade_levels.all()],
        },
        "recipes": [_entry_row(entry, target, graded.ordinary) for entry in entries],
        "choice": _choice_row(choice, machine),
        "labels_until": graded.labels_until,
        "grades_sha256": graded.snapshot,
        "points": [{"consensus": float(c), "score": float(s)} for c, s in zip(target, scores, strict=True)],
    }
    return {**report, **judge(report, against_active=gate.against_active(scores, active, target))}


def _against_consensus(scores: Floats, target: Floats, levels: tuple[int, ...]) -> Report:
    """How the machine leans, and how far a score means what it says: the consensus on the score."""
    limits = bias.bland_altman(scores, target)
    line = regression.fit_line(scores, target)
    return {
        "spearman_r": metrics.spearman_r(scores, target).as_json(),
        "recall": [share.as_json() for share in metrics.recall(scores, target, levels)],
        "bias": limits.bias.as_json(),
        "limits_of_agreement": {"lower": limits.lower.as_json(), "upper": limits.upper.as_json()},
        "calibration": {
            "slope": line.slope.as_json(),
            "intercept": line.intercept.as_json(),
            "reliability": [
                {"score": score, "consensus": said.as_json()}
                for score, said in metrics.reliability(scores, target, levels)
            ],
        },
    }


def _subgroups(study: Study, hashes: Sequence[str], errors: Floats) -> list[Report]:
    """Return the machine's errors by everything that is known of the golden images."""
    images = {image.content_hash: image for image in study.images.filter(is_golden=True).select_related("measurement")}
    columns = reader_numbers.columns_of([images[content_hash] for content_hash in hashes])
    return [reader_numbers.as_row(one) for one in subgroups.by_column(errors, columns)]


def _entry_row(entry: Entry, target: Floats, ordinary: Sequence[OrdinaryImage]) -> Report:
    grades = np.array([image.grade for image in ordinary])
    return {
        "recipe": entry.recipe.name,
        "estimator": entry.recipe.about,
        "training_rows": entry.training_rows,
        "validation_rmse": metrics.rmse(entry.left_out[0], grades).as_json(),
        "validation_rmse_by_seed": _over_seeds(recipe_comparison.rmse(entry.left_out, grades).tolist()),
        "golden_rmse": metrics.rmse(entry.golden[0], target).as_json(),
        "golden_rmse_by_seed": _over_seeds([metrics.rmse(row, target).value or 0.0 for row in entry.golden]),
        "fit_seconds": entry.seconds,
        "from_run": entry.from_run,
    }


def _choice_row(choice: Choice, machine: Entry) -> Report:
    """Say what was chosen, by how much, and how easily that comes by chance."""
    return {
        "recipe": choice.recipe,
        "margins": [margin.as_json() for margin in choice.margins],
        "sentence": choice.in_words(),
        "repeats": len(machine.left_out),
        "parts": recipe_comparison.PARTS,
    }


def _interval_row(machine: Entry, golden: GoldenGrades, ordinary: Sequence[OrdinaryImage]) -> Report:
    """The interval that apps are told, sized on left-out ordinary images, and how often it held on golden ones."""
    width = calibration.half_width(left_out_errors(machine, ordinary))
    row = {"coverage": calibration.COVERAGE, "half_width": width, "validation_images": len(ordinary)}
    if width is None:
        return {**row, "golden_consensus": None, "golden_grades": None}
    off = np.abs(metrics.consensus(golden.grades) - machine.golden[0])  # (N,)
    errors = np.abs(golden.grades - machine.golden[0])  # (n, N), NaN where a reader gave no grade
    return {**row, "golden_consensus": _share(off[None], width), "golden_grades": _share(errors, width)}


def _share(errors: Floats, width: float) -> Report:
    """Say how many of (n, N) errors are within; all that were made on one image are drawn together."""
    held = np.where(np.isfinite(errors), errors <= width, np.nan)
    counts = {"held": int(np.nansum(held)), "n": int(np.isfinite(held).sum())}
    return {**counts, "share": metrics.coverage(held).as_json()}


def left_out_errors(entry: Entry, ordinary: Sequence[OrdinaryImage]) -> list[float]:
    """Return grade - score of every ordinary image, by a fit that left it out."""
    return [float(image.grade - score) for image, score in zip(ordinary, entry.left_out[0], strict=True)]


def _over_seeds(values: list[float]) -> Report:
    """The published seed's value first; it was fixed beforehand, so none of these was chosen."""
    return {"values": values, "mean": sum(values) / len(values), "lowest": min(values), "highest": max(values)}


def judge(report: Report, *, against_active: gate.Condition) -> Report:
    """Hold the machine against the gate. The conclusion names every condition that fails, and by how much."""
    machine, bar = report["machine"], bar_of(report["readers"])
    conditions = [
        gate.against_bar(machine["golden_rmse"], bar),
        against_active,
        gate.calibrated(machine["calibration"]["slope"]),
        gate.subgroups(machine["subgroups"], machine["golden_rmse"]["value"]),
    ]
    passes = all(condition.passes for condition in conditions)
    failed = [condition.sentence for condition in conditions if not condition.passes and condition.name != "bar"]
    measured = f"{'Published' if passes else 'Not published'}. {_measured(machine['golden_rmse'], bar)}"
    return {
        "bar": bar,
        "gate": [condition.as_json() for condition in conditions],
        "passes": passes,
        "conclusion": " ".join([measured, *failed]),
    }


def _measured(machine: Report, bar: Report | None) -> str:
    if bar is None:
        return gate.NO_BAR
    verdict = _verdict(machine, bar["value"], passes=machine["value"] <= bar["value"])
    return f"The machine's golden RMSE is {_in_words(machine)}: {verdict}"


def _in_words(estimate: Report) -> str:
    interval = f"95 % interval {estimate['low']:.2f} to {estimate['high']:.2f}, " if estimate["low"] is not None else ""
    return f"{estimate['value']:.2f} ({interval}n = {estimate['n']})"


def _verdict(machine: Report, bar: float, *, passes: bool) -> str:
    side = "within" if passes else "beyond"
    if machine["low"] is None:
        return f"{side} the bar of {bar:.2f}, but one image establishes nothing."
    if machine["low"] <= bar <= machine["high"]:
        return f"{side} the bar of {bar:.2f}; but the interval contains the bar, so this is not established."
    return f"{side} the bar of {bar:.2f}, and so is its whole interval."


def bar_of(readers: Sequence[Report]) -> Report | None:
    """Return the worst RMSE, published form, among the readers who graded enough of the golden set, and whose it is."""
    counted = [row for row in readers if row["counts_for_bar"]]
    if not counted:
        return None
    worst = max(counted, key=lambda row: float(row["rmse"]["value"]))
    return {"value": worst["rmse"]["value"], "reader": worst["code"]}


def latest(study: Study) -> TrainingRun | None:
    """Return the latest run that has a report."""
    return study.training_runs.filter(report__isnull=False).first()


def current(study: Study, *, anew: bool = False, may_be_late: bool = False) -> Report:
    """Return what the page and `manage.py report --json` show: live readers, and the latest run's machine.

    `anew` computes what is remembered once more, and writes nothing. `may_be_late` is for those who would wait.
    """
    run = latest(study)
    standing = reader_numbers.compute(study) if anew else reader_numbers.of(study, may_be_late=may_be_late)
    return {
        "study": study.slug,
        "title": study.title,
        "is_simulated": study.is_simulated or any(row["is_simulated"] for row in standing["readers"]),
        **standing,
        "erased_images": study.images.filter(is_erased=True).count(),
        "bar": bar_of(standing["readers"]),
        "machine_run": run.report if run else None,
        "better_than": better_than(run.report["readers"]) if run and run.report else None,
        "labels_since_run": _labels_since(run) if run else None,
    }


def better_than(readers: Sequence[Report]) -> Report:
    """Return than how many readers the machine is closer to the others' consensus, and for how many that is sure.

    readers: of a run, each with its paired comparison on the same images.
    """
    compared = [row["machine_minus_reader"] for row in readers]
    compared = [one for one in compared if one["value"] is not None]
    closer = sum(one["value"] < 0 for one in compared)
    sure = sum(one["high"] is not None and one["high"] < 0 for one in compared)
    surely_farther = sum(one["low"] is not None and one["low"] > 0 for one in compared)
    return {
        "closer_than": closer,
        "surely_closer_than": sure,
        "surely_farther_than": surely_farther,
        "of": len(compared),
        "sentence": _better_in_words(closer, sure, surely_farther, len(compared)),
    }


def _better_in_words(closer: int, sure: int, farther: int, of: int) -> str:
    if not of:
        return "No reader can be compared with the machine yet."
    said = f"The machine is closer to the other readers than {closer} of {of} readers are"
    if sure:
        said += f"; for {sure} of them the interval leaves out 0, so that is established"
    elif closer:
        said += "; for none of them is that established, since every interval contains 0"
    return f"{said}. It is established to be farther off than {farther}." if farther else f"{said}."


def _labels_since(run: TrainingRun) -> int:
    """Count the labels stored after the run read them: the readers' numbers rest on them, the machine's do not."""
    until = (run.report or {})["labels_until"]
    return Label.objects.filter(assignment__reader__study=run.study_id, pk__gt=until).count()


def _readers_of(study: Study, golden: Sequence[dict[str, int]]) -> GoldenGrades:
    readers = tuple(study.readers.order_by("code"))
    grades = np.array([[image.get(reader.code, np.nan) for image in golden] for reader in readers], dtype=float)
    drawn = study.images.filter(is_golden=True).count()
    return GoldenGrades(readers, grades.reshape(len(readers), len(golden)), drawn)


def _reader_rows(golden: GoldenGrades, scores: Floats) -> list[Report]:
    return [_reader_row(golden, number, reader, scores) for number, reader in enumerate(golden.readers)]


def _reader_row(golden: GoldenGrades, number: int, reader: Reader, scores: Floats) -> Report:
    rmse = metrics.reader_rmse(golden.grades, number)
    return {
        "code": reader.code,
        "is_simulated": reader.is_simulated,
        "rmse": rmse.as_json(),
        "counts_for_bar": reader_numbers.counts_for_bar(rmse.n, golden.drawn),
        "rmse_leave_one_out": metrics.reader_rmse_leave_one_out(golden.grades, number).as_json(),
        "machine_minus_reader": metrics.compare_with_reader(scores, golden.grades, number).as_json(),
    }


def _is_simulated(study: Study, golden: GoldenGrades) -> bool:
    return study.is_simulated or any(reader.is_simulated for reader in golden.readers)


def published(study: Study) -> TrainingRun | None:
    """Return the run whose regressor answers for the study now."""
    return study.training_runs.filter(regressor__is_active=True).first()
