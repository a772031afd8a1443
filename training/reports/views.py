"""Pages of the report."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from labeler.accounts import access
from labeler.accounts.access import AuthedRequest
from labeler.charts.chart import Chart
from labeler.exchange import tables
from labeler.models import Reader, Study
from labeler.platform import typed_json
from labeler.studies import closing
from training.publication import reader_decisions
from training.reports import figures, reader_numbers, reader_report, reporting_checklist, run_report, study_report
from training.reports.charts import plan_chart
from training.reports.contents import StudyReport
from training.reports.forms import PlanForm, ReaderForm
from training.statistics import planning
from training.verdicts import careless_readers

RUNS_SHOWN = 20


@require_GET
def report(request: AuthedRequest, slug: str) -> HttpResponse:
    study = access.get_reported_study(request, slug)
    return render(request, "training/reports/report.html", _context(request, study))


def _context(request: AuthedRequest, study: Study, *, has_links: bool = True) -> dict[str, Any]:
    """Return what pages of the report show. Points of the scatter lead to images for who may see which are golden."""
    report = _current(request, study)
    administers = access.administers(request.user, study)
    is_unblinded = access.may_see_golden(request, study)
    of_the_run = report.machine_run.readers if report.machine_run else ()
    compared = {reader.code: reader.machine_minus_reader for reader in of_the_run}
    return {
        "study": study,
        "report": report,
        "latest": report.machine_run,
        "readers": [(reader, compared.get(reader.code)) for reader in report.readers],
        "charts": figures.of_study(study, report, may_open=has_links and is_unblinded),
        "runs": study.training_runs.select_related("requested_by")[:RUNS_SHOWN],
        "published": run_report.published(study),
        "is_auditor": not administers,
        "is_unblinded": is_unblinded,
        "undecided": careless_readers.undecided(report.flags, report.decisions),
        "reader_form": ReaderForm(),
    }


@require_GET
def report_json(request: AuthedRequest, slug: str) -> HttpResponse:
    report = _current(request, access.get_reported_study(request, slug))
    return JsonResponse(typed_json.dump(report))


def _current(request: AuthedRequest, study: Study) -> StudyReport:
    """Return the study's report, blinded for who gave no reason to see which images are golden."""
    if access.may_see_golden(request, study):
        return study_report.current(study, may_be_late=True)
    return study_report.blinded(study)


@require_GET
def chart_csv(request: AuthedRequest, slug: str, name: str) -> HttpResponse:
    """Answer the numbers that a chart is drawn from."""
    chart = _get_chart(request, slug, name)
    text = chart.table.as_csv(defuse=tables.defuse)
    mark = "" if text.isascii() else "\ufeff"  # by which Excel knows UTF-8
    return _file(mark + text, "text/csv", f"{slug}-{name}.csv")


@require_GET
def chart_svg(request: AuthedRequest, slug: str, name: str) -> HttpResponse:
    """Answer a chart as a picture that stands alone."""
    chart = _get_chart(request, slug, name)
    if not chart.picture:
        raise Http404
    return _file(chart.picture, "image/svg+xml", f"{slug}-{name}.svg")


def _get_chart(request: AuthedRequest, slug: str, name: str) -> Chart:
    study = access.get_reported_study(request, slug)
    chart = figures.find(study, _current(request, study), name)
    if chart is None:
        raise Http404
    return chart


def _file(text: str, kind: str, name: str) -> HttpResponse:
    return HttpResponse(text, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})


@require_GET
def printed(request: AuthedRequest, slug: str) -> HttpResponse:
    """Show the whole report on paper, with the checklist that reviewers ask for."""
    study = access.get_reported_study(request, slug)
    context = _context(request, study, has_links=False)  # paper is passed on
    context["facts"] = reporting_checklist.of(study, context["report"])
    return render(request, "training/reports/printed.html", context)


@require_GET
def reader(request: AuthedRequest, slug: str, code: str) -> HttpResponse:
    """Show what a reader will see of themself; the images only to who may know that they are golden."""
    study = access.get_reported_study(request, slug)
    reader = get_object_or_404(study.readers.select_related("study"), code=code)
    may_see_images = access.may_see_golden(request, study)
    context = {
        "is_auditor": not access.administers(request.user, study),
        "may_see_images": may_see_images,
        "report": reader_report.of(reader, whole=not may_see_images),
    }
    return _show_reader(request, reader, context)


@require_GET
def own_report(request: AuthedRequest, slug: str) -> HttpResponse:
    """Show a reader how they graded, once the study is closed and its admin has released the reports."""
    reader = access.get_reader_with_report(request, slug)
    return _show_reader(request, reader, {"is_own": True, "may_see_images": True, "report": reader_report.of(reader)})


def _show_reader(request: AuthedRequest, reader: Reader, context: dict[str, Any]) -> HttpResponse:
    context |= {"study": reader.study, "reader": reader}
    return render(request, "training/reports/reader.html", context)


@require_POST
def decide_reader(request: AuthedRequest, slug: str, code: str) -> HttpResponse:
    """Decide whether a reader who stands out sets a bar; runs from now on go by it."""
    study = access.get_graded_study(request, slug)
    reader = get_object_or_404(study.readers.select_related("study"), code=code)
    form = ReaderForm(request.POST)
    if form.is_valid():
        counts = form.cleaned_data["counts"] == "yes"
        flags = reader_numbers.of(study).flags
        reader_decisions.decide(
            reader=reader, counts=counts, flags=flags, reason=form.cleaned_data["reason"], by=request.user
        )
        messages.success(request, f"{code} sets {'the bar like the others' if counts else 'no bar'} from now on.")
    else:
        messages.error(request, "Choose whether the reader sets a bar, and say why: the reason stays in the audit log.")
    return redirect("training:report", slug=slug)


@require_POST
def release(request: AuthedRequest, slug: str) -> HttpResponse:
    """Let every reader of a closed study see their own report."""
    study = access.get_graded_study(request, slug)
    try:
        closing.release_reports(study=study, by=request.user)
    except closing.ClosingError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, "Every reader now sees their own report and no other.")
    return redirect("training:report", slug=slug)


@require_GET
def definitions(request: AuthedRequest) -> HttpResponse:
    """Say what each number of the report is."""
    return render(request, "training/reports/definitions.html")


@require_GET
def plan(request: AuthedRequest) -> HttpResponse:
    """Show what the design in the address would tell."""
    access.require_admin(request)
    form = PlanForm(request.GET.dict())
    if not form.is_valid():
        return render(request, "training/reports/plan.html", {"form": form}, status=422)
    plan = planning.plan(form.design())
    chart = plan_chart.of_widths(plan)
    context = {"form": form, "plan": plan, "sentences": planning.in_words(plan), "chart": chart}
    return render(request, "training/reports/plan.html", context)
