"""Pages of runs: progress, results, publishing."""

from django.contrib import messages
from django.http import HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from labeler.accounts import access
from labeler.accounts.access import AuthedRequest
from labeler.platform import typed_json
from scoring.platform.jobs import send
from scoring.regressor import regressors
from training import tasks
from training.models import TrainingRun
from training.publication import publishing
from training.reports import leaderboard, run_report
from training.reports.forms import NightForm, ReasonForm
from training.runs import pruning, retrain, run_result, schedule

QUEUED = "The queue can't be reached. The run is kept and starts when the queue is back."


@require_POST
def retrain_now(request: AuthedRequest, slug: str) -> HttpResponse:
    study = access.get_graded_study(request, slug)
    run = retrain.request(study=study, requested_by=request.user, fits_ms2019="ms2019" in request.POST)
    if not send(tasks.retrain, run.pk):
        messages.warning(request, QUEUED)
    return redirect("training:run", slug=slug, pk=run.pk)


@require_GET
def run(request: AuthedRequest, slug: str, pk: int) -> HttpResponse:
    run = _get_run(request, slug, pk)
    context = {
        "study": run.study,
        "run": run,
        "report": run_report.of(run),
        "record": run_result.record_of(run),
        "kept": pruning.RUNS_KEPT,
        "published": run_report.published(run.study),
        "previous": publishing.previous(run.study),
        "form": ReasonForm(),
    }
    return render(request, "training/runs/run.html", context)


@require_GET
def run_state(request: AuthedRequest, slug: str, pk: int) -> HttpResponse:
    """Answer the part of the run's page that changes while it works."""
    return render(request, "training/runs/_run_state.html", {"run": _get_run(request, slug, pk)})


@require_POST
def again(request: AuthedRequest, slug: str, pk: int) -> HttpResponse:
    """Have a run that failed done again."""
    run = retrain.retry(run=_get_run(request, slug, pk), by=request.user)
    if not send(tasks.retrain, run.pk):
        messages.warning(request, QUEUED)
    return redirect("training:run", slug=slug, pk=run.pk)


@require_POST
def cancel(request: AuthedRequest, slug: str, pk: int) -> HttpResponse:
    run = _get_run(request, slug, pk)
    if not retrain.cancel(run=run, by=request.user):
        messages.warning(request, "The run was over already.")
    return redirect("training:run", slug=slug, pk=pk)


@require_POST
def publish(request: AuthedRequest, slug: str, pk: int) -> HttpResponse:
    """Put a run's regressor in service, whatever its gate said."""
    run = _get_run(request, slug, pk)
    form = ReasonForm(request.POST)
    try:
        if form.is_valid():
            publishing.publish(run=run, by=request.user, reason=form.cleaned_data["reason"])
            messages.success(request, f"The regressor of {run} answers from now on.")
        else:
            messages.error(request, "Say why: the reason stays in the audit log.")
    except regressors.ArtefactError as error:
        messages.error(request, str(error))
    return redirect("training:run", slug=slug, pk=pk)


@require_POST
def roll_back(request: AuthedRequest, slug: str) -> HttpResponse:
    """Put the regressor back in service that answered before the present one."""
    study = access.get_graded_study(request, slug)
    form = ReasonForm(request.POST)
    try:
        if not form.is_valid():
            messages.error(request, "Say why: the reason stays in the audit log.")
        elif before := publishing.roll_back(study=study, by=request.user, reason=form.cleaned_data["reason"]):
            messages.success(request, f"The regressor of {before} answers again.")
        else:
            messages.error(request, "No other regressor has answered before.")
    except regressors.ArtefactError as error:
        messages.error(request, str(error))
    return redirect("training:leaderboard", slug=slug)


@require_GET
def board(request: AuthedRequest, slug: str) -> HttpResponse:
    study = access.get_reported_study(request, slug)
    context = {
        "study": study,
        "board": leaderboard.of(study),
        "previous": publishing.previous(study),
        "form": ReasonForm(),
        "night": NightForm(instance=study, label_suffix=""),
        "usual": schedule.USUAL,
        "is_auditor": not access.administers(request.user, study),
    }
    return render(request, "training/runs/leaderboard.html", context)


@require_GET
def board_json(request: AuthedRequest, slug: str) -> HttpResponse:
    return JsonResponse(typed_json.dump(leaderboard.of(access.get_reported_study(request, slug))))


@require_POST
def set_night(request: AuthedRequest, slug: str) -> HttpResponse:
    """Set the time at which the study is retrained every day."""
    study = access.get_graded_study(request, slug)
    form = NightForm(request.POST, instance=study)
    if form.is_valid():
        schedule.set_time(study=study, at=form.cleaned_data["retrain_at"], by=request.user)
        messages.success(request, f"Retrained every day at {schedule.time_of(study):%H:%M}.")
    else:
        messages.error(request, "Give a time such as 02:30, or nothing for the usual one.")
    return redirect("training:leaderboard", slug=slug)


def _get_run(request: AuthedRequest, slug: str, pk: int) -> TrainingRun:
    study = access.get_graded_study(request, slug)
    runs = study.training_runs.select_related("study", "requested_by", "cancelled_by", "regressor")
    return get_object_or_404(runs, pk=pk)
