"""What the report page and its JSON show: the same numbers, computed once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db.models import Q
from django.utils import timezone
from numpy.typing import NDArray

from labeler import consensus
from labeler.models import Label, Reader, Study
from training import bias, calibration, metrics, panels, regression, subgroups
from training.dataset import GradedImages, Split
from training.intervals import Estimate, Floats
from training.models import TrainingRun
from training.panels import Panel, Reading

Report = dict[str, Any]

# A reader who has just begun would otherwise set the bar by two or three images.
BAR_SHARE = 0.5  # of the golden images
MEASURED = ("exposure", "contrast", "sharpness")  # whose thirds are subgroups
# Beyond, only golden and repeated labels are read: what came before each would take the page seconds to read.
MOST_LABELS_IN_ORDER = 100_000
NO_BAR = "no reader has graded half of the golden images yet, so there is no bar."


@dataclass(frozen=True)
class GoldenGrades:
    """The readers' current golden grades: (n readers, N images), NaN where there is none."""

    readers: tuple[Reader, ...]
    grades: Floats
    drawn: int  # golden images of the study, graded or not


@dataclass(frozen=True)
class Candidate:
    """What a fitted recipe says of images it was not fitted on."""

    recipe: str
    training_rows: int
    validation: Floats  # (V,) scores of the seed that may be published
    golden: Floats  # (seeds, N) scores, that of the seed that may be published first


def choose(candidates: Sequence[Candidate], split: Split) -> int:
    """Return which candidate validates best. Only ordinary images have a say: golden ones are for judging."""
    if not split.validation:
        return 0
    errors = [float(_validation_rmse(candidate, split).value or 0.0) for candidate in candidates]
    return errors.index(min(errors))


def build(*, study: Study, graded: GradedImages, split: Split, candidates: Sequence[Candidate], chosen: int) -> Report:
    """Return the report of a run: the chosen candidate is its machine, and every candidate has a line."""
    readers = _readers_of(study, [image.grades for image in graded.golden])
    target = metrics.consensus(readers.grades)
    machine = candidates[chosen]
    scores = machine.golden[0]
    levels = tuple(study.grade_levels.values_list("value", flat=True))
    report = {
        "study": study.slug,
        "is_simulated": _is_simulated(study, readers),
        "made_at": timezone.now().isoformat(timespec="seconds"),
        "images": {
            "golden": len(graded.golden),
            "train": len(split.train),
            "validation": len(split.validation),
            "left_out": len(graded.left_out),
        },
        "readers": _reader_rows(readers, scores),
        "machine": {
            **_candidate_row(machine, target, split),
            "pearson_r": metrics.pearson_r(scores, target).as_json(),
            "mean_absolute_error": metrics.mean_absolute_error(scores, target).as_json(),
            "confusion": metrics.confusion(scores, target, levels).tolist(),
            **_against_consensus(scores, target, levels),
            "subgroups": _subgroups(study, [image.content_hash for image in graded.golden], scores - target),
            "interval": _interval_row(machine, readers, split),
            "levels": [{"value": level.value, "name": level.name} for level in study.grade_levels.all()],
        },
        "recipes": [_candidate_row(candidate, target, split) for candidate in candidates],
        "labels_until": graded.labels_until,
        "grades_sha256": graded.snapshot,
        "points": [{"consensus": float(c), "score": float(s)} for c, s in zip(target, scores, strict=True)],
    }
    return {**report, **judge(report)}


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
    golden = [images[content_hash] for content_hash in hashes]
    names = sorted({name for image in golden for name in image.metadata})
    columns = {name: np.array([str(image.metadata.get(name, "")) for image in golden]) for name in names}
    measured = [getattr(image, "measurement", None) for image in golden]
    for name in MEASURED:
        values = np.array([getattr(one, name) if one else np.nan for one in measured], dtype=float)
        columns[name] = subgroups.thirds(values)
    columns["face"] = np.array([("found" if one.faces == 1 else "none or several") if one else "" for one in measured])
    return [
        {"column": one.column, "value": one.value, "rmse": one.rmse.as_json(), "bias": one.bias.as_json()}
        for one in subgroups.by_column(errors, columns)
    ]


def _candidate_row(candidate: Candidate, target: Floats, split: Split) -> Report:
    return {
        "recipe": candidate.recipe,
        "training_rows": candidate.training_rows,
        "validation_rmse": _validation_rmse(candidate, split).as_json(),
        "golden_rmse": metrics.rmse(candidate.golden[0], target).as_json(),
        "golden_rmse_by_seed": _over_seeds([metrics.rmse(row, target).value or 0.0 for row in candidate.golden]),
    }


def _interval_row(machine: Candidate, golden: GoldenGrades, split: Split) -> Report:
    """The interval that apps are told, sized on validation images, and how often it held on golden ones."""
    width = calibration.half_width(validation_errors(machine, split))
    row = {"coverage": calibration.COVERAGE, "half_width": width, "validation_images": len(split.validation)}
    if width is None:
        return {**row, "golden_consensus": None, "golden_grades": None}
    consensus = np.abs(metrics.consensus(golden.grades) - machine.golden[0]) <= width  # (N,)
    errors = np.abs(golden.grades - machine.golden[0])  # (n, N), NaN where a reader gave no grade
    return {**row, "golden_consensus": _share(consensus), "golden_grades": _share(errors[~np.isnan(errors)] <= width)}


def _share(held: NDArray[np.bool_]) -> Report:
    return {"held": int(held.sum()), "n": len(held)}


def validation_errors(candidate: Candidate, split: Split) -> list[float]:
    """Return grade - score of every validation image."""
    pairs = zip(split.validation, candidate.validation, strict=True)
    return [float(image.grade - score) for image, score in pairs]


def _over_seeds(values: list[float]) -> Report:
    """The published seed's value first; it was fixed beforehand, so none of these was chosen."""
    return {"values": values, "mean": sum(values) / len(values), "lowest": min(values), "highest": max(values)}


def confusion_rows(machine: Report) -> list[dict[str, Any]]:
    """Return the confusion matrix as a table's rows: each cell's count, its share of the row, its shade 0 to 9."""
    rows = []
    for level, counts in zip(machine["levels"], machine["confusion"], strict=True):
        total = sum(counts)
        shares = [count / total if total else 0.0 for count in counts]
        cells = [
            {"count": count, "percent": round(100 * share), "shade": min(int(share * 10), 9)}
            for count, share in zip(counts, shares, strict=True)
        ]
        rows.append({"level": level, "cells": cells, "total": total})
    return rows


def judge(report: Report) -> Report:
    """Hold the machine against the bar: its golden RMSE must not exceed the worst reader's, published form."""
    machine = report["machine"]["golden_rmse"]
    bar = bar_of(report["readers"])
    if bar is None:
        return {"bar": None, "passes": False, "conclusion": f"Not published: {NO_BAR}"}
    passes = machine["value"] <= bar["value"]
    measured = f"The machine's golden RMSE is {_in_words(machine)}: {_verdict(machine, bar['value'], passes=passes)}"
    return {"bar": bar, "passes": passes, "conclusion": f"{'Published' if passes else 'Not published'}. {measured}"}


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


def panel_of(study: Study, readers: Sequence[Reader]) -> Panel:
    """Return the readers' current labels; they are compared on the golden images that somebody graded."""
    labels = consensus.current_labels(study).order_by("pk")
    if sum(reader.done for reader in readers) > MOST_LABELS_IN_ORDER:
        labels = labels.filter(Q(assignment__image__is_golden=True) | Q(assignment__is_repeat=True))
    columns = ("reader__code", "image__content_hash", "is_repeat", "position", "image__is_golden")
    rows = labels.values_list("grade", "labeled_at", *(f"assignment__{column}" for column in columns))
    readings, golden = [], set()
    for grade, labeled_at, reader, image, is_repeat, position, is_golden in rows:
        readings.append(Reading(reader, image, grade, is_repeat, position, labeled_at.timestamp()))
        if is_golden and grade is not None and not is_repeat:
            golden.add(image)
    levels = {float(level.value): level.name for level in study.grade_levels.all()}
    return panels.build(readings, readers=[reader.code for reader in readers], images=golden, levels=levels)


def live_readers(readers: Sequence[Reader], panel: Panel, *, drawn: int) -> list[dict[str, Any]]:
    """Return every reader's numbers from the current labels, without the machine."""
    rows = []
    for place, reader in enumerate(readers):
        row = panels.describe_reader(panel, place)
        counts = _counts_for_bar(row["rmse"]["n"], drawn)
        rows.append({**row, "is_simulated": reader.is_simulated, "counts_for_bar": counts})
    return rows


def _counts_for_bar(graded: int, drawn: int) -> bool:
    return graded > 0 and graded >= BAR_SHARE * drawn


def latest(study: Study) -> TrainingRun | None:
    """Return the latest run that has a report."""
    return study.training_runs.filter(report__isnull=False).first()


def current(study: Study) -> Report:
    """Return what the page and `manage.py report --json` show: live readers, and the latest run's machine."""
    run = latest(study)
    taking_part = list(study.readers.order_by("code"))
    panel = panel_of(study, taking_part)
    drawn = study.images.filter(is_golden=True).count()
    readers = live_readers(taking_part, panel, drawn=drawn)
    return {
        "study": study.slug,
        "title": study.title,
        "is_simulated": study.is_simulated or any(row["is_simulated"] for row in readers),
        "golden_images": drawn,
        "readers": readers,
        "bar": bar_of(readers),
        "agreement": panels.describe_agreement(panel),
        "machine_run": run.report if run else None,
        "labels_since_run": _labels_since(run) if run else None,
    }


def _labels_since(run: TrainingRun) -> int | None:
    """How many labels were stored after the run read them: the readers' numbers know them, the machine's do not.

    None for a run from before runs kept how far they read.
    """
    until = (run.report or {}).get("labels_until")
    if until is None:
        return None
    return Label.objects.filter(assignment__reader__study=run.study_id, pk__gt=until).count()


def _readers_of(study: Study, golden: Sequence[dict[str, int]]) -> GoldenGrades:
    readers = tuple(study.readers.order_by("code"))
    grades = np.array([[image.get(reader.code, np.nan) for image in golden] for reader in readers], dtype=float)
    drawn = study.images.filter(is_golden=True).count()
    return GoldenGrades(readers, grades.reshape(len(readers), len(golden)), drawn)


def _reader_rows(golden: GoldenGrades, scores: NDArray[np.float64] | None) -> list[dict[str, Any]]:
    return [_reader_row(golden, number, reader, scores) for number, reader in enumerate(golden.readers)]


def _reader_row(
    golden: GoldenGrades, number: int, reader: Reader, scores: NDArray[np.float64] | None
) -> dict[str, Any]:
    rmse = metrics.reader_rmse(golden.grades, number)
    row = {
        "code": reader.code,
        "is_simulated": reader.is_simulated,
        "rmse": rmse.as_json(),
        "counts_for_bar": _counts_for_bar(rmse.n, golden.drawn),
        "rmse_leave_one_out": metrics.reader_rmse_leave_one_out(golden.grades, number).as_json(),
    }
    if scores is not None:
        row["machine_minus_reader"] = metrics.compare_with_reader(scores, golden.grades, number).as_json()
    return row


def _validation_rmse(candidate: Candidate, split: Split) -> Estimate:
    if not split.validation:
        return Estimate(None, None, None, 0, "All images were needed for training.")
    in_order = sorted(range(len(split.validation)), key=lambda n: split.validation[n].content_hash)
    grades = np.array([image.grade for image in split.validation])
    return metrics.rmse(candidate.validation[in_order], grades[in_order])


def _is_simulated(study: Study, golden: GoldenGrades) -> bool:
    return study.is_simulated or any(reader.is_simulated for reader in golden.readers)


def published(study: Study) -> TrainingRun | None:
    """Return the run whose regressor answers for the study now."""
    return study.training_runs.filter(regressor__is_active=True).first()
