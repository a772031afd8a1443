"""Recompute the numbers of the report from the tables beside this file, and say which are identical.

    python3 recompute.py [FOLDER]

It needs Python 3.11 or newer and nothing else: it shares no code with the program that made the report. It replays the
labels in the order in which they were stored, stops where each training run stopped reading, and prints a line for
each value of report.json and runs.json: name, reported, recomputed, and whether they are identical (within 1e-9 of
their size). Of the other tables it prints only what differs. Exit status: 0 nothing differs, 1 something does, 2 the
folder can't be read. docs/science/statistics.md defines the numbers.
"""

import csv
import hashlib
import json
import math
import sys
from bisect import bisect
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate, chain, combinations, pairwise
from operator import itemgetter
from pathlib import Path
from statistics import fmean, pstdev, pvariance
from typing import Any

ROUNDING = 1e-9  # numbers that differ by less, relative to their size, are the same number
COVERAGE = 0.9  # of the interval that apps are told with a score
BAR_SHARE = 0.5  # of the golden images: readers who have graded fewer set no bar
GRADE_SHARE = 0.75  # of those readers: golden images with fewer of their grades count in no number of several readers
FEWEST_TO_SHOW = 20  # images that a pair of readers must share, and that a verdict on the machine needs
# People whom an interval needs, by the scale that it is taken on; and the scale itself, there and back.
FEWEST = {"plain": 10, "size": 20, "spread": 30, "correlation": 20}
SCALES: dict[str, tuple[Callable[[float], float], Callable[[float], float]]] = {
    "plain": (float, float),
    "size": (math.log, math.exp),
    "spread": (math.log, math.exp),
    "correlation": (math.atanh, math.tanh),
}
ERROR = 0.05  # of all looks at the golden images together; look k spends a k (k + 1)th of it
MOST_READERS_WITH_INTERVALS = 24
LIMITS_AT = 1.96  # standard deviations
LEVEL = 95  # per cent, of intervals
Z = 1.959963984540054  # of a 95 % interval of a normal distribution
NO_VARIANCE = 1e-12  # grades squared: rounding leaves less of the variance of equal numbers, or of points on a line

SENTENCES = {"reason", "sentence", "conclusion", "in_words", "rule_note"}  # are left out
# What a run says of itself, and what rests on random orders, on ranks of every resample, on tables not exported, or on
# scores that a run does not keep (of further repeats of its cross-validation, of other runs).
NOT_RECOMPUTED = {"study", "title", "made_at", "counted_at", "run", "regressor_id", "labels_until", "training_rows"}
NOT_RECOMPUTED |= {"estimator", "fit_seconds", "from_run", "drift", "sequence", "spearman_r", "subgroups", "choice"}
NOT_RECOMPUTED |= {"validation_rmse_by_seed", "gate", "flags", "decisions", "left_out_readers", "rule"}
IDENTICAL, DIFFERENT, LEFT = "identical", "DIFFERENT", "not recomputed"
LINE = "{:<64}  {!s:<22}  {!s:<22}  {}\n"

Report = dict[str, Any]
Reading = tuple[str, str, str]  # reader, image, is_repeat
Grades = dict[str, dict[str, int]]  # image -> reader -> grade
Scores = dict[str, float]  # image -> score
Key = tuple[str, str]  # the person in an image, and the image
Terms = Mapping[Key, tuple[float, ...]]  # what a statistic is the mean of, per image
Statistic = Callable[[Sequence[float]], float]  # of the terms' means; NaN where there is no such number
NOTHING: Report = {"value": None, "low": None, "high": None}  # a number that there is not


def main(folder: Path) -> int:
    export, counts = Export(folder), Counter[str]()
    sys.stdout.write(LINE.format("name", "reported", "recomputed", ""))
    for name, reported, recomputed, verdict in chain(export.compare_labels(), export.replay()):
        counts[verdict] += 1
        if verdict != IDENTICAL or name.startswith(("report", "runs")):
            sys.stdout.write(LINE.format(name, reported, recomputed, verdict))
    sys.stdout.write(f"{IDENTICAL}: {counts[IDENTICAL]}, different: {counts[DIFFERENT]}, {LEFT}: {counts[LEFT]}\n")
    return 1 if counts[DIFFERENT] else 0


def compare(name: str, reported: Any, recomputed: Any) -> Iterator[tuple[str, Any, Any, str]]:
    """Compare two documents value by value."""
    one, other = leaves(name, reported), leaves(name, recomputed)
    for leaf in [*one, *(other.keys() - one.keys())]:
        values = one.get(leaf, "-"), other.get(leaf, "-")
        are_numbers = {type(value) for value in values} <= {int, float}
        near = are_numbers and math.isclose(*values, rel_tol=ROUNDING, abs_tol=ROUNDING)
        is_left = leaf not in other and not NOT_RECOMPUTED.isdisjoint(leaf.split("."))
        yield leaf, *values, LEFT if is_left else IDENTICAL if near or repr(values[0]) == repr(values[1]) else DIFFERENT


def leaves(name: str, document: Any) -> Report:
    """Return the values of a document by their names. A list's rows go by their reader or recipe, if they have one."""
    if isinstance(document, list):
        rows = [row if isinstance(row, dict) else {} for row in document]
        names = [row.get("code", row.get("recipe", n)) for n, row in enumerate(rows)]
        document = dict(zip(names, document, strict=True)) | {"length": len(document)}
    if not isinstance(document, dict):
        return {name: document}
    inner = (leaves(f"{name}.{key}", value) for key, value in document.items() if key not in SENTENCES)
    return {leaf: value for part in inner for leaf, value in part.items()}


class Export:
    """The files of the export, and what its labels say as far as they have been replayed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.images = {row["image"]: row for row in sorted(self.rows("images"), key=itemgetter("content_hash"))}
        self.golden = [image for image, row in self.images.items() if row["is_golden"] == "yes"]
        self.readers = {row["reader"]: row["is_simulated"] == "yes" for row in self.rows("readers")}
        self.scale = {int(row["value"]): row["name"] for row in self.rows("grade_scale")}
        self.levels = [{"value": value, "name": name} for value, name in self.scale.items()]
        self.cuts = [(one + other) / 2 for one, other in pairwise(self.scale)]
        documents = [(folder / f"{name}.json").read_text(encoding="utf-8") for name in ("study", "report", "runs")]
        self.study, self.report, self.runs = map(json.loads, documents)
        self.scores: dict[tuple[int, str, int], Scores] = defaultdict(dict)  # run, recipe, fit -> scores
        for row in self.rows("scores"):
            self.scores[int(row["run"]), row["recipe"], int(row["fit"])][row["image"]] = float(row["score"])
        self.person = {image: row["subject"] or image for image, row in self.images.items()}
        self.grades: Grades = defaultdict(dict)
        self.again: Grades = defaultdict(dict)  # of second readings

    def rows(self, name: str) -> Iterator[dict[str, str]]:
        """Yield a table's rows as dictionaries; the apostrophe that defuses formulas is taken off each cell again."""
        with (self.folder / f"{name}.csv").open(newline="", encoding="utf-8-sig") as file:
            for row in csv.DictReader(file):
                yield {column: cell.removeprefix("'") for column, cell in row.items()}

    def compare_labels(self) -> Iterator[tuple[str, Any, Any, str]]:
        """Hold the label table against what other tables say of the same labels, so that a difference names its row."""
        newest: dict[Reading, tuple[str, str]] = {}  # its label, and how the published layout has it
        for row in self.rows("labels"):
            value = row["grade"] or ("0" if row["not_gradable"] == "Not acne" else "")
            newest[row["reader"], row["image"], row["is_repeat"]] = row["label"], value
        versions, last = Counter[Reading](), 0
        for number, row in enumerate(self.rows("labels"), start=2):
            reading = row["reader"], row["image"], row["is_repeat"]
            versions[reading] += 1
            recomputed = {
                "label": str(max(last + 1, int(row["label"]))),  # they stand in the order in which they were stored
                "grade_name": self.scale.get(int(row["grade"] or -1), ""),
                "is_golden": self.images[row["image"]]["is_golden"],
                "version": str(versions[reading]),
                "is_current": "yes" if row["label"] == newest[reading][0] and row["is_undo"] != "yes" else "no",
            }
            last = int(row["label"])
            yield from compare(f"labels.csv:{number}", {column: row[column] for column in recomputed}, recomputed)
        # The published layout has no history of its own: its last row on an image must be the current label.
        reported = {f"{row['labeler']}.{row['image_name']}": row["label"] for row in self.rows("image_labels_new")}
        once = {f"{reader}.{image}": value for (reader, image, again), (_, value) in newest.items() if again == "no"}
        yield from compare("image_labels_new.csv", reported, {key: value for key, value in once.items() if value})

    def replay(self) -> Iterator[tuple[str, Any, Any, str]]:
        """Go through the labels as they were stored; compare each run where it stopped reading, then the report."""
        waiting = [run for run in self.runs if run["report"] and not run["details_deleted_at"]]
        waiting.sort(key=lambda run: run["report"]["labels_until"])
        for run in filter(itemgetter("details_deleted_at"), self.runs):
            yield f"runs.{run['run']}", "-", f"scores deleted {run['details_deleted_at'][:10]}", LEFT
        for row in chain(self.rows("labels"), [None]):
            while waiting and (row is None or waiting[0]["report"]["labels_until"] < int(row["label"])):
                run = waiting.pop(0)
                recomputed = self.run_report(run["run"], run["report"], set(run["left_out"]))
                yield from compare(f"runs.{run['run']}", run["report"], recomputed)
            if row:
                given = (self.again if row["is_repeat"] == "yes" else self.grades)[row["image"]]
                given.pop(row["reader"], None)
                given |= {row["reader"]: int(row["grade"])} if row["grade"] else {}
        golden, rows = self.counting(self.golden_grades()), list(self.rows("consensus"))
        consensus = {image: fmean(given.values()) for image, given in golden.items()}
        yield from compare("consensus.csv", {row["image"]: float(row["consensus"]) for row in rows}, consensus)
        counts = {image: len(given) for image, given in golden.items()}
        yield from compare("consensus.csv.n", {row["image"]: int(row["n"]) for row in rows}, counts)
        yield from compare("report", self.report, self.live_report(golden))

    def counting(self, grades: Grades) -> Grades:
        """Return the grades of images that count: neither taken out nor erased, and their subject agrees."""
        return {image: given for image, given in grades.items() if self.images[image]["may_be_trained_on"] == "yes"}

    def key(self, image: str) -> Key:
        return self.person[image], image

    def golden_grades(self) -> Grades:
        """Return the grades of golden images with at least one grade, in the order of their hashes."""
        return {image: self.grades[image] for image in self.golden if self.grades[image]}

    def live_report(self, golden: Grades) -> Report:
        run = next((run["report"] for run in reversed(self.runs) if run["report"]), None)
        out = {one["reader"] for one in self.report["decisions"] if not one["counts"]}
        flagged = {flag["reader"] for flag in self.report["flags"]}
        enough, _, judged = self.enough(golden, set())
        readers = [self.reader_row(golden, reader, None, judged=judged, out=out) for reader in sorted(self.readers)]
        if run and run.get("against"):
            kinds = {"closer_than": "closer", "surely_closer_than": "surely_closer", "of": "readers"}
            kinds["surely_farther_than"] = "surely_farther"
            better_than = {name: run["against"][kind] for name, kind in kinds.items()}
        elif run:  # of before verdicts
            differences = [row["machine_minus_reader"]["value"] for row in run["readers"]]
            known = [one for one in differences if one is not None]
            better_than = {"closer_than": sum(one < 0 for one in known), "of": len(known)}
            better_than |= {"surely_closer_than": 0, "surely_farther_than": 0}
        return {
            "is_simulated": self.study["is_simulated"] or any(self.readers.values()),
            "golden_images": len(self.golden),
            "enough": enough,
            "bar_without_flagged": self.bar_without(golden, flagged) if flagged else None,
            "erased_images": sum(row["is_erased"] == "yes" for row in self.images.values()),
            "left_out": self.left_out(golden, readers, run),
            "levels": self.levels,
            "readers": readers,
            "bar": bar_of(readers),
            "agreement": self.agreement(golden, judged),
            "machine_run": run,  # which is recomputed as a run of runs.json
            "better_than": run and better_than,
            "labels_since_run": run and sum(int(row["label"]) > run["labels_until"] for row in self.rows("labels")),
        }

    def left_out(self, golden: Grades, readers: Sequence[Report], run: Report | None) -> Report | None:
        """Return the numbers with the graded images that count no more, beside those without them."""
        graded = {row["image"] for row in self.rows("labels") if row["is_current"] == "yes"}
        images = {image for image in graded if self.images[image]["may_be_trained_on"] == "no"}
        if not images:
            return None
        whole = self.golden_grades()
        out = {one["reader"] for one in self.report["decisions"] if not one["counts"]}
        judged = self.enough(whole, set())[2]
        with_them = [self.reader_row(whole, row["code"], None, judged=judged, out=out) for row in readers]
        both = zip(with_them, readers, strict=True)
        rmses = {one["code"]: {"with_them": one["rmse"], "without": other["rmse"]} for one, other in both}
        return {
            "images": len(images),
            "golden_images": len(images.intersection(self.golden)),
            "readers": [{"code": code, "rmse": rmse_of} for code, rmse_of in rmses.items()],
            "bar_with_them": bar_of(with_them),
            "bar_without": bar_of(readers),
            "golden_rmse": self.golden_rmse(whole, golden, run) if run else None,
        }

    def golden_rmse(self, whole: Grades, golden: Grades, run: Report) -> Report | None:
        """The latest run's scores against the consensus of now, where it scored all images that count no more."""
        scores = self.scores[run["run"], run["machine"]["recipe"], 0]
        if not (whole.keys() - golden.keys()) <= scores.keys():
            return None
        sides = {"with_them": whole, "without": golden}
        return {
            side: rmse({self.key(i): scores[i] - fmean(given.values()) for i, given in grades.items() if i in scores})
            for side, grades in sides.items()
        }

    def run_report(self, run: int, printed: Report, left_out: set[str]) -> Report:
        # Golden images that the run left out are those whose person did not agree any more.
        golden = {image: given for image, given in self.golden_grades().items() if image not in left_out}
        ordinary = {image for image, given in self.grades.items() if given}.difference(self.golden)
        is_old = printed.get("against") is None  # of before verdicts: every golden image with a grade counted
        known = {row["code"] for row in printed["readers"]}.union(*golden.values())  # others joined later
        enough, _, judged = (None, set(), golden) if is_old else self.enough(golden, set())
        target = judged or golden
        recipes = [self.recipe_row(target, run, row["recipe"]) for row in printed["recipes"]]
        machine = next(row for row in recipes if row["recipe"] == printed["machine"]["recipe"])
        said = self.scores[run, machine["recipe"], 0]
        out, flagged = set(printed.get("left_out_readers", ())), {flag["reader"] for flag in printed.get("flags", ())}
        readers = [self.reader_row(golden, reader, said, judged=judged, out=out) for reader in sorted(known)]
        images = {"golden": len(golden), "ordinary": len(ordinary - left_out), "left_out": len(ordinary & left_out)}
        bar = bar_of(readers)
        within = bar is not None and machine["golden_rmse"]["value"] <= bar["value"]
        verdicts: Report = {}
        if not is_old:
            rule = printed["against"]["rule"]
            look = sum(1 for one in self.runs if one["report"] and one["run"] <= run)
            verdicts = {"against": self.against(golden, said, rule, look, out), "enough": enough}
            others = self.against(golden, said, rule, look, out | flagged) if flagged else None
            verdicts["against_without_flagged"] = others
            within = verdicts["against"]["passes"]
        facts = [[self.images[i]["content_hash"], *one] for i, given in self.grades.items() for one in given.items()]
        return {
            "is_simulated": self.study["is_simulated"] or any(row["is_simulated"] for row in readers),
            "images": images,
            "readers": readers,
            "recipes": recipes,
            "machine": machine | self.machine_row(target, said),
            **verdicts,
            "grades_sha256": hashlib.sha256(json.dumps(sorted(facts)).encode()).hexdigest(),
            "points": [{"consensus": fmean(given.values()), "score": said[image]} for image, given in golden.items()],
            "bar": bar,
            # Of the gate's conditions beside the comparison with readers the run's findings are taken.
            "passes": within and all(one["passes"] for one in printed["gate"] if one["name"] not in ("bar", "readers")),
        }

    def recipe_row(self, golden: Grades, run: int, recipe: str) -> Report:
        fits = [self.scores[key] for key in sorted(self.scores) if key[:2] == (run, recipe)]
        by_seed = [rmse({self.key(i): fit[i] - fmean(given.values()) for i, given in golden.items()}) for fit in fits]
        values = [row["value"] or 0.0 for row in by_seed]
        seeds = {"values": values, "mean": fmean(values), "lowest": min(values), "highest": max(values)}
        left_out = rmse(self.left_out_errors(fits[0]))
        return {"recipe": recipe, "golden_rmse": by_seed[0], "golden_rmse_by_seed": seeds, "validation_rmse": left_out}

    def machine_row(self, golden: Grades, scores: Scores) -> Report:
        """How close the machine comes to the consensus, how it leans, and the consensus on its score."""
        pairs = {self.key(image): (scores[image], fmean(given.values())) for image, given in golden.items()}
        at = {key: (bisect(self.cuts, s), bisect(self.cuts, c)) for key, (s, c) in pairs.items()}
        calibration: Report = {name: paired(name, pairs) for name in ("slope", "intercept")} | {"reliability": []}
        for level in sorted({score for score, _ in at.values()}):
            here = {key: pair for key, pair in pairs.items() if at[key][0] == level}
            row = {
                "score": fmean(s for s, _ in here.values()),
                "consensus": average({k: c for k, (_, c) in here.items()}),
            }
            calibration["reliability"].append(row)
        s_sd, c_sd = (max(pstdev(side), ROUNDING) for side in zip(*pairs.values(), strict=True))
        found = [
            {key: (float(score == level), 1.0) for key, (score, c) in at.items() if c == level}
            for level in range(len(self.levels))
        ]
        return {
            "pearson_r": paired("pearson_r", {key: (s / s_sd, c / c_sd) for key, (s, c) in pairs.items()}),
            "mean_absolute_error": average({key: abs(s - c) for key, (s, c) in pairs.items()}),
            "confusion": self.confusion(pairs.values()),
            "recall": [share(held) for held in found],
            **lean({key: s - c for key, (s, c) in pairs.items()}),
            "calibration": calibration,
            "interval": self.interval_row(golden, scores),
            "levels": self.levels,
        }

    def left_out_errors(self, scores: Scores) -> dict[Key, float]:
        """Return score - grade of the ordinary images that have a score: these were left out of the fit."""
        left_out = [image for image, row in self.images.items() if row["is_golden"] == "no" and image in scores]
        return {(image, image): scores[image] - fmean(self.grades[image].values()) for image in left_out}

    def interval_row(self, golden: Grades, scores: Scores) -> Report:
        """The conformal interval: sized by the images kept out of the fit, held against the golden ones."""
        sizes = sorted(map(abs, self.left_out_errors(scores).values()))
        place = math.ceil((len(sizes) + 1) * COVERAGE)
        row: Report = {"coverage": COVERAGE, "validation_images": len(sizes), "half_width": None}
        if place > len(sizes):
            return row | {"golden_consensus": None, "golden_grades": None}
        row["half_width"] = width = sizes[place - 1]
        off = {i: [abs(fmean(given.values()) - scores[i]) <= width] for i, given in golden.items()}
        each = {i: [abs(grade - scores[i]) <= width for grade in given.values()] for i, given in golden.items()}
        for name, held in (("golden_consensus", off), ("golden_grades", each)):
            terms = {self.key(image): (float(sum(within)), float(len(within))) for image, within in held.items()}
            row[name] = {"held": sum(map(sum, held.values())), "n": sum(map(len, held.values())), "share": share(terms)}
        return row

    def confusion(self, pairs: Iterable[Sequence[float]]) -> list[list[int]]:
        """Return counts of (value, against): rows are `against`; a number on a cut belongs to the higher grade."""
        cells = Counter((bisect(self.cuts, against), bisect(self.cuts, value)) for value, against in pairs)
        return [[cells[row, column] for column in range(len(self.levels))] for row in range(len(self.levels))]

    def enough(self, golden: Grades, out: set[str]) -> tuple[Report, set[str], Grades]:
        """Say which golden images have enough grades, of readers not `out`: facts, readers who count, these images."""
        mine = {image: {r: g for r, g in given.items() if r not in out} for image, given in golden.items()}
        done, drawn = Counter(chain.from_iterable(mine.values())), len(self.golden)
        who = {reader for reader, times in done.items() if times >= BAR_SHARE * drawn}
        needed = max(2, math.ceil(GRADE_SHARE * len(who)))
        judged = {image: given for image, given in mine.items() if len(who.intersection(given)) >= needed}
        if len(who) < 2 or len(judged) < min(max(FEWEST_TO_SHOW, math.ceil(drawn / 4)), math.ceil(drawn / 2)):
            judged = {}
        return {"images": len(judged), "drawn": drawn, "readers": len(who), "grades_needed": needed}, who, judged

    def bar_without(self, golden: Grades, out: set[str]) -> Report | None:
        """The bar, were some readers not there."""
        _, who, judged = self.enough(golden, out)
        rows = {
            reader: self.published(
                {i: {r: given[r] for r in who & given.keys()} for i, given in judged.items()}, reader
            )
            for reader in sorted(who)
        }
        return bar_of([{"code": reader, "rmse": rmse_of, "counts_for_bar": True} for reader, rmse_of in rows.items()])

    def published(self, golden: Grades, reader: str) -> Report:
        mine = {image: given for image, given in golden.items() if reader in given}
        return rmse({self.key(image): given[reader] - fmean(given.values()) for image, given in mine.items()})

    def against(self, golden: Grades, scores: Scores, rule: Report, look: int, out: set[str]) -> Report:
        """Hold the machine against the worst reader, or the median one, each against the others who count."""
        enough, who, judged = self.enough(golden, out)
        margin = rule["margin"]
        errs = ERROR / (look * (look + 1))
        found = []  # reader, difference, its standard error, images, people
        for reader in sorted(who):
            squares = {}
            for image, given in judged.items():
                others = [grade for other, grade in given.items() if other in who and other != reader]
                if reader in given and others:
                    mean = fmean(others)
                    squares[self.key(image)] = ((scores[image] - mean) ** 2, (given[reader] - mean) ** 2)
            if squares:
                found.append((reader, *difference(squares)))
        n, images = len(found), min((one[3] for one in found), default=0)
        rank = 1 if rule["against"] == "worst" else max(1, -(-n // 2))
        ranked = sorted(found, key=itemgetter(1))
        ends: tuple[float, float] | None = None
        closer = farther = 0
        if n >= 2 and min(images, *(one[4] for one in found)) >= FEWEST_TO_SHOW:
            upper = bounds(found, 1, errs / (n - rank + 1))[rank - 1]
            ends = bounds(found, -1, errs / rank)[rank - 1], upper
            closer, farther = holm(found, 1, errs), holm(found, -1, errs)
        low, high = ends or (math.nan, math.nan)
        return {
            "value": ranked[rank - 1][1] if found else None,
            "low": low if ends else None,
            "high": high if ends else None,
            "n": images,
            "look": look,
            "level": 100 * (1 - 2 * errs),
            "reader": ranked[rank - 1][0] if found else None,
            "readers": n,
            "grades_needed": enough["grades_needed"],
            "verdict": ("closer" if high < 0 else "farther" if low > 0 else "open") if ends else "too few",
            "passes": high < margin,
            "is_equivalent": -margin < low and high < margin,
            "closer": sum(one[1] < 0 for one in found),
            "surely_closer": closer,
            "surely_farther": farther,
        }

    def reader_row(
        self, golden: Grades, reader: str, scores: Scores | None, *, judged: Grades, out: set[str]
    ) -> Report:
        """Return the reader's errors, and how the machine's compare with them, or how the reader leans and repeats.

        judged: the golden images with enough grades. out: readers who were decided to set no bar.
        """
        published = self.published(judged, reader)
        shared = {
            self.key(image): (given[reader], fmean(grade for other, grade in given.items() if other != reader))
            for image, given in judged.items()
            if reader in given and len(given) > 1
        }
        done = sum(reader in given for given in golden.values())
        row = {
            "code": reader,
            "is_simulated": self.readers[reader],
            "rmse": published,
            "counts_for_bar": 0 < done >= BAR_SHARE * len(self.golden) and reader not in out,
            "rmse_leave_one_out": rmse({key: grade - others for key, (grade, others) in shared.items()}),
        }
        if scores is not None:
            squares = {
                k: ((scores[k[1]] - others) ** 2, (grade - others) ** 2) for k, (grade, others) in shared.items()
            }
            return row | {"machine_minus_reader": estimate(squares, root_less_root)}
        on_others = {key: (others, grade) for key, (grade, others) in shared.items()}
        return {
            **row,
            **lean({key: grade - others for key, (others, grade) in on_others.items()}),
            **{name: paired(name, on_others) for name in ("slope", "residual_sd")},
            "confusion": self.confusion(shared.values()),
            "repeats": self.repeats(reader),
        }

    def repeats(self, reader: str) -> Report:
        """The reader's second readings against the first, on images of any kind, by their hashes."""
        counting = self.counting(self.again)
        twice = [image for image in self.images if reader in counting.get(image, {}) and reader in self.grades[image]]
        pairs = {(i, i): (float(self.grades[i][reader]), float(self.again[i][reader])) for i in twice}
        return {
            "sd": rmse({key: (one - other) / math.sqrt(2) for key, (one, other) in pairs.items()}),
            "repeatability": rmse({key: LIMITS_AT * (one - other) for key, (one, other) in pairs.items()}),
            "kappa": paired("kappa", pairs),
            "same": share({key: (float(one == other), 1.0) for key, (one, other) in pairs.items()}),
        }

    def agreement(self, golden: Grades, judged: Grades) -> Report:
        pairs = []
        for one, other in combinations(sorted(self.readers), 2):
            shared = {image: given for image, given in golden.items() if {one, other} <= given.keys()}
            both = {self.key(i): (float(given[one]), float(given[other])) for i, given in shared.items()}
            kappa = paired("kappa", both, with_interval=len(self.readers) <= MOST_READERS_WITH_INTERVALS)
            pairs.append({"readers": [one, other], **kappa})
        units = {self.key(image): list(given.values()) for image, given in golden.items()}
        noise = {
            self.key(image): (len(given) * pvariance(given.values()), len(given) - 1.0, 1 / len(given))
            for image, given in judged.items()
        }
        return {
            **intraclass(golden),
            "alpha_ordinal": alpha(units, by_ranks=True),
            "alpha_interval": alpha(units, by_ranks=False),
            "pairwise_kappa": pairs,
            "noise_ceiling": estimate(noise, lambda m: math.sqrt(m[0] / m[1] * m[2]) if m[1] > 0 else math.nan, "size"),
        }


def bar_of(readers: Sequence[Report]) -> Report | None:
    counted = [{"value": row["rmse"]["value"], "reader": row["code"]} for row in readers if row["counts_for_bar"]]
    counted = [bar for bar in counted if bar["value"] is not None]
    return max(counted, key=lambda bar: bar["value"], default=None)


def difference(squares: Terms) -> tuple[float, float, int, int]:
    """Return the root mean square of the first column less that of the second, its standard error, images, people."""
    n, means = len(squares), [fmean(column) for column in zip(*squares.values(), strict=True)]
    one, other = map(math.sqrt, means)
    value, moves = one - other, defaultdict[str, float](float)
    for (person, _), (x, y) in squares.items():
        moves[person] += x / (2 * one or 1) - y / (2 * other or 1) - value / 2
    m = len(moves)
    error = math.sqrt(sum(move**2 for move in moves.values()) * m / (m - 1)) / n if m > 1 else math.nan
    return value, error, n, m


def bounds(found: Sequence[tuple[str, float, float, int, int]], side: int, errs: float) -> list[float]:
    """Return the readers' bounds of their differences, from above (side 1) or below, by Student's distribution."""
    return sorted(value + side * t_beyond(errs, m - 1) * error for _, value, error, _, m in found)


def holm(found: Sequence[tuple[str, float, float, int, int]], side: int, errs: float) -> int:
    """Return for how many readers the difference is surely below 0 (side 1), or above (Holm 1979)."""
    for sure in range(len(found)):
        if sum(side * bound < 0 for bound in bounds(found, side, errs / (len(found) - sure))) <= sure:
            return sure
    return len(found)


@lru_cache(maxsize=256)
def t_beyond(errs: float, freedom: int) -> float:
    """Return the t that is exceeded with probability `errs`, by halving: freedom / (freedom + t^2) is of a beta."""
    low, high = 0.0, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if beta_below(middle, freedom / 2, 0.5) < 2 * errs else (low, middle)
    return math.sqrt(freedom * (1 - low) / low)


def alpha(units: Mapping[Key, Sequence[float]], *, by_ranks: bool) -> Report:
    """Krippendorff's alpha: a difference counts by the square of the grades' middle ranks, or of the grades."""
    pairable = {key: unit for key, unit in units.items() if len(unit) > 1}
    levels = sorted(set(chain.from_iterable(pairable.values())))
    n, steps, pairs = len(pairable), len(levels), list(combinations(range(len(levels)), 2))
    counted = {key: [float(unit.count(level)) for level in levels] for key, unit in pairable.items()}
    terms = {
        key: (*row, *(2 * row[one] * row[other] / (sum(row) - 1) for one, other in pairs))
        for key, row in counted.items()
    }

    def statistic(m: Sequence[float]) -> float:
        counts, observed = [value * n for value in m[:steps]], [value * n for value in m[steps:]]
        ranks = [up_to - count / 2 for up_to, count in zip(accumulate(counts), counts, strict=True)]
        at, total = ranks if by_ranks else levels, sum(counts)
        apart = sum(seen * (at[one] - at[other]) ** 2 for seen, (one, other) in zip(observed, pairs, strict=True))
        first = sum(count * place for count, place in zip(counts, at, strict=True))
        second = sum(count * place**2 for count, place in zip(counts, at, strict=True))
        return 1 - (total - 1) * ratio(apart, 2 * (total * second - first**2))

    return estimate(terms, statistic, "correlation")


def intraclass(golden: Grades) -> dict[str, Report]:
    """Shrout and Fleiss's coefficients, McGraw and Wong's intervals, on images that every such reader graded."""
    k = len(set().union(*golden.values()))
    table = [[float(given[reader]) for reader in sorted(given)] for given in golden.values() if len(given) == k]
    n, grades = len(table), [grade for row in table for grade in row]
    none = NOTHING | {"n": n, "readers": k, "dropped": len(golden) - n}
    found = {name: dict(none) for name in ("icc_2_1", "icc_2_k", "icc_3_1")}
    if k < 2 or n < 2 or len(set(grades)) < 2:
        return found
    # Mean squares between images, between readers, and of what is left.
    rows, columns = [fmean(row) for row in table], [fmean(column) for column in zip(*table, strict=True)]
    whole, of_rows, of_columns = (n * k * pvariance(values) for values in (grades, rows, columns))
    of_left = (n - 1) * (k - 1)
    images, readers, left = of_rows / (n - 1), of_columns / (k - 1), (whole - of_rows - of_columns) / of_left
    single = images + (k - 1) * left
    below = single + k * (readers - left) / n, images + (readers - left) / n, single
    for name, one in zip(found, below, strict=True):
        found[name]["value"] = (images - left) / one if one >= ROUNDING else None
    if left < ROUNDING:
        return found
    low, high = images / left / f_quantile(n - 1, of_left), images / left * f_quantile(of_left, n - 1)
    found["icc_3_1"] |= {"low": (low - 1) / (low + k - 1), "high": (high - 1) / (high + k - 1)}
    value, value_k = found["icc_2_1"]["value"], found["icc_2_k"]["value"]
    if value is not None and min(images, 1 - value) >= ROUNDING:
        r = k * value / (n * (1 - value)) * readers
        e = (1 + k * value * (n - 1) / (n * (1 - value))) * left
        spread = r**2 / (k - 1) + e**2 / of_left
        freedom = max((r + e) ** 2 / spread, ROUNDING) if spread else ROUNDING
        to_low, to_high = f_quantile(n - 1, freedom), f_quantile(freedom, n - 1)
        others = k * readers + (k * n - k - n) * left
        low = n * (images - to_low * left) / (to_low * others + n * images)
        high = n * (to_high * images - left) / (others + n * to_high * images)
        found["icc_2_1"] |= {"low": low, "high": high}
        if value_k is not None and 1 + (k - 1) * low >= ROUNDING:
            found["icc_2_k"] |= {name: k * end / (1 + (k - 1) * end) for name, end in (("low", low), ("high", high))}
    return found


def f_quantile(one: float, other: float) -> float:
    """Return the F that 97.5 % stay below, by halving: for x of a beta distribution, F = x other / ((1 - x) one)."""
    low, high = 0.0, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if beta_below(middle, one / 2, other / 2) < 0.975 else (low, middle)
    return low * other / ((1 - low) * one) if low < 1 else math.inf


def beta_below(x: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function, by its continued fraction (Abramowitz and Stegun 26.5.8)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - beta_below(1 - x, b, a)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)) / a
    fraction = 0.0
    for m in range(400, 0, -1):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        fraction = even / (1 + odd / (1 + fraction))
    return front / (1 + -(a + b) * x / (a + 1) / (1 + fraction))


def rmse(errors: Mapping[Key, float]) -> Report:
    return estimate({key: (error**2,) for key, error in errors.items()}, lambda m: math.sqrt(m[0]), "size")


def average(values: Mapping[Key, float]) -> Report:
    return estimate({key: (value,) for key, value in values.items()}, lambda m: m[0])


def share(held: Terms) -> Report:
    """Return the first column's share of the second, and Wilson's interval for as many people as the spread tells."""
    n, people = len(held), by_person(held)
    if not n:
        return NOTHING | {"n": 0}
    ones, total = map(sum, zip(*held.values(), strict=True))
    value, m = ones / total, len(people)
    effective, z2 = float(m), Z**2
    if 0 < value < 1 and m > 1:
        variance = m / (m - 1) * sum((one - value * number) ** 2 for one, number in people.values()) / total**2
        effective = min(value * (1 - value) / variance, total) if variance > 0 else total
    middle = (value + z2 / (2 * effective)) / (1 + z2 / effective)
    half = Z / (1 + z2 / effective) * math.sqrt(value * (1 - value) / effective + z2 / (4 * effective**2))
    low, high = max(middle - half, 0.0) if value > 0 else 0.0, min(middle + half, 1.0) if value < 1 else 1.0
    return {"value": value, "low": low, "high": high, "n": n}


def by_person(terms: Terms) -> dict[str, list[float]]:
    """Return each person's sums."""
    rows: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    for (person, _), row in terms.items():
        rows[person].append(row)
    return {person: [sum(column) for column in zip(*own, strict=True)] for person, own in rows.items()}


def root_less_root(m: Sequence[float]) -> float:
    return math.sqrt(m[0]) - math.sqrt(m[1])


def lean(differences: Mapping[Key, float]) -> Report:
    """Return their mean, and it plus and minus 1.96 standard deviations (Bland and Altman 1986)."""
    n, bias = len(differences), average(differences)
    middle = fmean(differences.values()) if n else 0.0
    terms = {key: (one - middle, (one - middle) ** 2) for key, one in differences.items()}
    sd = estimate(terms, lambda m: root(m[1] - m[0] ** 2) * math.sqrt(n / (n - 1)), "spread", fewest=3)
    limits = {name: limit(bias, sd, side) for name, side in (("lower", -1), ("upper", 1))}
    return {"bias": bias, "limits_of_agreement": limits}


def limit(bias: Report, sd: Report, side: int) -> Report:
    """Put the intervals of mean and standard deviation together (Donner and Zou 2012)."""
    if sd["value"] is None:
        return NOTHING | {"n": sd["n"]}
    value = bias["value"] + side * LIMITS_AT * sd["value"]
    if sd["low"] is None:
        return NOTHING | {"value": value, "n": sd["n"]}
    less, more = (LIMITS_AT * abs(sd["value"] - sd[end]) for end in (("low", "high") if side > 0 else ("high", "low")))
    low = value - math.hypot(bias["value"] - bias["low"], less)
    return {"value": value, "low": low, "high": value + math.hypot(bias["high"] - bias["value"], more), "n": sd["n"]}


def ratio(one: float, other: float) -> float:
    return one / other if other > ROUNDING else math.nan


# ruff: noqa: ARG005  each function names all of a list of pairs' number, means, variances and covariance
PAIRED: dict[str, Callable[[int, float, float, float, float, float], float]] = {
    "kappa": lambda n, x, y, xx, yy, xy: ratio(2 * xy, xx + yy + (x - y) ** 2),  # 1 - mean (x - y)^2 / that by chance
    "pearson_r": lambda n, x, y, xx, yy, xy: xy / math.sqrt(xx * yy) if min(xx, yy) > ROUNDING else math.nan,
    "slope": lambda n, x, y, xx, yy, xy: ratio(xy, xx),
    "intercept": lambda n, x, y, xx, yy, xy: y - ratio(xy, xx) * x,
    "residual_sd": lambda n, x, y, xx, yy, xy: root(yy - ratio(xy, xx) * xy) * math.sqrt(n / (n - 2)),
}


def root(variance: float) -> float:
    """Return the square root of a variance; 0 where it is a rounding error."""
    return math.sqrt(variance) if variance > NO_VARIANCE else 0.0


def paired(name: str, pairs: Terms, *, with_interval: bool = True) -> Report:
    n, formula = len(pairs), PAIRED[name]
    x0, y0 = (sum(side) / n for side in zip(*pairs.values(), strict=True)) if pairs else (0.0, 0.0)
    moved = {
        key: (x - x0, y - y0) for key, (x, y) in pairs.items()
    }  # moments of numbers far from 0 would cancel each other's digits

    def statistic(m: Sequence[float]) -> float:
        x, y, xx, yy, xy = m
        return formula(n, x0 + x, y0 + y, xx - x * x, yy - y * y, xy - x * y)

    terms = {key: (x, y, x * x, y * y, x * y) for key, (x, y) in moved.items()}
    fewest = FEWEST_TO_SHOW if name == "kappa" else 3
    scale = {"kappa": "correlation", "pearson_r": "correlation", "residual_sd": "spread"}.get(name, "plain")
    return estimate(terms, statistic, scale, fewest=fewest, with_interval=with_interval)


def estimate(
    terms: Terms, statistic: Statistic, scale: str = "plain", *, fewest: int = 1, with_interval: bool = True
) -> Report:
    """Return statistic(means of the terms) and its interval, as the report prints it: the jackknife over people.

    Student's t spans, on a scale of its own, what the statistic varies by when each person's images are left out.
    """
    n, (to, back) = len(terms), SCALES[scale]
    totals = [math.fsum(column) for column in zip(*terms.values(), strict=True)]
    value = statistic([total / n for total in totals]) if n >= fewest else math.nan
    if math.isnan(value):
        return NOTHING | {"n": n}
    nothing, images = NOTHING | {"value": value, "n": n}, Counter(person for person, _ in terms)
    m = len(images)
    if not with_interval or m < max(FEWEST[scale], 2):
        return nothing
    try:
        middle, moved = to(value), []
        for person, sums in by_person(terms).items():
            rest = n - images[person]
            moved.append(to(statistic([(total - one) / rest for total, one in zip(totals, sums, strict=True)])))
    except ValueError:  # an end of the scale
        return nothing
    if not all(map(math.isfinite, moved)):
        return nothing
    mean = fmean(moved)
    half = t_beyond((100 - LEVEL) / 200, m - 1) * math.sqrt((m - 1) / m * sum((one - mean) ** 2 for one in moved))
    return {"value": value, "low": back(middle - half), "high": back(middle + half), "n": n}


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, csv.Error) as error:
        sys.stderr.write(f"This is not what the export made: {type(error).__name__}: {error}\n")
        sys.exit(2)
