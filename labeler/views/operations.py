"""The operator's page: what is well, what is not, and how to mend it."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_GET

from labeler import access, vitals
from labeler.access import AuthedRequest


@login_required
@require_GET
@cache_control(private=True, no_store=True)
def operations(request: AuthedRequest) -> HttpResponse:
    access.require_operator(request)
    findings = vitals.examine()
    context = {
        "findings": findings,
        "troubles": list(vitals.troubles(findings)),
        "set_aside": vitals.set_aside(),
        "jobs": vitals.job_counts(),
    }
    return render(request, "labeler/operations.html", context)
