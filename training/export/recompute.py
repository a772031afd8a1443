"""Recompute the numbers of the report from the tables beside this file, and say whether they are identical.

    python3 recompute.py [FOLDER]

It needs Python 3.11 or newer and nothing else: it shares no code with the program that made the report. It replays the
labels in the order in which they were stored, stops where each training run stopped reading, and computes what
report.json and runs.json print. Exit status: 0 identical, 1 different (each difference on a line), 2 unreadable.

The definitions are those of docs/science/statistics.md:
consensus, RMSE in the published form and leaving one out, the paired
comparison, Pearson's r, bias and lines, limits of agreement, weighted kappa, ICC, alpha, repeats, the noise ceiling,
calibration, and percentile bootstrap intervals (2,000 resamples over images, 95 %, seed 20190101). Not recomputed, and
named as such in the last line, are NOT_RECOMPUTED below.
"""

import csv
import hashlib
import json
import math
import random
import sys
from array import array
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

RESAMPLES = 2000
TAILS = (2.5, 97.5)  # per cent
SEED = 20190101
ROUNDING = 1e-9  # numbers that differ by less, relative to their size, are the same number
COVERAGE = 0.9  # of the interval that apps are told with a score
BAR_SHARE = 0.5  # of the golden images: who has graded fewer sets no bar
DRAWS_KEPT = 20_000  # images: more are drawn anew for each number, to spare memory
NOT_ACNE = "0"
FEWEST_TO_SHOW = 20  # images that a pair of readers must share
MOST_READERS_WITH_INTERVALS = 24
FEWEST_OF_A_GRADE = 10  # images that others call so: fewer make no habit
HABIT = 0.25
NOTICED = 0.05  # grades
LIMITS_AT = 1.96  # standard deviations
NOTHING_SHARED = "has graded no image yet that another reader graded, so nothing can be said."
FRACTIONS = 400  # terms of a continued fraction
NO_VARIANCE = "The readers' means differ no more between images than chance would have it."
NOTHING_LEFT = "Readers differ by constants only, so there is nothing to take an interval from."

# What the report says of itself and of a run, rather than computes from labels and scores.
FACTS = {"study", "title", "made_at", "run", "regressor_id", "labels_until", "training_rows"}
FACTS |= {"estimator", "fit_seconds", "from_run"}

# Printed, but not computed here: what rests on random orders, on ranks of every resample, on tables not exported, or on
# scores that a run does not keep (of further repeats of its cross-validation, of the regressor before it).
NOT_RECOMPUTED = {"drift", "sequence", "spearman_r", "subgroups", "validation_rmse_by_seed", "choice", "gate"}

Row = dict[str, str]
Report = dict[str, Any]
Grades = dict[str, dict[str, int]]  # image -> reader -> grade
Golden = list[tuple[str, dict[str, int]]]  # the same of golden images, in order
Scores = dict[tuple[str, int], dict[str, float]]  # (recipe, fit) -> image -> score
Reading = tuple[str, str, str]  # reader, image, is_repeat
Newest = dict[Reading, tuple[int, int, str, str | None]]  # line, version, is_current, label
Terms = Sequence[tuple[float, ...]]  # what a statistic is the mean of, per image
Statistic = Callable[[Sequence[float]], float]


class UnreadableError(Exception):
    """The folder is not what the export made."""


def main(folder: Path) -> int:
    tables = Tables(folder)
    check = Check()
    check_labels(tables, check)
    replay(tables, check)
    for line in check.differences:
        say(line)
    counted = f"{check.compared} values compared; {check.stated} are statements about the run, not computed"
    if check.skipped:
        counted += f"; not recomputed, being older than the scores' keeping: {', '.join(check.skipped)}"
    if check.deleted:
        counted += f"; not recomputed, their scores having been deleted: {', '.join(check.deleted)}"
    if check.left:
        counted += f"; not recomputed by this script: {', '.join(sorted(check.left))}"
    say(f"{len(check.differences)} differences. {counted}." if check.differences else f"identical. {counted}.")
    return 1 if check.differences else 0


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


class Tables:
    """The files of the export."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.images = {row["image"]: row for row in self.rows("images")}
        self.hash_of = {image: row["content_hash"] for image, row in self.images.items()}
        self.golden = {image for image, row in self.images.items() if row["is_golden"] == "yes"}
        self.readers = {row["reader"]: row for row in self.rows("readers")}
        self.levels = [(int(row["value"]), row["name"]) for row in self.rows("grade_scale")]
        self.report = self.document("report.json")
        self.runs = self.document("runs.json")
        self.scores: dict[int, Scores] = defaultdict(
            lambda: defaultdict(dict)
        )  # run -> (recipe, fit) -> image -> score
        for row in self.rows("scores"):
            self.scores[int(row["run"])][row["recipe"], int(row["fit"])][row["image"]] = float(row["score"])

    def rows(self, name: str) -> Iterator[Row]:
        """Yield a table's rows as dictionaries; the apostrophe that defuses formulas is taken off each cell again."""
        path = self.folder / f"{name}.csv"
        try:
            with path.open(newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    yield {column: cell.removeprefix("'") for column, cell in row.items()}
        except (OSError, UnicodeDecodeError, AttributeError, csv.Error) as error:  # a short row has None in it
            raise UnreadableError(f"{path} can't be read: {error}") from error

    def document(self, name: str) -> Any:
        try:
            return json.loads((self.folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UnreadableError(f"{self.folder / name} can't be read: {error}") from error


class Check:
    """What was compared, and what differs."""

    def __init__(self) -> None:
        self.compared = 0
        self.stated = 0
        self.differences: list[str] = []
        self.skipped: list[str] = []
        self.deleted: list[str] = []
        self.left: set[str] = set()

    def same(self, where: str, printed: Any, computed: Any) -> None:
        """Compare two documents value by value."""
        if isinstance(printed, dict) and isinstance(computed, dict):
            for key in sorted(printed.keys() | computed.keys()):
                self._same_key(where, key, printed, computed)
        elif isinstance(printed, list) and isinstance(computed, list) and len(printed) == len(computed):
            for place, (one, other) in enumerate(zip(printed, computed, strict=True)):
                self.same(f"{where}[{name_of(one, place)}]", one, other)
        else:
            self.compared += 1
            if not equal(printed, computed):
                self.differences.append(f"{where}: printed {short(printed)}, recomputed {short(computed)}")

    def _same_key(self, where: str, key: str, printed: Report, computed: Report) -> None:
        if key in FACTS and key not in computed:
            self.stated += 1
        elif key in NOT_RECOMPUTED and key not in computed:
            self.left.add(key)
        elif key not in printed or key not in computed:
            self.differences.append(f"{where}: {key} is {'printed' if key in printed else 'recomputed'} only")
        else:
            self.same(f"{where} {key}", printed[key], computed[key])


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, float) or isinstance(other, float):
        numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (one, other))
        return numbers and math.isclose(one, other, rel_tol=ROUNDING, abs_tol=ROUNDING)
    return type(one) is type(other) and one == other


def name_of(row: Any, place: int) -> Any:
    return next((row[key] for key in ("code", "recipe") if key in row), place) if isinstance(row, dict) else place


def short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


# The tables among themselves


def check_labels(tables: Tables, check: Check) -> None:
    """Hold the label table against what other tables say of the same labels, so that a difference names its row."""
    names = {str(value): name for value, name in tables.levels}
    newest: Newest = {}
    last_label = 0
    for line, row in enumerate(tables.rows("labels"), start=2):
        where = f"labels.csv, row {line}, label {row['label']}:"
        check.same(
            f"{where} grade_name of grade {row['grade'] or 'none'}", row["grade_name"], names.get(row["grade"], "")
        )
        check.same(f"{where} is_golden", row["is_golden"], tables.images[row["image"]]["is_golden"])
        if int(row["label"]) <= last_label:
            check.differences.append(f"{where} it stands after a label that was stored later")
        last_label = int(row["label"])
        key = reading(row)
        version = newest[key][1] + 1 if key in newest else 1
        check.same(f"{where} version", int(row["version"]), version)
        newest[key] = (line, version, "no" if row["is_undo"] == "yes" else "yes", layout_value(row))
    check_current(tables, check, newest)
    check_layout(tables, check, newest)


def reading(row: Row) -> Reading:
    return row["reader"], row["image"], row["is_repeat"]


def layout_value(row: Row) -> str | None:
    """Return the label as the published layout writes it, or None where it can't."""
    return row["grade"] or (NOT_ACNE if row["not_gradable"] == "Not acne" else None)


def check_current(tables: Tables, check: Check, newest: Newest) -> None:
    for line, row in enumerate(tables.rows("labels"), start=2):
        newest_line, _, is_current, _ = newest[reading(row)]
        expected = is_current if line == newest_line else "no"
        check.same(f"labels.csv, row {line}, label {row['label']}: is_current", row["is_current"], expected)


def check_layout(tables: Tables, check: Check, newest: Newest) -> None:
    """The published layout has no history of its own: its last row on an image must be the current label."""
    last = {(row["labeler"], row["image_name"]): row["label"] for row in tables.rows("image_labels_new")}
    current = {
        (reader, image): value
        for (reader, image, is_repeat), (_, _, _, value) in newest.items()
        if value is not None and is_repeat == "no"
    }
    for reader, image in sorted(last.keys() | current.keys()):
        where = f"image_labels_new.csv: reader {reader} on image {image}"
        check.same(where, last.get((reader, image)), current.get((reader, image)))


# Replaying history


def replay(tables: Tables, check: Check) -> None:
    """Go through the labels as they were stored; compute each run where it stopped reading, the report at the end."""
    runs = sorted((run for run in tables.runs if run["report"]), key=lambda run: run["report"].get("labels_until", 0))
    check.skipped = [f"run {run['run']}" for run in runs if "labels_until" not in run["report"]]
    check.deleted = [f"run {run['run']} on {run['details_deleted_at'][:10]}" for run in runs if is_deleted(run)]
    waiting = [run for run in runs if "labels_until" in run["report"] and not is_deleted(run)]
    grades: Grades = defaultdict(dict)
    again: Grades = defaultdict(dict)  # of second readings
    stored: list[int] = []
    for row in tables.rows("labels"):
        while waiting and waiting[0]["report"]["labels_until"] < int(row["label"]):
            compare_run(tables, check, grades, waiting.pop(0))
        stored.append(int(row["label"]))
        given = (again if row["is_repeat"] == "yes" else grades)[row["image"]]
        if row["grade"]:
            given[row["reader"]] = int(row["grade"])
        else:
            given.pop(row["reader"], None)
    for run in waiting:
        compare_run(tables, check, grades, run)
    compare_consensus(tables, check, grades)
    compare_report(tables, check, grades, again, stored)


def is_deleted(run: Report) -> bool:
    """Whether its scores were deleted, as an old one's that never answered. Exports of before did not know that."""
    return run.get("details_deleted_at") is not None


def compare_run(tables: Tables, check: Check, grades: Grades, run: Report) -> None:
    printed = run["report"]
    where = f"runs.json: run {run['run']}:"
    computed = run_report(tables, grades, printed, tables.scores[run["run"]], set(run["left_out"]))
    check.same(where, printed, computed)
    check.same(f"{where} conclusion", run["conclusion"], computed["conclusion"])


def compare_consensus(tables: Tables, check: Check, grades: Grades) -> None:
    printed = {
        row["image"]: {"consensus": float(row["consensus"]), "n": int(row["n"])} for row in tables.rows("consensus")
    }
    computed = {
        image: {"consensus": mean(given.values()), "n": len(given)}
        for image, given in grades.items()
        if image in tables.golden and given
    }
    check.same("consensus.csv: image", printed, computed)


def compare_report(tables: Tables, check: Check, grades: Grades, again: Grades, stored: Sequence[int]) -> None:
    printed = tables.report
    golden = golden_grades(tables, grades)
    readers = [
        {**row, **lean_row(tables, golden, row["code"]), "repeats": repeats(tables, grades, again, row["code"])}
        for row in reader_rows(tables, golden, None)
    ]
    run = printed["machine_run"]
    computed = {
        "is_simulated": printed["is_simulated"] or any(row["is_simulated"] for row in readers),
        "golden_images": len(tables.golden),
        "erased_images": sum(row["is_erased"] == "yes" for row in tables.images.values()),
        "levels": [{"value": value, "name": name} for value, name in tables.levels],
        "readers": readers,
        "bar": bar_of(readers),
        "agreement": agreement(sorted(tables.readers), golden),
        # Compared as a run of runs.json; here it must be the same document.
        "machine_run": next((row["report"] for row in tables.runs if run and row["run"] == run["run"]), None),
        "better_than": better_than(run["readers"]) if run else None,
        "labels_since_run": labels_since(run, stored),
        "counted_at": None,  # the export counts when it is made
    }
    check.same("report.json:", printed, computed)


def better_than(readers: Sequence[Report]) -> Report:
    """Count the readers that the machine is closer than; surely, where the interval leaves out 0."""
    compared = [row["machine_minus_reader"] for row in readers if row["machine_minus_reader"]["value"] is not None]
    closer = sum(one["value"] < 0 for one in compared)
    sure = sum(one["high"] is not None and one["high"] < 0 for one in compared)
    farther = sum(one["low"] is not None and one["low"] > 0 for one in compared)
    counts = {"closer_than": closer, "surely_closer_than": sure, "surely_farther_than": farther, "of": len(compared)}
    return {**counts, "sentence": better_in_words(**counts)}


def better_in_words(closer_than: int, surely_closer_than: int, surely_farther_than: int, of: int) -> str:
    if not of:
        return "No reader can be compared with the machine yet."
    said = f"The machine is closer to the other readers than {closer_than} of {of} readers are"
    if surely_closer_than:
        said += f"; for {surely_closer_than} of them the interval leaves out 0, so that is established"
    elif closer_than:
        said += "; for none of them is that established, since every interval contains 0"
    if surely_farther_than:
        return f"{said}. It is established to be farther off than {surely_farther_than}."
    return f"{said}."


def labels_since(run: Report | None, stored: Sequence[int]) -> int | None:
    if not run or "labels_until" not in run:
        return None
    until = int(run["labels_until"])
    return sum(label > until for label in stored)


# The report


def run_report(tables: Tables, grades: Grades, printed: Report, scores: Scores, left_out: set[str]) -> Report:
    # Golden images that the run left out are those whose person did not agree any more.
    golden = [(image, given) for image, given in golden_grades(tables, grades) if image not in left_out]
    target = [mean(given.values()) for _, given in golden]
    recipes = [recipe_row(tables, grades, golden, row, scores) for row in printed["recipes"]]
    machine = next(row for row in recipes if row["recipe"] == printed["machine"]["recipe"])
    said = [scores[machine["recipe"], 0][image] for image, _ in golden]
    report: Report = {
        "is_simulated": printed["is_simulated"] or any(row["is_simulated"] == "yes" for row in tables.readers.values()),
        "images": count_images(tables, grades, golden, left_out),
        "readers": reader_rows(tables, golden, said),
        "machine": {
            **machine,
            "pearson_r": pearson_r(said, target),
            "mean_absolute_error": estimate([(abs(s - c),) for s, c in zip(said, target, strict=True)], first),
            "confusion": confusion(said, target, [value for value, _ in tables.levels]),
            "levels": [{"value": value, "name": name} for value, name in tables.levels],
        },
        "recipes": recipes,
        "grades_sha256": snapshot(tables, grades),
        "points": [{"consensus": c, "score": s} for c, s in zip(target, said, strict=True)],
    }
    if "calibration" in printed["machine"]:  # runs of before had none
        report["machine"] |= against_consensus(said, target, [value for value, _ in tables.levels])
    if "interval" in printed["machine"]:  # runs of before had none
        interval = interval_row(tables, grades, golden, scores[machine["recipe"], 0])
        report["machine"]["interval"] = like(printed["machine"]["interval"], interval)
    return report | judge(report, printed["gate"])


def golden_grades(tables: Tables, grades: Grades) -> Golden:
    """Return (image, reader -> grade) of the golden images that somebody graded, by their hashes."""
    graded = [(image, given) for image, given in grades.items() if image in tables.golden and given]
    return sorted(graded, key=lambda item: tables.hash_of[item[0]])


def reader_rows(tables: Tables, golden: Golden, scores: Sequence[float] | None) -> list[Report]:
    return [reader_row(tables, golden, reader, scores) for reader in sorted(tables.readers)]


def reader_row(tables: Tables, golden: Golden, reader: str, scores: Sequence[float] | None) -> Report:
    given = [grades[reader] - mean(grades.values()) for _, grades in golden if reader in grades]
    published = rmse(given)
    paired = []
    for place, (_, grades) in enumerate(golden):
        others = [grade for who, grade in grades.items() if who != reader]
        if reader in grades and others:
            score = scores[place] if scores else 0.0
            paired.append(((score - mean(others)) ** 2, (grades[reader] - mean(others)) ** 2))
    row = {
        "code": reader,
        "is_simulated": tables.readers[reader]["is_simulated"] == "yes",
        "rmse": published,
        "counts_for_bar": published["n"] > 0 and published["n"] >= BAR_SHARE * len(tables.golden),
        "rmse_leave_one_out": estimate([(square,) for _, square in paired], root),
    }
    if scores is not None:
        row["machine_minus_reader"] = machine_minus_reader(paired)
    return row


def machine_minus_reader(paired: Terms) -> Report:
    compared = estimate(paired, difference_of_roots)
    better = None
    if compared["value"] is not None:
        spread = [difference_of_roots(means) for means in resampled_means(paired)]
        better = sum(value < -ROUNDING for value in spread) / RESAMPLES
    return compared | {"machine_better": better}


def recipe_row(tables: Tables, grades: Grades, golden: Golden, printed: Report, scores: Scores) -> Report:
    name = printed["recipe"]
    fits = sorted(fit for recipe, fit in scores if recipe == name)
    target = {image: mean(given.values()) for image, given in golden}
    by_seed = [rmse([scores[name, fit][image] - c for image, c in target.items()]) for fit in fits]
    values = [row["value"] or 0.0 for row in by_seed]
    return {
        "recipe": name,
        "validation_rmse": validation_rmse(tables, grades, scores[name, 0]),
        "golden_rmse": by_seed[0],
        "golden_rmse_by_seed": {
            "values": values,
            "mean": sum(values) / len(values),
            "lowest": min(values),
            "highest": max(values),
        },
    }


def interval_row(tables: Tables, grades: Grades, golden: Golden, scores: dict[str, float]) -> Report:
    """The conformal interval: sized by the images kept out of the fit, held against the golden ones."""
    kept_out = scores.keys() - tables.golden
    sizes = sorted(abs(mean(grades[image].values()) - scores[image]) for image in kept_out)
    place = math.ceil((len(sizes) + 1) * COVERAGE)
    row: Report = {"coverage": COVERAGE, "half_width": None, "validation_images": len(sizes)}
    if place > len(sizes):
        return row | {"golden_consensus": None, "golden_grades": None}
    width = sizes[place - 1]
    consensus = [[abs(mean(given.values()) - scores[image]) <= width] for image, given in golden]
    each = [[abs(grade - scores[image]) <= width for grade in given.values()] for image, given in golden]
    return row | {"half_width": width, "golden_consensus": share(consensus), "golden_grades": share(each)}


def share(held: Sequence[Sequence[bool]]) -> Report:
    """Count what held, per image, and the share of it; all that was said of one image is drawn together."""
    terms = [(float(sum(image)), float(len(image))) for image in held]
    counts = {"held": sum(map(sum, held)), "n": sum(map(len, held))}
    return counts | {"share": estimate(terms, lambda means: means[0] / means[1])}


def like(printed: Report, computed: Report) -> Report:
    """Leave out the shares that runs of before did not print."""
    parts = ("golden_consensus", "golden_grades")
    if all(printed[part] is None or "share" in printed[part] for part in parts):
        return computed
    return computed | {part: {key: computed[part][key] for key in ("held", "n")} for part in parts}


def validation_rmse(tables: Tables, grades: Grades, scores: dict[str, float]) -> Report:
    kept_out = sorted((image for image in scores if image not in tables.golden), key=tables.hash_of.__getitem__)
    if not kept_out:
        return nothing(0, "All images were needed for training.")
    return rmse([scores[image] - mean(grades[image].values()) for image in kept_out])


def count_images(tables: Tables, grades: Grades, golden: Golden, left_out: set[str]) -> Report:
    """Count what the run read. What it left out it says itself: clusters and subjects may be corrected since."""
    ordinary = {image for image, given in grades.items() if given and image not in tables.golden} - left_out
    return {
        "golden": len(golden),
        "ordinary": len(ordinary),
        "left_out": len({image for image in left_out if grades[image] and image not in tables.golden}),
    }


def snapshot(tables: Tables, grades: Grades) -> str:
    """Return the hash of what the current grades say, as the run took it."""
    facts = [
        [tables.hash_of[image], reader, grade] for image, given in grades.items() for reader, grade in given.items()
    ]
    return hashlib.sha256(json.dumps(sorted(facts)).encode()).hexdigest()


def bar_of(readers: Sequence[Report]) -> Report | None:
    counted = [row for row in readers if row["counts_for_bar"]]
    if not counted:
        return None
    worst = max(counted, key=lambda row: row["rmse"]["value"])
    return {"value": worst["rmse"]["value"], "reader": worst["code"]}


def judge(report: Report, gate: Sequence[Report]) -> Report:
    """Hold the machine against the bar; of the gate's other conditions, take what the run found."""
    machine, bar = report["machine"]["golden_rmse"], bar_of(report["readers"])
    others = [condition for condition in gate if condition["name"] != "bar"]
    within = bar is not None and machine["value"] <= bar["value"]
    passes = within and all(condition["passes"] for condition in others)
    failed = [condition["sentence"] for condition in others if not condition["passes"]]
    measured = f"{'Published' if passes else 'Not published'}. {measured_in_words(machine, bar)}"
    return {"bar": bar, "passes": passes, "conclusion": " ".join([measured, *failed])}


def measured_in_words(machine: Report, bar: Report | None) -> str:
    if bar is None:
        return "No reader has graded half of the golden images yet, so there is no bar."
    known = machine["low"] is not None
    interval = f"95 % interval {machine['low']:.2f} to {machine['high']:.2f}, " if known else ""
    side = f"{'within' if machine['value'] <= bar['value'] else 'beyond'} the bar of {bar['value']:.2f}"
    if not known:
        verdict = f"{side}, but one image establishes nothing."
    elif machine["low"] <= bar["value"] <= machine["high"]:
        verdict = f"{side}; but the interval contains the bar, so this is not established."
    else:
        verdict = f"{side}, and so is its whole interval."
    return f"The machine's golden RMSE is {machine['value']:.2f} ({interval}n = {machine['n']}): {verdict}"


# Readers among themselves


def lean_row(tables: Tables, golden: Golden, reader: str) -> Report:
    """How the reader leans against the mean of the others."""
    pairs = [
        (float(given[reader]), mean([grade for who, grade in given.items() if who != reader]))
        for _, given in golden
        if reader in given and len(given) > 1
    ]
    grades, others = [grade for grade, _ in pairs], [other for _, other in pairs]
    levels = [value for value, _ in tables.levels]
    differences = [grade - other for grade, other in pairs]
    bias, table = average(differences), confusion(grades, others, levels)
    slope, _, residual_sd = line(others, grades)
    return {
        "bias": bias,
        "slope": slope,
        "residual_sd": residual_sd,
        "in_words": lean_in_words(bias, habit(table, [name for _, name in tables.levels])),
        "limits_of_agreement": limits_of_agreement(differences),
        "confusion": table,
    }


def lean_in_words(bias: Report, habit: str) -> str:
    if bias["value"] is None:
        return NOTHING_SHARED
    value, low, high, n = (bias[key] for key in ("value", "low", "high", "n"))
    side = f"{abs(value):.2f} {'stricter' if value > 0 else 'milder'}"
    if low is None:
        said = f"grades {side} on {n} image{'' if n == 1 else 's'}, which establishes nothing"
    elif low <= 0 <= high:
        said = f"grades neither milder nor stricter, as far as {n} images tell"
    elif abs(value) < NOTICED:
        said = f"grades {side}, which is too little to notice"
    else:
        said = f"grades {side} (95 % interval {low:+.2f} to {high:+.2f})"
    return f"{said}; {habit}." if habit else f"{said}."


def habit(table: Sequence[Sequence[int]], names: Sequence[str]) -> str:
    """Return what the reader most often calls another grade, where at least a quarter of ten images are."""
    most, said = 0.0, ""
    for row, counts in enumerate(table):
        for column, count in enumerate(counts):
            share = count / sum(counts) if sum(counts) >= FEWEST_OF_A_GRADE else 0.0
            if row != column and share > most:
                most, said = share, f"calls {names[row]} {names[column]} in {round(10 * share)} of 10"
    return said if most >= HABIT else ""


def repeats(tables: Tables, grades: Grades, again: Grades, reader: str) -> Report:
    """The reader's second readings against the first, on images of any kind, by their hashes."""
    twice = sorted(
        (image for image, given in again.items() if reader in given and reader in grades[image]),
        key=tables.hash_of.__getitem__,
    )
    pairs = [(float(grades[image][reader]), float(again[image][reader])) for image in twice]
    if not pairs:
        missing = nothing(0, "The reader met no image twice.")
        return dict.fromkeys(("sd", "repeatability", "kappa", "same"), missing)
    halves = [((one - other) ** 2 / 2,) for one, other in pairs]
    return {
        "sd": estimate(halves, root),
        "repeatability": estimate(halves, lambda means: LIMITS_AT * math.sqrt(2 * means[0])),
        "kappa": weighted_kappa(pairs, with_interval=True),
        "same": average([float(one == other) for one, other in pairs]),
    }


def agreement(readers: Sequence[str], golden: Golden) -> Report:
    pairs = []
    for place, one in enumerate(readers):
        for other in readers[place + 1 :]:
            both = [(float(given[one]), float(given[other])) for _, given in golden if one in given and other in given]
            kappa = weighted_kappa(both, with_interval=len(readers) <= MOST_READERS_WITH_INTERVALS)
            pairs.append({"readers": [one, other], **kappa})
    units = [[float(grade) for grade in given.values()] for _, given in golden]
    taking_part = len({reader for _, given in golden for reader in given})
    return {
        **intraclass(golden),
        "alpha_ordinal": alpha(units, taking_part, alpha_ordinal),
        "alpha_interval": alpha(units, taking_part, alpha_interval),
        "pairwise_kappa": pairs,
        "noise_ceiling": noise_ceiling(units),
    }


def weighted_kappa(pairs: Sequence[tuple[float, float]], *, with_interval: bool) -> Report:
    n = len(pairs)
    if n < FEWEST_TO_SHOW:
        return nothing(n, f"Both graded {n} images; below {FEWEST_TO_SHOW} a kappa says too little.")
    if len({grade for pair in pairs for grade in pair}) == 1:
        return nothing(n, "Both gave one and the same grade throughout, so chance alone would agree.")
    terms = [(x, y, x * x, y * y, x * y) for x, y in pairs]
    if with_interval:
        return estimate(terms, kappa_from_moments)
    value = kappa_from_moments([mean(column) for column in zip(*terms, strict=True)])
    reason = f"Beyond {MOST_READERS_WITH_INTERVALS} readers pairs have no interval."
    return nothing(n, reason) | {"value": value}


def kappa_from_moments(means: Sequence[float]) -> float:
    x, y, xx, yy, xy = means
    by_chance = xx + yy - 2 * x * y
    return 1 - (xx + yy - 2 * xy) / by_chance if by_chance > ROUNDING else math.nan


def noise_ceiling(units: Sequence[Sequence[float]]) -> Report:
    if not any(len(unit) > 1 for unit in units):
        return nothing(len(units), "No image was graded by two readers, so nothing tells noise from severity.")
    terms = []
    for unit in units:
        middle = mean(unit)
        terms.append((sum((grade - middle) ** 2 for grade in unit), float(len(unit) - 1), 1 / len(unit)))
    return estimate(terms, ceiling_from_means)


def ceiling_from_means(means: Sequence[float]) -> float:
    squares, freedom, share = means
    return math.sqrt(squares / freedom * share) if freedom > 0 else math.nan


def alpha(units: Sequence[Sequence[float]], readers: int, of: Callable[[list[list[float]]], Report]) -> Report:
    """Krippendorff's alpha, on images with at least two grades."""
    pairable = [list(unit) for unit in units if len(unit) > 1]
    if not pairable:
        return nothing(
            0, "No image was graded by two readers." if readers > 1 else "Agreement needs at least two readers."
        )
    if len({grade for unit in pairable for grade in unit}) == 1:
        return nothing(len(pairable), "Every grade is the same, so chance alone would agree.")
    return of(pairable)


def alpha_interval(units: list[list[float]]) -> Report:
    n = len(units)
    terms = []
    for unit in units:
        m, total, squares = len(unit), sum(unit), sum(grade * grade for grade in unit)
        terms.append((float(m), total, squares, 2 * (m * squares - total**2) / (m - 1)))

    def statistic(means: Sequence[float]) -> float:
        total, first, second, observed = (value * n for value in means)
        return one_less(observed, 2 * (total * second - first**2), total)

    return estimate(terms, statistic)


def alpha_ordinal(units: list[list[float]]) -> Report:
    """A difference counts by the square of the distance of the grades' middle ranks."""
    n, levels = len(units), sorted({grade for unit in units for grade in unit})
    steps = len(levels)
    pairs = [(one, other) for one in range(steps) for other in range(one + 1, steps)]
    terms = []
    for unit in units:
        counts = [float(unit.count(level)) for level in levels]
        terms.append((*counts, *(2 * counts[one] * counts[other] / (len(unit) - 1) for one, other in pairs)))

    def statistic(means: Sequence[float]) -> float:
        counts, observed = [value * n for value in means[:steps]], [value * n for value in means[steps:]]
        ranks, below = [], 0.0
        for count in counts:
            ranks.append(below + count / 2)
            below += count
        apart = sum(seen * (ranks[one] - ranks[other]) ** 2 for seen, (one, other) in zip(observed, pairs, strict=True))
        first = sum(count * rank for count, rank in zip(counts, ranks, strict=True))
        second = sum(count * rank**2 for count, rank in zip(counts, ranks, strict=True))
        return one_less(apart, 2 * (below * second - first**2), below)

    return estimate(terms, statistic)


def one_less(observed: float, expected: float, total: float) -> float:
    return 1 - (total - 1) * observed / expected if expected > ROUNDING else math.nan


def intraclass(golden: Golden) -> Report:
    """Shrout and Fleiss's coefficients with McGraw and Wong's intervals, on images that all who graded any graded."""
    readers = sorted({reader for _, given in golden for reader in given})
    table = [[float(given[reader]) for reader in readers] for _, given in golden if len(given) == len(readers)]
    k, n = len(readers), len(table)
    shared = {"readers": k, "dropped": len(golden) - n}
    names = ("icc_2_1", "icc_2_k", "icc_3_1")
    reason = ""
    if k < 2:
        reason = "Agreement needs at least two readers."
    elif n < 2:
        reason = f"{n or 'No'} image{'' if n == 1 else 's'} graded by all {k} readers; at least two are needed."
    elif len({grade for row in table for grade in row}) == 1:
        reason = "Every grade is the same, so there are no differences to attribute."
    if reason:
        return {name: nothing(n if k else 0, reason) | shared for name in names}
    values = coefficients(table, n, k)
    return {name: value | shared for name, value in zip(names, values, strict=True)}


def coefficients(table: Sequence[Sequence[float]], n: int, k: int) -> tuple[Report, Report, Report]:
    middle = mean([grade for row in table for grade in row])
    rows, columns = [mean(row) for row in table], [mean(column) for column in zip(*table, strict=True)]
    images = k * sum((row - middle) ** 2 for row in rows) / (n - 1)
    readers = n * sum((column - middle) ** 2 for column in columns) / (k - 1)
    squares = sum(
        (grade - row - column + middle) ** 2
        for given, row in zip(table, rows, strict=True)
        for grade, column in zip(given, columns, strict=True)
    )
    left = squares / ((n - 1) * (k - 1))
    single = icc_single(images, readers, left, n, k)
    return single, icc_average(single, images, readers, left, n, k), icc_consistency(images, left, n, k)


def icc_single(images: float, readers: float, left: float, n: int, k: int) -> Report:
    in_all = images + (k - 1) * left + k * (readers - left) / n
    if in_all < ROUNDING:
        return nothing(n, NO_VARIANCE)
    value = (images - left) / in_all
    bare = nothing(n, "") | {"value": value}
    if left < ROUNDING or value > 1 - ROUNDING:
        return bare | {"reason": NOTHING_LEFT}
    if images < ROUNDING:
        return bare | {"reason": NO_VARIANCE}
    of_readers = k * value / (n * (1 - value)) * readers
    of_left = (1 + k * value * (n - 1) / (n * (1 - value))) * left
    spread = of_readers**2 / (k - 1) + of_left**2 / ((n - 1) * (k - 1))
    freedom = max((of_readers + of_left) ** 2 / spread, ROUNDING) if spread else ROUNDING
    to_low, to_high = f_quantile(n - 1, freedom), f_quantile(freedom, n - 1)
    others = k * readers + (k * n - k - n) * left
    low = n * (images - to_low * left) / (to_low * others + n * images)
    high = n * (to_high * images - left) / (others + n * to_high * images)
    return bare | {"low": low, "high": high}


def icc_average(single: Report, images: float, readers: float, left: float, n: int, k: int) -> Report:
    below = images + (readers - left) / n
    if below < ROUNDING:
        return nothing(n, NO_VARIANCE)
    bare = nothing(n, single["reason"]) | {"value": (images - left) / below}
    if single["low"] is None:
        return bare
    if 1 + (k - 1) * single["low"] < ROUNDING:
        return bare | {"reason": "The readers agree so little that the interval has no lower end."}
    return bare | {end: k * single[end] / (1 + (k - 1) * single[end]) for end in ("low", "high")}


def icc_consistency(images: float, left: float, n: int, k: int) -> Report:
    in_all = images + (k - 1) * left
    if in_all < ROUNDING:
        return nothing(n, NO_VARIANCE)
    bare = nothing(n, "") | {"value": (images - left) / in_all}
    if left < ROUNDING:
        return bare | {"reason": NOTHING_LEFT}
    of_left = (n - 1) * (k - 1)
    low, high = images / left / f_quantile(n - 1, of_left), images / left * f_quantile(of_left, n - 1)
    return bare | {"low": (low - 1) / (low + k - 1), "high": (high - 1) / (high + k - 1)}


def f_quantile(one: float, other: float) -> float:
    """Return the F that 97.5 % stay below, by halving: for x of a beta distribution, F = x other / ((1 - x) one)."""
    low, high = 0.0, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if beta_below(middle, one / 2, other / 2) < TAILS[1] / 100 else (low, middle)
    return low * other / ((1 - low) * one) if low < 1 else math.inf


def beta_below(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function, by its continued fraction (Abramowitz and Stegun 26.5.8)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - beta_below(1 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    fraction = 0.0
    for m in range(FRACTIONS, 0, -1):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        fraction = even / (1 + odd / (1 + fraction))
    return front / (1 + -(a + b) * x / (a + 1) / (1 + fraction))


def against_consensus(said: Sequence[float], target: Sequence[float], levels: Sequence[int]) -> Report:
    """How the machine leans, and the consensus on its score."""
    differences = [score - c for score, c in zip(said, target, strict=True)]
    slope, intercept, _ = line(said, target)
    at = [(step(score, levels), step(c, levels)) for score, c in zip(said, target, strict=True)]
    reliability = []
    for place in sorted({score for score, _ in at}):
        here = [n for n, (score, _) in enumerate(at) if score == place]
        reliability.append({"score": mean([said[n] for n in here]), "consensus": average([target[n] for n in here])})
    return {
        "recall": [average([float(score == c) for score, c in at if c == place]) for place in range(len(levels))],
        "bias": average(differences),
        "limits_of_agreement": limits_of_agreement(differences),
        "calibration": {"slope": slope, "intercept": intercept, "reliability": reliability},
    }


# Statistics


def mean(values: Collection[float]) -> float:
    return math.fsum(values) / len(values)


def rmse(errors: Iterable[float]) -> Report:
    return estimate([(error**2,) for error in errors], root)


def average(values: Sequence[float]) -> Report:
    return estimate([(value,) for value in values], first)


def limits_of_agreement(differences: Sequence[float]) -> Report:
    """Mean difference plus and minus 1.96 standard deviations (Bland and Altman 1986)."""
    n = len(differences)
    if n < 3:
        missing = nothing(n, "Limits of agreement need at least 3 images.")
        return {"lower": missing, "upper": missing}
    middle = mean(differences)
    terms = [(value - middle, (value - middle) ** 2) for value in differences]

    def limit(side: int) -> Report:
        def statistic(means: Sequence[float]) -> float:
            sd = math.sqrt(max(means[1] - means[0] ** 2, 0) * n / (n - 1))
            return middle + means[0] + side * LIMITS_AT * sd

        return estimate(terms, statistic)

    return {"lower": limit(-1), "upper": limit(1)}


def line(xs: Sequence[float], ys: Sequence[float]) -> tuple[Report, Report, Report]:
    """Return slope, intercept and residual standard deviation of y on x, by least squares."""
    n = len(xs)
    if n < 3 or max(xs) - min(xs) < ROUNDING:
        why = "A line needs at least 3 images." if n < 3 else "What the line would be drawn over never varies."
        missing = nothing(n, why)
        return missing, missing, missing
    x_middle, y_middle = mean(xs), mean(ys)
    moved = [(x - x_middle, y - y_middle) for x, y in zip(xs, ys, strict=True)]
    terms = [(x, y, x * x, x * y, y * y) for x, y in moved]

    def slope(means: Sequence[float]) -> float:
        variance = means[2] - means[0] ** 2
        return (means[3] - means[0] * means[1]) / variance if variance > ROUNDING else math.nan

    def intercept(means: Sequence[float]) -> float:
        return y_middle + means[1] - slope(means) * (x_middle + means[0])

    def residual_sd(means: Sequence[float]) -> float:
        left = (means[4] - means[1] ** 2) - slope(means) * (means[3] - means[0] * means[1])
        return math.sqrt(max(left, 0.0) * n / (n - 2)) if math.isfinite(left) else math.nan

    return estimate(terms, slope), estimate(terms, intercept), estimate(terms, residual_sd)


def first(means: Sequence[float]) -> float:
    return means[0]


def root(means: Sequence[float]) -> float:
    return math.sqrt(means[0])


def difference_of_roots(means: Sequence[float]) -> float:
    return math.sqrt(means[0]) - math.sqrt(means[1])


def pearson_r(values: Sequence[float], against: Sequence[float]) -> Report:
    n = len(values)
    if n < 3:
        return nothing(n, "A correlation needs at least 3 images.")
    if min(max(side) - min(side) for side in (values, against)) < ROUNDING:
        return nothing(n, "One side never varies, so there is nothing to correlate.")
    pairs = zip(standardised(values), standardised(against), strict=True)
    return estimate([(x, y, x * x, y * y, x * y) for x, y in pairs], r_from_moments)


def standardised(values: Sequence[float]) -> list[float]:
    middle = mean(values)
    sd = math.sqrt(mean([(value - middle) ** 2 for value in values]))
    return [(value - middle) / sd for value in values]


def r_from_moments(means: Sequence[float]) -> float:
    x, y, xx, yy, xy = means
    of_x, of_y = xx - x * x, yy - y * y
    return max(-1.0, min(1.0, (xy - x * y) / math.sqrt(of_x * of_y))) if min(of_x, of_y) > ROUNDING else math.nan


def confusion(values: Sequence[float], against: Sequence[float], levels: Sequence[int]) -> list[list[int]]:
    """Return counts: rows are `against`, columns `values`; a number on a cut belongs to the higher grade."""
    table = [[0] * len(levels) for _ in levels]
    for value, target in zip(values, against, strict=True):
        table[step(target, levels)][step(value, levels)] += 1
    return table


def step(value: float, levels: Sequence[int]) -> int:
    return sum(value >= level + 0.5 for level in levels[:-1])


def estimate(terms: Terms, statistic: Statistic) -> Report:
    """Return statistic(means of the terms) and its bootstrap interval, as the report prints it."""
    n = len(terms)
    if n == 0:
        return nothing(0, "No image has what this number needs.")
    value = statistic([mean(column) for column in zip(*terms, strict=True)])
    if n < 2:
        return nothing(n, "One image gives no interval.") | {"value": value}
    spread = sorted(value for value in map(statistic, resampled_means(terms)) if math.isfinite(value))
    if len(spread) < RESAMPLES / 2:
        return nothing(n, "Most resamples have no such number, so there is no interval.") | {"value": value}
    low, high = (percentile(spread, tail) for tail in TAILS)
    return {"value": value, "low": low, "high": high, "n": n, "reason": ""}


def nothing(n: int, reason: str) -> Report:
    return {"value": None, "low": None, "high": None, "n": n, "reason": reason}


def resampled_means(terms: Terms) -> Iterator[list[float]]:
    """Yield the terms' means over images drawn with replacement, 2,000 times."""
    n = len(terms)
    columns = list(zip(*terms, strict=True))
    for drawn in kept_draws(n) if n <= DRAWS_KEPT else draws(n):
        yield [sum(map(column.__getitem__, drawn)) / n for column in columns]


@lru_cache(maxsize=4)
def kept_draws(n: int) -> list[Sequence[int]]:
    return list(draws(n))


def draws(n: int) -> Iterator[Sequence[int]]:
    """Yield 2,000 times n places among n: Python promises that these numbers never change."""
    numbers = iter(random.Random(SEED).random, None)  # noqa: S311  a draw, not a secret
    for _ in range(RESAMPLES):
        yield array("I", [int(number * n) for number in islice(numbers, n)])


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Interpolate between the two nearest of the ordered values."""
    place = percent / 100 * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent))
    except (UnreadableError, KeyError, ValueError) as error:
        sys.stderr.write(f"This is not what the export made: {error}\n")
        sys.exit(2)
