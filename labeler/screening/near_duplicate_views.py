"""Pages for near-duplicates and for subjects."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_POST

from labeler.accounts import access, unblinding
from labeler.accounts.access import AuthedRequest
from labeler.images import subjects
from labeler.models import SimilarPair
from labeler.platform import keyset_pages
from labeler.platform.keyset_pages import ID, TEXT
from labeler.screening import clusters, near_duplicates
from labeler.screening import prescreen as prescreening
from labeler.screening.clusters import PAGE
from labeler.screening.near_duplicate_forms import BestForm, ClustersForm, SubjectForm, VerdictForm
from labeler.studies import study_jobs
from labeler.studies.study_job_views import begin
from labeler.studies.study_jobs import Kind

Verdict = SimilarPair.Verdict
SAID = {
    Verdict.CONFIRMED: "Confirmed: the same photograph.",
    Verdict.DISTINCT: "Parted: different photographs.",
    Verdict.SUSPECTED: "Taken back: to be judged again.",
}


@require_GET
def list_clusters(request: AuthedRequest, slug: str) -> HttpResponse:
    """Show the clusters, the biggest first, or the pairs that were parted."""
    study = access.get_overseen_study(request, slug)
    is_unblinded = unblinding.is_unblinded(study, request.session)
    form = ClustersForm(request.GET, is_unblinded=is_unblinded)
    context: dict[str, Any] = {"study": study, "form": form, "is_unblinded": is_unblinded, "show": ""}
    if not form.is_valid():
        return render(request, "labeler/screening/near_duplicates.html", context, status=422)
    show = form.cleaned_data["show"]
    if show == Verdict.DISTINCT:
        pairs = keyset_pages.turn_to(clusters.distinct_pairs(study), [ID], size=PAGE, asked=request.GET)
        context |= {"parted": pairs.rows, "page": pairs}
    else:
        found = clusters.on_both_sides(study) if show == "both" else clusters.of_study(study, verdict=show)
        page = keyset_pages.turn_to(found, [ID, ID], size=PAGE, asked=request.GET)
        context |= {"clusters": clusters.with_pictures(study, page.rows), "page": page}
    context |= {
        "show": show,
        "study_jobs": study_jobs.of_pages(study, Kind.DUPLICATES),
        "searched": study.audit_events.filter(action=near_duplicates.SEARCHED).select_related("user").first(),
        "on_both_sides": clusters.has_any_on_both_sides(study),
    }
    return render(request, "labeler/screening/near_duplicates.html", context)


@require_POST
def judge(request: AuthedRequest, slug: str) -> HttpResponse:
    """Say of a pair, or of all pairs of a cluster, whether they are one photograph."""
    study = access.get_overseen_study(request, slug)
    form = VerdictForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Nothing was judged: use the buttons beside the pictures.")
        return _back(request, slug)
    verdict, cluster = form.cleaned_data["verdict"], form.cleaned_data["cluster"]
    within = near_duplicates.pairs_of(study, cluster).values_list("pk", flat=True) if cluster else None
    pairs = list(within) if within is not None else [form.cleaned_data["pair"]]
    changed = near_duplicates.judge(study=study, pairs=pairs, verdict=verdict, by=request.user)
    messages.success(request, SAID[Verdict(verdict)] if changed else "That was decided already.")
    return _back(request, slug)


@require_POST
def keep_best(request: AuthedRequest, slug: str) -> HttpResponse:
    """Drop all of a cluster but one."""
    study = access.get_overseen_study(request, slug)
    form = BestForm(request.POST)
    if not (form.is_valid() and study.images.filter(cluster=form.cleaned_data["cluster"]).exists()):
        messages.error(request, "There is no such cluster any more. Look at the list again.")
        return _back(request, slug)
    try:
        dropped = near_duplicates.keep_best(study=study, by=request.user, **form.cleaned_data)
    except prescreening.PrescreenError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{dropped} near-duplicate{'' if dropped == 1 else 's'} dropped.")
    return _back(request, slug)


@require_POST
def search(request: AuthedRequest, slug: str) -> HttpResponse:
    """Have a worker search all images again."""
    study = access.get_overseen_study(request, slug)
    study_job = study_jobs.request(study=study, kind=Kind.DUPLICATES, by=request.user)
    begin(request, study_job, "A worker searches, some minutes for a million images; this page says how far it is.")
    return redirect("duplicates", slug=slug)


@require_GET
def list_subjects(request: AuthedRequest, slug: str) -> HttpResponse:
    """Show the subjects with more than one image, by name."""
    study = access.get_overseen_study(request, slug)
    page = keyset_pages.turn_to(clusters.subjects(study), [TEXT], size=PAGE, asked=request.GET)
    context = {"study": study, "subjects": clusters.subjects_with_pictures(study, page.rows), "page": page}
    return render(request, "labeler/screening/subjects.html", context)


@require_POST
def correct_subject(request: AuthedRequest, slug: str, pk: int) -> HttpResponse:
    """Set the subject of an image."""
    image = access.get_overseen_image(request, slug, pk)
    form = SubjectForm(request.POST)
    if not form.is_valid():
        messages.error(request, "The subject is as it was: give a code of at most 100 characters.")
        return redirect("study_image", slug=slug, pk=pk)
    try:
        if subjects.correct(image=image, by=request.user, **form.cleaned_data):
            messages.success(request, "The subject is corrected.")
    except subjects.UnsureError as error:
        messages.error(request, f"The subject is as it was. {error} Write that code, or tick “another person”.")
    return redirect("study_image", slug=slug, pk=pk)


def _back(request: HttpRequest, slug: str) -> HttpResponse:
    """Go back to the part of the list that the form was on."""
    form = ClustersForm(request.GET, is_unblinded=True)
    show = form.cleaned_data["show"] if form.is_valid() else ""
    query = urlencode({"show": show, "after": request.GET.getlist("after")}, doseq=True)
    return redirect(f"{reverse('duplicates', args=[slug])}?{query}")
