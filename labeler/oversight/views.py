"""Pages of oversight: progress, and the audit log."""

from datetime import date
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import formats, timezone
from django.views.decorators.cache import cache_control
from django.views.decorators.http import conditional_page, require_GET, require_http_methods

from labeler.accounts import access
from labeler.accounts.access import AuthedRequest
from labeler.models import Study
from labeler.oversight import day_chart
from labeler.oversight import progress_report as state_of
from labeler.oversight.forms import AuditForm, ShortestLookForm, WhichLogForm
from labeler.oversight.progress_report import ReaderState, StudyState
from labeler.platform import keyset_pages
from labeler.record import audit, ledger
from labeler.studies import studies

EVENTS = 100  # on a page of the audit log
TOO_LITTLE = "not enough to say"


@require_http_methods(["GET", "POST"])
def oversight(request: AuthedRequest, slug: str) -> HttpResponse:
    """Show how the study goes, and take the shortest look that a label needs."""
    study = access.get_graded_study(request, slug)
    form = ShortestLookForm(request.POST or None, initial={"shortest_look_ms": study.shortest_look_ms})
    if form.is_valid():
        studies.set_shortest_look(study=study, by=request.user, **form.cleaned_data)
        messages.success(request, f"From now on an image is looked at for {study.shortest_look_ms} ms at least.")
        return redirect("oversight", slug=slug)
    context = {"study": study, "now": _now(study), "form": form}
    return render(request, "labeler/oversight/oversight.html", context, status=422 if form.errors else 200)


@conditional_page
@require_GET
@cache_control(private=True, no_cache=True)
def now(request: AuthedRequest, slug: str) -> HttpResponse:
    """Answer the part of the page that changes, or 304 when it has not."""
    study = access.get_graded_study(request, slug)
    return render(request, "labeler/oversight/_now.html", {"now": _now(study)})


def _now(study: Study) -> dict[str, Any]:
    """Return what changes on the page, in the words in which it is shown."""
    state = state_of.study_state(study)
    days = [(formats.date_format(day, "j M Y"), labels) for day, labels in state.days]
    return {
        "totals": _totals(state),
        "readers": [_reader(reader) for reader in state.readers],
        "reasons": state_of.reason_totals(state),
        "days": days,
        "chart": day_chart.of_days(days),
    }


def _totals(state: StudyState) -> dict[str, str | int]:
    progress = state.progress
    counted = timezone.localtime(state.counted_at) if state.counted_at else None
    return {
        "done": f"{progress.done:,}",
        "total": f"{progress.total:,}",
        "percent": f"{progress.percent} %",
        "today": f"{state.labels_today:,}",
        "finish": _finish(state.finish, is_finished=progress.is_finished),
        "counted": formats.date_format(counted, "j M Y, H:i") if counted else "not yet",
    }


def _reader(state: ReaderState) -> dict[str, str | int | bool]:
    reader, progress = state.reader, state.progress
    return {
        "code": reader.code,
        "account": reader.user.username,
        "is_simulated": reader.is_simulated,
        "done": f"{progress.done:,}",
        "total": f"{progress.total:,}",
        "bar": progress.done,
        "bar_max": max(progress.total, 1),
        "pace": f"{state.pace:,.0f}" if state.pace else TOO_LITTLE,
        "finish": "left" if reader.left_at else _finish(state.finish, is_finished=progress.is_finished),
        "median": f"{state.median_ms / 1000:.1f} s" if state.median_ms else TOO_LITTLE,
        "hasty": f"{state.hasty:,}",
        "reasons": ", ".join(f"{reason} {images:,}" for reason, images in state.reasons) or "none",
    }


def _finish(day: date | None, *, is_finished: bool) -> str:
    if is_finished:
        return "finished"
    return formats.date_format(day, "j M Y") if day else TOO_LITTLE


@require_GET
def audit_log(request: AuthedRequest, slug: str) -> HttpResponse:
    """Show who did what to the study, the latest first."""
    study = access.get_audited_study(request, slug)
    return _log(request, study, {"is_auditor": not access.administers(request.user, study)})


@require_GET
def site_log(request: AuthedRequest) -> HttpResponse:
    """Show who signed in and whose roles changed, or what was done to a study that is asked for."""
    access.require_auditor(request)
    which = WhichLogForm(request.GET, studies=access.open_logs(request.user))
    if not which.is_valid():
        raise Http404
    return _log(request, which.cleaned_data["study"], {"which": which, "is_auditor": True})


def _log(request: AuthedRequest, study: Study | None, context: dict[str, Any]) -> HttpResponse:
    form = AuditForm(request.GET, study=study)
    context |= {"study": study, "form": form, "last_block": ledger.blocks(study).defer("rows").last()}
    if not form.is_valid():
        return render(request, "labeler/oversight/audit_log.html", context, status=422)
    page = keyset_pages.turn_to(audit.find(study, form.wanted()), [keyset_pages.ID], size=EVENTS, asked=request.GET)
    context |= {"events": page.rows, "page": page}
    return render(request, "labeler/oversight/audit_log.html", context)
