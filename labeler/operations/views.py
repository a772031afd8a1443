"""The health page for operators."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from labeler.accounts import access
from labeler.accounts.access import AuthedRequest
from labeler.operations import health


@require_GET
def health_page(request: AuthedRequest) -> HttpResponse:
    access.require_operator(request)
    findings = health.examine()
    context = {
        "findings": findings,
        "troubles": list(health.troubles(findings)),
        "set_aside": health.set_aside(),
        "jobs": health.job_counts(),
    }
    return render(request, "labeler/operations/health.html", context)
