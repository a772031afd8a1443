"""manage.py statistics FILE.csv"""

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeler.platform import typed_json
from training.statistics import label_tables, panels, stability
from training.statistics.drift import Drift
from training.statistics.intervals import Estimate
from training.statistics.label_tables import LabelTable, TableError
from training.statistics.panels import Agreement, ReaderStatistics
from training.verdicts import enough_grades
from training.verdicts.enough_grades import EnoughGrades

METHODS = {
    "intervals": "95 %, jackknife over images, Student's t; of shares by Wilson, of ICC by F (McGraw and Wong 1996)",
    "pairwise_kappa": "quadratic weights, on the images that both readers graded",
    "drift": "EWMA of the differences from the others; 5 false alarms in 100 readers who never change",
}
AGREEMENT = {
    "icc_2_1": "ICC(2,1), one reader with another",
    "icc_2_k": "ICC(2,k), the mean of all readers",
    "icc_3_1": "ICC(3,1), steady differences forgiven",
    "alpha_ordinal": "Krippendorff's alpha, ordinal",
    "alpha_interval": "Krippendorff's alpha, interval",
    "noise_ceiling": "RMSE of an oracle (noise ceiling)",
}
OF_READER = ("rmse", "rmse_leave_one_out", "bias", "slope", "residual_sd")


class Command(BaseCommand):
    help = "Every statistic of a table of labels, without a study: CSV with the columns reader, image, grade."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="may also have position, graded_at, is_golden, is_repeat")
        parser.add_argument("--scale", default="", help="names of the grades with commas between, the lowest first")
        parser.add_argument("--json", action="store_true", help="everything, in full precision")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        table = _read(options["file"], [name.strip() for name in options["scale"].split(",") if name.strip()])
        enough, has_enough = enough_grades.of_panel(
            table.panel.grades, table.images, "golden" if table.has_golden else "shared"
        )
        compared = replace(table.panel, grades=enough_grades.only(table.panel.grades, has_enough))
        agreement = panels.describe_agreement(table.panel)
        agreement = replace(agreement, noise_ceiling=stability.noise_ceiling(compared.grades))
        readers = [panels.describe_reader(compared, row) for row in range(len(compared.readers))]
        if options["json"]:
            numbers = {**typed_json.dump(agreement), "readers": [typed_json.dump(reader) for reader in readers]}
            numbers["enough"] = typed_json.dump(enough)
            self.stdout.write(json.dumps({**_facts(table), **numbers, "methods": METHODS}, indent=2, allow_nan=False))
        else:
            self._write(table, agreement, readers, enough)

    def _write(
        self, table: LabelTable, agreement: Agreement, readers: Sequence[ReaderStatistics], enough: EnoughGrades
    ) -> None:
        self.stdout.write(_about(table))
        self.stdout.write(f"{enough.sentence}\n")
        for name, words in AGREEMENT.items():
            self.stdout.write(f"{words:<42}{_in_words(getattr(agreement, name))}")
        for reader in readers:
            self.stdout.write(f"\n{reader.code} {reader.in_words}")
            estimates = {name: getattr(reader, name) for name in OF_READER} | {"repeats, sd": reader.repeats.sd}
            for name, estimate in estimates.items():
                self.stdout.write(f"  {name.replace('_', ' '):<22}{_in_words(estimate)}")
            self.stdout.write(f"  {'drift':<22}{_drift(reader.drift)}")
        self.stdout.write("\nQuadratic weighted kappa of each pair, on the images that both graded")
        for pair in agreement.pairwise_kappa:
            self.stdout.write(f"  {' and '.join(pair.readers):<22}{_in_words(pair)}")
        self.stdout.write(f"\nIntervals: {METHODS['intervals']}.")


def _read(path: Path, scale: list[str]) -> LabelTable:
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            return label_tables.read(lines, scale=scale)
    except UnicodeDecodeError as error:
        raise CommandError(f"The file {path} is not UTF-8 text. Save it as CSV in UTF-8.") from error
    except OSError as error:
        raise CommandError(f"The file {path} can't be read: {error.strerror}. Check its name and rights.") from error
    except TableError as error:
        raise CommandError(str(error)) from error


def _facts(table: LabelTable) -> dict[str, int | str]:
    return {
        "rows": table.rows,
        "rows_without_grade": table.without_grade,
        "images": table.images,
        "images_of_one_reader": table.images_of_one_reader,
        "compared_on": "golden images" if table.has_golden else "images that at least two readers graded",
    }


def _about(table: LabelTable) -> str:
    facts = _facts(table)
    compared = f"{len(table.panel.readers)} readers, compared on {facts['images']} {facts['compared_on']}"
    return f"{compared}; {table.rows} rows, {table.without_grade} of them without a grade.\n"


def _in_words(estimate: Estimate) -> str:
    if estimate.value is None:
        return f"none: {estimate.reason}"
    interval = estimate.reason if estimate.low is None else f"{estimate.low:.3f} to {estimate.high:.3f}"
    return f"{estimate.value:.3f}  ({interval}, n = {estimate.n})"


def _drift(drift: Drift) -> str:
    if drift.p is None:
        return f"none: {drift.reason}"
    alarm = f"beyond its limit from image {drift.alarm_at} on" if drift.alarm_at else "within its limit"
    return f"{alarm} (p = {drift.p:.3f}, n = {drift.n})"
