"""Charts of reports of every kind: a picture and its numbers, or a sentence that says why there is none."""

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from labeler.charts.chart import Chart
from training.publication import gate
from training.reports.charts import against_chart, catalogue, matrices, plan_chart, points, rmse_chart, series
from training.reports.charts.points import Place
from training.reports.charts.series import Night
from training.reports.contents import (
    Calibration,
    ChosenRecipe,
    ComparedReader,
    ImageCounts,
    Level,
    MachineNumbers,
    OverSeeds,
    Point,
    ReaderNumbers,
    RunReport,
    ScoreInterval,
    StudyReport,
)
from training.statistics import bias, metrics, panels, planning, regression, subgroups
from training.statistics.intervals import Estimate, Floats, mean
from training.statistics.panels import Reading
from training.statistics.planning import Design
from training.verdicts import against_readers, enough_grades, judged_panel
from training.verdicts.against_readers import Rule

LEVELS = {1.0: "Clear", 2.0: "Almost clear", 3.0: "Mild", 4.0: "Moderate", 5.0: "Severe"}
SVG = "{http://www.w3.org/2000/svg}"
SCALE = tuple(Level(int(value), name) for value, name in LEVELS.items())


def report_of(grades: Sequence[Sequence[float]], *, scores: Sequence[float] | None = None) -> StudyReport:
    """Return the report of (n readers, N images) grades, NaN for none."""
    codes = [f"R{number:02d}" for number in range(1, len(grades) + 1)]
    readings = [
        Reading(code, f"{image:03d}", grade, position=image)
        for code, row in zip(codes, grades, strict=True)
        for image, grade in enumerate(row)
        if np.isfinite(grade)
    ]
    panel = panels.build(readings, readers=codes, images={one.image for one in readings}, levels=LEVELS)
    rows = [
        ReaderNumbers(**vars(panels.describe_reader(panel, place)), is_simulated=place == 0, counts_for_bar=True)
        for place in range(len(codes))
    ]
    halves = {"view": np.array(["left" if int(name) % 2 else "right" for name in panel.images])}
    return StudyReport(
        study="acne",
        title="The acne study",
        is_simulated=True,
        golden_images=len(panel.images),
        enough=enough_grades.of_panel(panel.grades, len(panel.images))[0],
        flags=(),
        decisions=(),
        bar_without_flagged=None,
        levels=SCALE,
        readers=tuple(rows),
        agreement=panels.describe_agreement(panel),
        subgroups=subgroups.by_column(metrics.residuals(panel.grades), halves),
        counted_at=None,
        erased_images=0,
        bar=gate.bar_of({row.code: row.rmse.value for row in rows if row.rmse.value is not None}),
        machine_run=None if scores is None else run_of(panel.grades, np.array(scores)),
        better_than=None,
        labels_since_run=None,
    )


def run_of(grades: Floats, scores: Floats) -> RunReport:
    target = metrics.consensus(grades)
    codes = [f"R{number:02d}" for number in range(1, len(grades) + 1)]
    levels = [level.value for level in SCALE]
    line = regression.fit_line(scores, target)
    rmse = metrics.rmse(scores, target)
    over_seeds = OverSeeds((0.4,), 0.4, 0.4, 0.4)
    return RunReport(
        study="acne",
        is_simulated=True,
        made_at="2026-11-25T12:00:00+00:00",
        run=7,
        regressor_id=7,
        images=ImageCounts(len(target), 100, 0),
        readers=tuple(
            ComparedReader(
                code=code,
                is_simulated=place == 0,
                rmse=metrics.reader_rmse(grades, place),
                counts_for_bar=True,
                rmse_leave_one_out=metrics.reader_rmse_leave_one_out(grades, place),
                machine_minus_reader=metrics.compare_with_reader(scores, grades, place),
            )
            for place, code in enumerate(codes)
        ),
        machine=MachineNumbers(
            recipe="face_ridge",
            estimator="ridge",
            training_rows=100,
            validation_rmse=rmse,
            validation_rmse_by_seed=over_seeds,
            golden_rmse=rmse,
            golden_rmse_by_seed=over_seeds,
            fit_seconds=1.0,
            from_run=None,
            pearson_r=metrics.pearson_r(scores, target),
            spearman_r=metrics.spearman_r(scores, target),
            mean_absolute_error=metrics.mean_absolute_error(scores, target),
            bias=mean(scores - target),
            limits_of_agreement=bias.limits_of_agreement(scores, target),
            calibration=Calibration(line.slope, line.intercept, metrics.reliability(scores, target, levels)),
            confusion=metrics.confusion(scores, target, levels).tolist(),
            recall=metrics.recall(scores, target, levels),
            subgroups=(),
            interval=ScoreInterval(0.9, None, 100, None, None),
            levels=SCALE,
        ),
        recipes=(),
        choice=ChosenRecipe("face_ridge", (), "face_ridge is the only recipe.", 1, 5),
        labels_until=1,
        grades_sha256="0" * 64,
        points=tuple(map(Point, target.tolist(), scores.tolist())),
        bar=None,
        gate=(),
        passes=False,
        conclusion="Not published.",
        against=judged_panel.of(grades, codes, drawn=len(target)).against(scores, rule=Rule(), look=2),
    )


def machine_of(report: StudyReport) -> RunReport:
    assert report.machine_run is not None
    return report.machine_run


def many(readers: int = 4, images: int = 60, seed: int = 3) -> list[list[float]]:
    random = np.random.default_rng(seed)
    severity = random.uniform(1, 5, images)
    rows: list[list[float]] = (severity + random.normal(0, 0.5, (readers, images))).round().clip(1, 5).tolist()
    return rows


NAN = float("nan")
KINDS: dict[str, dict[str, Any]] = {
    "everything": {"grades": many(), "scores": np.linspace(1, 5, 60).tolist()},
    "no machine yet": {"grades": many()},
    "no readers": {"grades": []},
    "one reader": {"grades": [[1, 2, 3, 4, 5] * 5]},
    "one image": {"grades": [[3], [4]], "scores": [3.2]},
    "one image of one reader": {"grades": [[3]], "scores": [2.0]},
    "constant readers": {"grades": [[3] * 30, [3] * 30, [4] * 30], "scores": [3.0] * 30},
    "a reader without grades": {"grades": [*many(2), [NAN] * 60], "scores": [3.1] * 60},
    "different halves": {"grades": [[1, 2, 3, 4] * 6 + [NAN] * 24, [NAN] * 24 + [4, 3, 2, 1] * 6]},
    "more readers than a map holds": {"grades": many(readers=45, images=25)},
}


def test_the_verdict_is_drawn_with_the_gates_interval_and_margin() -> None:
    report = report_of(many(readers=5), scores=np.linspace(1, 5, 60).tolist())
    chart = against_chart.of_verdict(machine_of(report))
    found = machine_of(report).against
    assert found is not None
    assert against_readers.in_words(found) in chart.sentence
    assert chart.table.rows[0] == ("the worst reader", found.value, found.low, found.high, found.n, "")
    assert len(marks(chart, "polygon", "machine")) == 1
    assert len(marks(chart, "circle", "reader")) == 4
    assert len(marks(chart, "line", "bar")) == 1
    assert [row[0] for row in chart.table.rows[1:]] != []


def nights(*values: float) -> list[Night]:
    return [
        Night(place, "2026-11-25", Estimate(value, None, None, 30), 0.5, "ms2019", place % 2 == 0)
        for place, value in enumerate(values)
    ]


@cache
def charts_of(kind: str) -> dict[str, Chart]:
    return catalogue.of_report(report_of(**KINDS[kind]), nights(0.4, 0.45))


def marks(chart: Chart, tag: str, look: str) -> list[ET.Element]:
    picture = ET.fromstring(chart.picture)  # noqa: S314  our own
    return [mark for mark in picture.iter(f"{SVG}{tag}") if mark.get("class") == f"c-{look}"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_chart_is_a_picture_with_words_or_says_why_there_is_none(kind: str) -> None:
    for name, chart in charts_of(kind).items():
        assert chart.sentence, name
        assert "nan" not in (chart.sentence + chart.table.as_csv()).lower(), name
        for picture in filter(None, (chart.picture, chart.picture_for_phones)):
            assert {"nan", "inf"}.isdisjoint(picture.lower().replace('"', " ").replace(",", " ").split()), name
            root = ET.fromstring(picture)  # noqa: S314  our own
            assert root.find(f"{SVG}title") is not None, name
            assert root.find(f"{SVG}desc") is not None, name
            # The security policy would drop them.
            assert not [mark for mark in root.iter() if mark.get("style") or mark.tag.endswith(("script", "style"))]


@pytest.mark.parametrize("kind", KINDS)
def test_every_mark_stays_on_its_sheet(kind: str) -> None:
    for name, chart in charts_of(kind).items():
        for sheet in filter(None, (chart.wide, chart.narrow)):
            root = ET.fromstring(sheet.svg(name="one", title="One", description="A chart."))  # noqa: S314
            for mark in root.iter():
                for key, end in (("cx", sheet.width), ("x2", sheet.width), ("cy", sheet.height), ("y2", sheet.height)):
                    assert 0 <= float(mark.get(key, 0)) <= end, (name, kind, mark.attrib)


def test_with_everything_there_every_chart_has_a_picture() -> None:
    assert [chart.name for chart in charts_of("everything").values() if not chart.picture] == []


def test_the_rmse_chart_has_everybody_the_bar_and_the_ceiling() -> None:
    chart = charts_of("everything")["errors"]
    assert len(marks(chart, "circle", "reader")) == 3 + 1  # and the one of the legend
    assert len(marks(chart, "circle", "simulated")) == 1 + 1
    assert len(marks(chart, "polygon", "machine")) == 1 + 1
    assert (len(marks(chart, "line", "bar")), len(marks(chart, "line", "ceiling"))) == (1, 1)


def test_a_reader_without_a_grade_is_named_and_not_drawn() -> None:
    chart = charts_of("a reader without grades")["errors"]
    assert "Without a golden grade so far: R03." in chart.sentence
    assert len(marks(chart, "circle", "reader")) == 1 + 1


def test_of_many_readers_the_ends_are_drawn_and_all_are_in_the_table() -> None:
    report = report_of(grades=many(readers=90, images=22))
    chart = rmse_chart.of_everybody(report)
    drawn = marks(chart, "circle", "reader") + marks(chart, "circle", "simulated")
    assert len(drawn) - len({mark.get("class") for mark in drawn}) == rmse_chart.MOST_ROWS
    assert "30 readers in the middle" in chart.sentence
    assert len(chart.table.rows) == 90 + 1  # and the noise ceiling


def test_a_map_has_a_shade_for_each_pair_that_can_be_compared() -> None:
    chart = charts_of("everything")["agreement"]
    shaded = [mark for step in range(10) for mark in marks(chart, "rect", f"shade-{step}")]
    assert len(shaded) == 6
    apart = charts_of("different halves")["agreement"]
    assert not apart.picture
    assert "No two readers can be compared" in apart.sentence


def test_the_table_of_pairs_has_what_the_report_has() -> None:
    report = report_of(**KINDS["everything"])
    rows = list(csv.DictReader(io.StringIO(matrices.agreement(report).table.as_csv())))
    pairs = report.agreement.pairwise_kappa
    assert [(row["reader"], row["other"], float(row["value"]), int(row["n"])) for row in rows] == [
        (*pair.readers, pair.value, pair.n) for pair in pairs
    ]


def test_confusions_have_counts_and_rates() -> None:
    run = machine_of(report_of(**KINDS["everything"]))
    table = matrices.machine_confusion(run).table
    counts = np.array(run.machine.confusion)
    assert [row[3] for row in table.rows] == counts.ravel().tolist()
    shares = [row[4] for row in table.rows if row[1] == "Mild"]
    assert sum(share for share in shares if isinstance(share, float)) == pytest.approx(1)


@pytest.mark.parametrize("names", [["No", "Yes"], ["Conspicuously inflammatory papules"] * 9])
def test_scales_of_other_lengths_and_long_names_fit(names: list[str]) -> None:
    size = len(names)
    run = machine_of(report_of(**KINDS["everything"]))
    counts = [[place * size + other for other in range(size)] for place in range(size)]
    levels = tuple(map(Level, range(1, size + 1), names))
    chart = matrices.machine_confusion(replace(run, machine=replace(run.machine, levels=levels, confusion=counts)))
    assert len(marks(chart, "rect", "agree")) == size
    longest = max((text.text or "" for text in marks(chart, "text", "soft")[:-2]), key=len)
    assert len(longest) <= 84 / matrices.LETTER


def test_a_point_opens_its_image_where_it_may() -> None:
    run = machine_of(report_of(**KINDS["everything"]))
    assert "<a " not in points.scatter(run).picture
    linked = points.scatter(run, [Place(f"/images/{n}/", f"{n}.jpg") for n in range(60)])
    links = [mark.get("href") for mark in ET.fromstring(linked.picture).iter(f"{SVG}a")]  # noqa: S314
    assert links == [f"/images/{n}/" for n in range(60)]
    assert linked.table == points.scatter(run).table


def test_limits_are_drawn_where_they_are() -> None:
    chart = points.machine_differences(machine_of(report_of(**KINDS["everything"])))
    assert len(marks(chart, "line", "limit")) == 2
    assert len(marks(chart, "circle", "point")) == 60


def test_a_drift_is_marked_where_it_begins() -> None:
    *steady, third = many(readers=4, images=80)
    stricter = [grade + (place > 50) for place, grade in enumerate(third)]
    report = report_of([*steady, stricter])
    chart = series.drift(report.readers)
    alarms = [reader.code for reader in report.readers if reader.drift.alarm_at]
    assert "R04" in alarms
    assert len(marks(chart, "circle", "alarm")) == len(alarms)
    assert "R04 from image" in chart.sentence


def test_history_tells_what_was_published() -> None:
    chart = series.history(nights(0.4, 0.5, 0.45))
    assert len(marks(chart, "polygon", "machine")) == 2
    assert len(marks(chart, "polygon", "unpublished")) == 1
    assert series.history([]).sentence == "No run has finished yet."


@pytest.mark.parametrize("golden", [350, 20_000])
def test_a_plan_is_a_point_for_every_size_and_kind_of_interval(golden: int) -> None:
    plan = planning.plan(Design(golden=golden))
    chart = plan_chart.of_widths(plan)
    for picture in (chart.picture, chart.picture_for_phones):
        drawn = ET.fromstring(picture)  # noqa: S314  our own
        tips = [title.text or "" for title in drawn.iter(f"{SVG}title")]
        assert sum("wide" in tip for tip in tips) == 3 * len(plan.by_golden)
        width = plan.expected.golden_rmse.width
        assert f"{golden} golden images: The machine's golden RMSE {width:.3f} wide" in tips
        assert f"this design: {golden}" in picture


def test_where_an_interval_has_no_width_a_plan_has_no_point() -> None:
    plan = planning.plan(Design())
    (size, fewest), *more = plan.by_golden
    unknown = replace(fewest, reader_rmse=replace(fewest.reader_rmse, width=None))
    picture = plan_chart.of_widths(replace(plan, by_golden=((size, unknown), *more))).picture
    assert f">{size} golden images: The machine&#x27;s golden RMSE" in picture
    assert f">{size} golden images: A reader" not in picture
