"""One run of retraining, from start to end."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from labeler.models import Study, User
from labeler.platform import typed_json
from labeler.record import audit
from labeler.studies import studies
from scoring.models import Regressor
from scoring.platform import jobs
from scoring.regressor import recipes, regressors
from scoring.regressor.pipeline import FittedRegressor
from scoring.regressor.recipes import Pooling, Recipe
from scoring.regressor.score_scale import Scale
from scoring.weights import weight_files
from training.fitting import calibration, dataset, embeddings, model_selection, provenance, recipe_comparison
from training.fitting.dataset import GoldenImage, GradedImages, OrdinaryImage
from training.fitting.model_selection import Entry
from training.fitting.run_progress import Stages
from training.models import Score, TrainingImage, TrainingRun
from training.reports import reader_numbers, run_report
from training.runs.run_result import RunRecord, RunResult

EMBEDDING = "Embedding images"  # the stage that other workers take part in
FEWEST_TO_FIT = 10  # ordinary images
MS2019_EVERY = timedelta(days=7)
NOTHING_NEW = "Nothing new since {}: the current labels and the recipes are the same."
UNFINISHED = [TrainingRun.State.QUEUED, TrainingRun.State.RUNNING]


@transaction.atomic
def request(
    *, study: Study, requested_by: User | None = None, is_nightly: bool = False, fits_ms2019: bool = False
) -> TrainingRun:
    """Return the study's run that waits or works, or queue a new one. Two at once are impossible."""
    Study.objects.select_for_update(no_key=True).get(pk=study.pk)  # of two requests, the second sees the first's run
    unfinished = study.training_runs.filter(state__in=UNFINISHED).first()
    if unfinished:
        return unfinished
    run = TrainingRun.objects.create(
        study=study,
        requested_by=requested_by,
        is_nightly=is_nightly,
        fits_ms2019=fits_ms2019 or not _had_ms2019_lately(study),
    )
    audit.record(study, requested_by, "asked for retraining", detail=str(run))
    return run


@transaction.atomic
def retry(*, run: TrainingRun, by: User | None) -> TrainingRun:
    """Have a run that failed done again; where another one waits or works, return that."""
    Study.objects.select_for_update(no_key=True).get(pk=run.study_id)
    unfinished = run.study.training_runs.filter(state__in=UNFINISHED).first()
    if unfinished is None and jobs.retry(run, cancelled_by=None):
        audit.record(run.study, by, "asked for retraining", detail=f"{run} again")
    return unfinished or run


def _had_ms2019_lately(study: Study) -> bool:
    lately = study.training_runs.filter(finished_at__gt=Now() - MS2019_EVERY, fits_ms2019=True)
    return lately.filter(state=TrainingRun.State.SUCCEEDED).exists()


@transaction.atomic
def cancel(*, run: TrainingRun, by: User) -> bool:
    """Stop a run: one that waits at once, one that works at its next step. False if it is over already."""
    unfinished = TrainingRun.objects.select_for_update(no_key=True).filter(pk=run.pk, state__in=UNFINISHED)
    if not unfinished.exists():
        return False
    waiting = TrainingRun.objects.filter(pk=run.pk, state=TrainingRun.State.QUEUED)
    waiting.update(state=TrainingRun.State.FAILED, error=f"Cancelled by {by}.", finished_at=Now())
    TrainingRun.objects.filter(pk=run.pk).update(cancelled_by=by)
    audit.record(run.study, by, "cancelled retraining", detail=str(run))
    run.refresh_from_db()
    return True


def retrain(run: TrainingRun, *, force: bool = False, call: Callable[[], None] = lambda: None) -> None:
    """Do a claimed run: fit every recipe on ordinary images, take the one that does best on ordinary images it did not
    see, judge it on golden ones, and publish it if it passes the gate.

    Without anything new since the last run it says so and stops, unless forced. Whatever happens is on the run's
    row; what people can mend is raised as JobError. `call` asks other workers to `help_embed`.
    """
    # One thread for linear algebra: the same bits on machines of more or fewer cores. Whole fits run side by side.
    with jobs.held(run), threadpool_limits(1):
        study, stages = run.study, Stages(run)
        ms2019, faces = _recipes()
        with stages.stage("Reading the grades"):
            graded = _load(study)
        snapshot = _snapshot(graded, _scale(study), (ms2019, *faces))
        before = run_report.latest(study)
        if before and before.label_snapshot == snapshot and not force and not _wants_ms2019(run, before):
            jobs.finish(run, conclusion=NOTHING_NEW.format(before))
            return
        parts = model_selection.parts_of(graded.ordinary, study.seed)
        _enlist(run, graded.ordinary)
        everything: list[OrdinaryImage | GoldenImage] = [*graded.ordinary, *graded.golden]
        with stages.stage(EMBEDDING, total=len(everything)) as done:
            embeddings.store(everything, ms2019, done, call=call)
        with stages.stage("Pooling embeddings"):
            pooled = embeddings.pool(graded.ordinary, ms2019)
        entries = model_selection.fit_faces(
            stages, graded, faces, parts, seed=study.seed, scale=_scale(study), pooled=pooled
        )
        ms2019_snapshot = _ordinary_snapshot(graded.ordinary, ms2019)
        entries += _ms2019(run, stages, graded, ms2019, parts[0], ms2019_snapshot)
        with stages.stage("Choosing, judging and reporting"):
            grades = np.array([image.grade for image in graded.ordinary])
            choice = recipe_comparison.choose({entry.recipe.name: entry.left_out for entry in entries}, grades, parts)
            chosen = next(entry for entry in entries if entry.recipe.name == choice.recipe)
            measured = run_report.measure(study, graded, chosen)
            decision = run_report.decide(study, measured, _active(graded, study))
            report = run_report.build(
                run=run, graded=graded, entries=entries, choice=choice, measured=measured, decision=decision
            )
            drifting = reader_numbers.drifting(study)
        fitted, *_ = chosen.regressors or _fit_again(run, stages, graded, ms2019, parts[0])
        with stages.stage("Learning which faces are familiar"):
            fitted = _equipped(chosen, fitted, graded.ordinary, pooled[Pooling.MEAN])
        result = RunResult(
            fitted=fitted,
            provenance=provenance.of_run(run, recipe=fitted.recipe.name, label_snapshot=snapshot),
            decision=decision,
            report=report,
            scores=_score_rows(run, entries, graded),
            left_out=(*graded.left_out, *graded.golden_left_out),
            drift=drifting,
            ms2019_snapshot=ms2019_snapshot,
        )
        _store(run, stages, result)


def help_embed(run_id: int) -> None:
    """Take part in the embedding of another worker's run, for as long as it is at that. Raises JobError."""
    at_it = TrainingRun.objects.filter(pk=run_id, state=TrainingRun.State.RUNNING, stage=EMBEDDING)
    run = at_it.select_related("study").first()
    if run is not None:
        ms2019, _ = _recipes()
        graded = _load(run.study)
        embeddings.help_store([*graded.ordinary, *graded.golden], ms2019, is_over=lambda: not at_it.exists())


def _recipes() -> tuple[Recipe, list[Recipe]]:
    """Return the published recipe and ours. They share their geometry and backbone, and so the stored embeddings."""
    try:
        return recipes.ms2019(settings.BACKBONE), list(recipes.faces(settings.BACKBONE).values())
    except weight_files.WeightsError as error:
        raise jobs.JobError(str(error)) from error


def recipes_in_use() -> list[Recipe]:
    """Return the recipes of every run and those that answer apps. Raises JobError where weights are missing."""
    answering = Regressor.objects.filter(is_active=True)
    ms2019, faces = _recipes()
    return [ms2019, *faces, *(Recipe.from_json(row.recipe) for row in answering)]


def _load(study: Study) -> GradedImages:
    graded = dataset.load_graded_images(study)
    if not study.golden_drawn_at:
        raise jobs.JobError(
            f"Study {study.slug} has no golden set, so nothing could judge a regressor. "
            f"Draw it: manage.py draw_golden {study.slug} SIZE, then deal_folds."
        )
    if not graded.golden:
        raise jobs.JobError("No golden image has a grade yet. Retrain when the readers have begun.")
    without_files = study.images.filter(original="", is_erased=False).count()
    if without_files:
        raise jobs.JobError(
            f"{without_files} images of study {study.slug} came as labels without files, so there are no pixels to "
            "learn from. The readers' numbers are on the report all the same."
        )
    if len(graded.ordinary) < FEWEST_TO_FIT:
        raise jobs.JobError(
            f"{len(graded.ordinary)} ordinary images have a grade; {FEWEST_TO_FIT} are needed to fit anything."
        )
    people = len({image.group for image in graded.ordinary})
    if people < recipe_comparison.PARTS:
        raise jobs.JobError(
            f"The ordinary images with a grade show {people} different people or photographs; "
            f"{recipe_comparison.PARTS} are needed, so that a recipe can be tried on people that it was not fitted on."
        )
    return graded


def _snapshot(graded: GradedImages, scale: Scale, used: Sequence[Recipe]) -> str:
    # Clusters and subjects are corrected: then the same grades are parted anew.
    together = [
        graded.left_out,
        graded.golden_left_out,
        sorted((image.content_hash, image.group) for image in graded.ordinary),
    ]
    return _hash([graded.snapshot, together, scale.grades, *(recipe.as_json() for recipe in used)])


def _ordinary_snapshot(ordinary: Sequence[OrdinaryImage], recipe: Recipe) -> str:
    """What a fit of ms2019 depends on: no golden grade."""
    rows = sorted((image.content_hash, image.group, sorted(image.grades.items())) for image in ordinary)
    return _hash([rows, recipe.as_json()])


def _hash(facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _wants_ms2019(run: TrainingRun, before: TrainingRun) -> bool:
    report = run_report.of(before)
    return run.fits_ms2019 and report is not None and recipes.MS2019.name not in {row.recipe for row in report.recipes}


@transaction.atomic
def _enlist(run: TrainingRun, ordinary: Sequence[OrdinaryImage]) -> None:
    """Write down what this run learns from; the database refuses a golden image there."""
    hashes = [image.content_hash for image in ordinary]
    run.training_images.all().delete()  # of an attempt whose worker was lost
    ids = run.study.images.filter(content_hash__in=hashes).values_list("pk", flat=True)
    TrainingImage.objects.bulk_create((TrainingImage(run=run, image_id=pk) for pk in ids), batch_size=1000)


def _ms2019(
    run: TrainingRun, stages: Stages, graded: GradedImages, recipe: Recipe, part: NDArray[np.intp], snapshot: str
) -> list[Entry]:
    """Return the published recipe's entry: of an earlier run that learned from the same, or fitted if it is due."""
    kept = _kept_ms2019(run, graded, recipe, snapshot)
    if kept:
        return [kept]
    if not run.fits_ms2019:
        return []
    study = run.study
    return [model_selection.fit_ms2019(stages, graded, recipe, part, seed=study.seed, scale=_scale(study))]


def _kept_ms2019(run: TrainingRun, graded: GradedImages, recipe: Recipe, snapshot: str) -> Entry | None:
    earlier = run.study.training_runs.filter(record__ms2019_snapshot=snapshot, scores__recipe=recipe.name)
    found = earlier.order_by("-pk").first()
    report = run_report.of(found)
    if found is None or report is None:
        return None
    rows = Score.objects.filter(run=found, recipe=recipe.name).values_list("fit", "image__content_hash", "value")
    scores = {(fit, content_hash): value for fit, content_hash, value in rows}
    if TrainingRun.objects.filter(pk=found.pk, details_deleted_at__isnull=False).exists():
        return None  # these may be the rest of them: asked after they were read
    fits = range(1 + max(fit for fit, _ in scores))
    try:
        left_out = np.array([[scores[0, image.content_hash] for image in graded.ordinary]])
        golden = np.array([[scores[fit, image.content_hash] for image in graded.golden] for fit in fits])
    except KeyError:
        return None  # a golden image has got its first grade since
    printed = next(row for row in report.recipes if row.recipe == recipe.name)
    return Entry(recipe, printed.training_rows, left_out, golden, (), printed.fit_seconds, printed.from_run or found.pk)


def _fit_again(
    run: TrainingRun, stages: Stages, graded: GradedImages, recipe: Recipe, part: NDArray[np.intp]
) -> tuple[FittedRegressor, ...]:
    """Fit ms2019 where its scores were kept and won: it gives the same bits again."""
    scale = _scale(run.study)
    return model_selection.fit_ms2019(stages, graded, recipe, part, seed=run.study.seed, scale=scale).regressors


def _active(graded: GradedImages, study: Study) -> NDArray[np.float64] | None:
    """Return what the regressor in service says of the golden images, if there is one that can be read."""
    try:
        return model_selection.score_golden(graded.golden, regressors.active(study.slug))
    except (regressors.NoActiveRegressor, regressors.ArtefactError):
        return None


def _scale(study: Study) -> Scale:
    try:
        return studies.scale(study)
    except studies.StudyError as error:
        raise jobs.JobError(str(error)) from error


def _equipped(
    chosen: Entry, fitted: FittedRegressor, ordinary: Sequence[OrdinaryImage], faces: NDArray[np.float32]
) -> FittedRegressor:
    """Add what an app is told beside the score. Left-out ordinary images size the interval; golden ones have no say."""
    width = calibration.half_width(run_report.left_out_errors(chosen, ordinary))
    return replace(fitted, half_width=width, familiarity=calibration.fit_familiarity(faces))


def _score_rows(run: TrainingRun, entries: Sequence[Entry], graded: GradedImages) -> list[Score]:
    """Return every score that the report's errors rest on."""
    ids = dict(run.study.images.values_list("content_hash", "pk"))
    rows = []
    for entry in entries:
        for fit, scores in enumerate(entry.golden):
            rows += _rows_of_fit(run, entry.recipe.name, fit, zip(graded.golden, scores, strict=True), ids)
        rows += _rows_of_fit(run, entry.recipe.name, 0, zip(graded.ordinary, entry.left_out[0], strict=True), ids)
    return rows


def _rows_of_fit(
    run: TrainingRun,
    recipe: str,
    fit: int,
    scored: Iterable[tuple[OrdinaryImage | GoldenImage, np.float64]],
    ids: Mapping[str, int],
) -> list[Score]:
    return [
        Score(run=run, image_id=ids[image.content_hash], recipe=recipe, fit=fit, value=float(value))
        for image, value in scored
    ]


def _store(run: TrainingRun, stages: Stages, result: RunResult) -> None:
    """Keep the regressor and publish it if that was decided: all of it, or nothing if the run was taken from us."""
    with stages.stage("Storing"), transaction.atomic():  # the stage first: people see it while the rest is not yet
        refuse_withdrawn(run)
        Score.objects.bulk_create(result.scores, batch_size=2000)
        row = regressors.save(result.fitted, study=run.study.slug, provenance=typed_json.dump(result.provenance))
        audit.record(run.study, None, audit.RUN_KEPT, detail=str(run))
        if result.decision.is_passed:
            regressors.publish(row)
            audit.record(run.study, run.requested_by, audit.PUBLISHED, detail=f"of {run}")
        record = RunRecord(
            **vars(result.provenance),
            seconds=tuple(stages.seconds.items()),
            artefact_sha256=row.artefact_sha256,
            drift=result.drift,
            ms2019_snapshot=result.ms2019_snapshot,
        )
        jobs.finish(
            run,
            label_snapshot=result.provenance.label_snapshot,
            left_out=list(result.left_out),
            regressor=row,
            report=typed_json.dump(replace(result.report, regressor_id=row.pk)),
            record=typed_json.dump(record),
            is_published=result.decision.is_passed,
            conclusion=result.decision.conclusion,
        )


def refuse_withdrawn(run: TrainingRun) -> None:
    """Raise JobError if a consent was withdrawn, or an image taken out, since the run began."""
    if run.training_images.filter(image__may_be_trained_on=False).exists():
        raise jobs.JobError("A consent was withdrawn, or an image taken out, while this run learned from it. Retrain.")
