"""The leaderboard: all recipes of a study's latest run, best on left-out images first."""

from dataclasses import dataclass

from labeler.models import Study
from training.fitting.recipe_comparison import Margin
from training.publication.gate import Bar
from training.reports import run_report
from training.reports.contents import RecipeNumbers, RunReport


@dataclass(frozen=True, kw_only=True)
class Contestant(RecipeNumbers):
    """A recipe, and how far it is behind the chosen one."""

    is_chosen: bool
    margin: Margin | None


@dataclass(frozen=True)
class Leaderboard:
    """The recipes of the latest run with a report, and whose regressor answers now."""

    study: str
    is_simulated: bool
    run: int | None
    in_service: int | None
    sentence: str
    recipes: tuple[Contestant, ...]
    bar: Bar | None


def of(study: Study) -> Leaderboard:
    report = run_report.of(run_report.latest(study))
    published = run_report.published(study)
    return Leaderboard(
        study=study.slug,
        is_simulated=study.is_simulated or (report is not None and report.is_simulated),
        run=report.run if report else None,
        in_service=published.pk if published else None,
        sentence=report.choice.sentence if report else "",
        recipes=_contestants(report) if report else (),
        bar=report.bar if report else None,
    )


def _contestants(report: RunReport) -> tuple[Contestant, ...]:
    margins = {margin.recipe: margin for margin in report.choice.margins}
    rows = [
        Contestant(**vars(row), is_chosen=row.recipe == report.choice.recipe, margin=margins.get(row.recipe))
        for row in report.recipes
    ]
    return tuple(sorted(rows, key=lambda row: row.validation_rmse_by_seed.mean))
