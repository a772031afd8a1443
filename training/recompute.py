"""Recompute every number of the report from the tables beside this file, and say whether they are identical.

    python3 recompute.py [FOLDER]

It needs Python 3.11 or newer and nothing else: it shares no code with the program that made the report. It replays the
labels in the order in which they were stored, stops where each training run stopped reading, and computes what
report.json and runs.json print. Exit status: 0 identical, 1 different (each difference on a line), 2 unreadable.

The definitions are those of docs/statistics.md: consensus, RMSE in the published form and leaving one out, the paired
comparison, Pearson's r, and percentile bootstrap intervals (2,000 resamples over images, 95 %, seed 20190101).
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

# What the report says of itself and of a run, rather than computes from labels and scores.
FACTS = {"study", "title", "made_at", "run", "regressor_id", "labels_until", "training_rows"}

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
    waiting = [run for run in runs if "labels_until" in run["report"]]
    grades: Grades = defaultdict(dict)
    stored: list[int] = []
    for row in tables.rows("labels"):
        while waiting and waiting[0]["report"]["labels_until"] < int(row["label"]):
            compare_run(tables, check, grades, waiting.pop(0))
        stored.append(int(row["label"]))
        if row["is_repeat"] == "yes":
            continue
        if row["grade"]:
            grades[row["image"]][row["reader"]] = int(row["grade"])
        else:
            grades[row["image"]].pop(row["reader"], None)
    for run in waiting:
        compare_run(tables, check, grades, run)
    compare_consensus(tables, check, grades)
    compare_report(tables, check, grades, stored)


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


def compare_report(tables: Tables, check: Check, grades: Grades, stored: Sequence[int]) -> None:
    printed = tables.report
    readers = reader_rows(tables, golden_grades(tables, grades), None)
    run = printed["machine_run"]
    computed = {
        "is_simulated": printed["is_simulated"] or any(row["is_simulated"] for row in readers),
        "golden_images": len(tables.golden),
        "readers": readers,
        "bar": bar_of(readers),
        # Compared as a run of runs.json; here it must be the same document.
        "machine_run": next((row["report"] for row in tables.runs if run and row["run"] == run["run"]), None),
        "labels_since_run": labels_since(run, stored),
    }
    check.same("report.json:", printed, computed)


def labels_since(run: Report | None, stored: Sequence[int]) -> int | None:
    if not run or "labels_until" not in run:
        return None
    until = int(run["labels_until"])
    return sum(label > until for label in stored)


# The report


def run_report(tables: Tables, grades: Grades, printed: Report, scores: Scores, left_out: set[str]) -> Report:
    golden = golden_grades(tables, grades)
    target = [mean(given.values()) for _, given in golden]
    recipes = [recipe_row(tables, grades, golden, row, scores) for row in printed["recipes"]]
    validated = all(row["validation_rmse"]["n"] for row in recipes)
    machine = min(recipes, key=lambda row: row["validation_rmse"]["value"]) if validated else recipes[0]
    said = [scores[machine["recipe"], 0][image] for image, _ in golden]
    report: Report = {
        "is_simulated": printed["is_simulated"] or any(row["is_simulated"] == "yes" for row in tables.readers.values()),
        "images": count_images(tables, grades, golden, scores, left_out),
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
    if "interval" in printed["machine"]:  # runs of before had none
        report["machine"]["interval"] = interval_row(tables, grades, golden, scores[machine["recipe"], 0])
    return report | judge(report)


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
    consensus = [abs(mean(given.values()) - scores[image]) <= width for image, given in golden]
    each = [abs(grade - scores[image]) <= width for image, given in golden for grade in given.values()]
    return row | {"half_width": width, "golden_consensus": share(consensus), "golden_grades": share(each)}


def share(held: Sequence[bool]) -> Report:
    return {"held": sum(held), "n": len(held)}


def validation_rmse(tables: Tables, grades: Grades, scores: dict[str, float]) -> Report:
    kept_out = sorted((image for image in scores if image not in tables.golden), key=tables.hash_of.__getitem__)
    if not kept_out:
        return nothing(0, "All images were needed for training.")
    return rmse([scores[image] - mean(grades[image].values()) for image in kept_out])


def count_images(tables: Tables, grades: Grades, golden: Golden, scores: Scores, left_out: set[str]) -> Report:
    """Count what the run read. What it left out it says itself: clusters and subjects may be corrected since."""
    ordinary = {image for image, given in grades.items() if given and image not in tables.golden} - left_out
    validation = {image for said in scores.values() for image in said} - tables.golden
    return {
        "golden": len(golden),
        "train": len(ordinary - validation),
        "validation": len(ordinary & validation),
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


def judge(report: Report) -> Report:
    machine, bar = report["machine"]["golden_rmse"], bar_of(report["readers"])
    if bar is None:
        why = "no reader has graded half of the golden images yet, so there is no bar."
        return {"bar": None, "passes": False, "conclusion": f"Not published: {why}"}
    passes = machine["value"] <= bar["value"]
    known = machine["low"] is not None
    interval = f"95 % interval {machine['low']:.2f} to {machine['high']:.2f}, " if known else ""
    measured = f"The machine's golden RMSE is {machine['value']:.2f} ({interval}n = {machine['n']})"
    side = f"{'within' if passes else 'beyond'} the bar of {bar['value']:.2f}"
    if not known:
        verdict = f"{side}, but one image establishes nothing."
    elif machine["low"] <= bar["value"] <= machine["high"]:
        verdict = f"{side}; but the interval contains the bar, so this is not established."
    else:
        verdict = f"{side}, and so is its whole interval."
    published = "Published" if passes else "Not published"
    return {"bar": bar, "passes": passes, "conclusion": f"{published}. {measured}: {verdict}"}


# Statistics


def mean(values: Collection[float]) -> float:
    return math.fsum(values) / len(values)


def rmse(errors: Iterable[float]) -> Report:
    return estimate([(error**2,) for error in errors], root)


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
