"""The list of a report's charts."""

from collections.abc import Sequence

from labeler.charts.chart import Chart
from training.reports.charts import matrices, points, rmse_chart, series, subgroup_chart
from training.reports.charts.points import Place
from training.reports.charts.series import Night
from training.reports.charts.wording import Document


def of_report(report: Document, nights: Sequence[Night], places: Sequence[Place] = ()) -> dict[str, Chart]:
    """Return the report's charts by their names. `nights` are the runs with a report, the first one first."""
    charts = [
        rmse_chart.of_everybody(report),
        points.scatter(report, places),
        matrices.machine_confusion(report),
        points.machine_differences(report),
        points.calibration(report),
        subgroup_chart.of_kinds(report),
        matrices.agreement(report),
        matrices.all_confusions(report),
        series.drift(report),
        series.history(nights),
    ]
    return {chart.name: chart for chart in charts}
