"""The report and the runs of a study, for those who run it."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_GET, require_POST

from labeler import access, audit, export, pseudonyms
from labeler.access import AuthedRequest
from training import bundle, disclosure, planning, reports, retrain, tasks
from training.forms import PlanForm
from training.models import TrainingRun

RUNS_SHOWN = 20


@login_required
@require_GET
def report(request: AuthedRequest, slug: str) -> HttpResponse:
    study = access.get_reported_study(request, slug)
    runs = study.training_runs.select_related("requested_by")[:RUNS_SHOWN]
    report = reports.current(study)
    latest = report["machine_run"]
    context = {
        "study": study,
        "report": report,
        "latest": latest,
        "confusion": reports.confusion_rows(latest["machine"]) if latest else [],
        "runs": runs,
        "published": reports.published(study),
        "is_auditor": not access.administers(request.user, study),
    }
    return render(request, "training/report.html", context)


@login_required
@require_GET
def report_json(request: AuthedRequest, slug: str) -> HttpResponse:
    return JsonResponse(reports.current(access.get_reported_study(request, slug)))


@login_required
@require_GET
@cache_control(private=True, no_store=True)
def export_study(request: AuthedRequest, slug: str) -> StreamingHttpResponse:
    """Answer the study's zip, piece by piece as it is made. It tells which images are golden."""
    study = access.get_unblinded_study(request, slug)
    audit.record(study, request.user, "exported the study")
    file = f"{study.slug}-{timezone.now():%Y-%m-%d}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{file}"'}
    return StreamingHttpResponse(bundle.stream(study), content_type="application/zip", headers=headers)


@login_required
@require_GET
@cache_control(private=True, no_store=True)
def export_person(request: AuthedRequest, slug: str, pk: int) -> StreamingHttpResponse:
    """Answer all that is kept of the person in an image, for them. How many readers there are tells what is golden."""
    study = access.get_unblinded_study(request, slug)
    image = get_object_or_404(study.images.filter(is_erased=False), pk=pk)
    code = pseudonyms.of_subject(study, image.subject) or export.image_code(study, image.content_hash)
    audit.record(study, request.user, "exported a person", detail=code)
    headers = {"Content-Disposition": f'attachment; filename="{study.slug}-{code}.zip"'}
    return StreamingHttpResponse(disclosure.stream(image), content_type="application/zip", headers=headers)


@login_required
@require_GET
def plan(request: AuthedRequest) -> HttpResponse:
    """Show what the design in the address would tell."""
    access.require_admin(request)
    form = PlanForm(request.GET.dict())
    if not form.is_valid():
        return render(request, "training/plan.html", {"form": form}, status=422)
    plan = planning.plan(form.design())
    chart = {"golden": plan.design.golden, "by_golden": plan.as_json()["by_golden"]}
    context = {"form": form, "plan": plan, "sentences": planning.in_words(plan), "chart": chart}
    return render(request, "training/plan.html", context)


@login_required
@require_POST
def retrain_now(request: AuthedRequest, slug: str) -> HttpResponse:
    study = access.get_administered_study(request, slug)
    run = retrain.request(study=study, requested_by=request.user)
    if not tasks.send(run):
        messages.warning(request, "The queue can't be reached. The run is kept and starts when the queue is back.")
    return redirect("training:run", slug=slug, pk=run.pk)


@login_required
@require_GET
def run(request: AuthedRequest, slug: str, pk: int) -> HttpResponse:
    run = _get_run(request, slug, pk)
    return render(request, "training/run.html", {"study": run.study, "run": run})


@login_required
@require_GET
def run_state(request: AuthedRequest, slug: str, pk: int) -> HttpResponse:
    """Answer the part of the run's page that changes while it works."""
    return render(request, "training/_run_state.html", {"run": _get_run(request, slug, pk)})


def _get_run(request: AuthedRequest, slug: str, pk: int) -> TrainingRun:
    study = access.get_administered_study(request, slug)
    return get_object_or_404(study.training_runs.select_related("study", "requested_by"), pk=pk)
