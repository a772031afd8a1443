"""The list of a report's charts."""

from collections.abc import Sequence

from labeler.charts.chart import Chart
from training.reports.charts import against_chart, matrices, points, rmse_chart, series, subgroup_chart
from training.reports.charts.points import Place
from training.reports.charts.series import Night
from training.reports.contents import StudyReport


def of_report(report: StudyReport, nights: Sequence[Night], places: Sequence[Place] = ()) -> dict[str, Chart]:
    """Return the report's charts by their names. `nights` are the runs with a report, the first one first."""
    run = report.machine_run
    charts = [
        rmse_chart.of_everybody(report),
        against_chart.of_verdict(run),
        points.scatter(run, places),
        matrices.machine_confusion(run),
        points.machine_differences(run),
        points.calibration(run),
        subgroup_chart.of_kinds(report),
        matrices.agreement(report),
        matrices.all_confusions(report),
        series.drift(report.readers),
        series.history(nights),
    ]
    return {chart.name: chart for chart in charts}
