"""The charts of one study, from its report and its runs."""

from collections.abc import Sequence

from django.urls import reverse

from labeler.charts.chart import Chart
from labeler.models import Study
from labeler.platform import typed_json
from training.reports import reader_report, run_report
from training.reports.charts import catalogue
from training.reports.charts.points import Place
from training.reports.charts.series import Night
from training.reports.contents import StudyReport
from training.statistics.intervals import Estimate

NIGHTS = 400  # a year of them, and a little


def of_study(study: Study, report: StudyReport, *, may_open: bool = False) -> dict[str, Chart]:
    """Return the charts by name. A point of the scatter leads to its image where `may_open` says so."""
    return catalogue.of_report(report, nights(study), places(study) if may_open else ())


def find(study: Study, report: StudyReport, name: str) -> Chart | None:
    """Return the chart of this name, of the report or of one of its readers."""
    chart = of_study(study, report).get(name)
    reader = study.readers.filter(code=name.rpartition("-")[2]).first()
    if chart is not None or reader is None:
        return chart
    return next((one for one in reader_report.of(reader).charts if one.name == name), None)


def nights(study: Study) -> list[Night]:
    """Return the runs that have a report, the first one first."""
    columns = ("pk", "finished_at", "report__machine__golden_rmse", "report__bar__value", "report__machine__recipe")
    runs = study.training_runs.filter(report__isnull=False).order_by("-pk").values_list(*columns, "is_published")
    return [
        Night(pk, f"{finished:%Y-%m-%d}" if finished else "", typed_json.load(Estimate, golden), bar, recipe, published)
        for pk, finished, golden, bar, recipe, published in reversed(runs[:NIGHTS])
    ]


def places(study: Study) -> Sequence[Place]:
    """Return where each point of the latest run's scatter leads; nothing where images of it are gone."""
    run = run_report.latest(study)
    report = run_report.of(run)
    if run is None or report is None:
        return ()
    scored = run.scores.filter(recipe=report.machine.recipe, fit=0, image__is_golden=True)
    # Points stand in the order of their images' hashes.
    rows = list(scored.order_by("image__content_hash").values_list("image_id", "image__source_name", "value"))
    if [value for _, _, value in rows] != [point.score for point in report.points]:
        return ()
    return [Place(reverse("study_image", args=[study.slug, pk]), name) for pk, name, _ in rows]
