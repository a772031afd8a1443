"""Which charts a report has. [core]"""

from collections.abc import Sequence

from training.charts import errors, groups, matrices, points, series
from training.charts.chart import Chart, Document
from training.charts.points import Place
from training.charts.series import Night


def of_report(report: Document, nights: Sequence[Night], places: Sequence[Place] = ()) -> dict[str, Chart]:
    """Return the report's charts by their names. `nights` are the runs with a report, the first one first."""
    charts = [
        errors.of_everybody(report),
        points.scatter(report, places),
        matrices.machine_confusion(report),
        points.machine_differences(report),
        points.calibration(report),
        groups.of_kinds(report),
        matrices.agreement(report),
        matrices.all_confusions(report),
        series.drift(report),
        series.history(nights),
    ]
    return {chart.name: chart for chart in charts}
