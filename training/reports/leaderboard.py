"""The leaderboard: all recipes of a study's latest run, best on left-out images first."""

from typing import Any

from labeler.models import Study
from training.models import TrainingRun
from training.reports import study_report

Document = dict[str, Any]


def of(study: Study) -> Document:
    """Return the contest of the latest run with a report, and whose regressor answers now."""
    run = study_report.latest(study)
    published = study_report.published(study)
    return {
        "study": study.slug,
        "is_simulated": study.is_simulated or bool(run and run.report and run.report["is_simulated"]),
        "run": run.pk if run else None,
        "in_service": published.pk if published else None,
        "sentence": run.report["choice"]["sentence"] if run and run.report else "",
        "recipes": _rows(run),
        "bar": run.report["bar"] if run and run.report else None,
    }


def _rows(run: TrainingRun | None) -> list[Document]:
    if run is None or run.report is None:
        return []
    choice = run.report["choice"]
    margins = {margin["recipe"]: margin for margin in choice["margins"]}
    rows = [
        {**row, "is_chosen": row["recipe"] == choice["recipe"], "margin": margins.get(row["recipe"])}
        for row in run.report["recipes"]
    ]
    return sorted(rows, key=lambda row: float(row["validation_rmse_by_seed"]["mean"]))
