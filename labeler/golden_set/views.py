"""Pages for the golden draw, and for closing a study."""

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from labeler.accounts import access
from labeler.accounts.access import AuthedRequest
from labeler.golden_set import commitments, golden_draw, judging_rule, provisional_scores
from labeler.golden_set.forms import CloseForm, GoldenForm, NamesForm, RuleForm, SourceForm
from labeler.golden_set.golden_draw import GoldenError
from labeler.models import ProvisionalScore, Study
from labeler.screening import prescreen
from labeler.studies import closing, study_jobs
from labeler.studies.closing import ClosingError
from labeler.studies.study_job_views import begin
from labeler.studies.study_jobs import Kind


@require_GET
def golden_set(request: AuthedRequest, slug: str) -> HttpResponse:
    """Show what a draw would take of each kind; once it is frozen, the promise about it."""
    study = access.get_overseen_study(request, slug)
    return _page(request, study, GoldenForm(request.GET or None, study=study))


@require_POST
def draw(request: AuthedRequest, slug: str) -> HttpResponse:
    study = access.get_overseen_study(request, slug)
    form = GoldenForm(request.POST, study=study)
    if not form.is_valid():
        return _page(request, study, form, status=422)
    try:
        golden_draw.draw(study=study, user=request.user, **form.cleaned_data)
    except GoldenError as error:
        form.add_error(None, str(error))
        return _page(request, study, form, status=409)
    return redirect("golden", slug=slug)


@require_POST
def choose(request: AuthedRequest, slug: str) -> HttpResponse:
    study = access.get_overseen_study(request, slug)
    names = NamesForm(request.POST)
    if names.is_valid():
        try:
            golden_draw.choose(study=study, names=names.cleaned_data["names"].splitlines(), user=request.user)
        except GoldenError as error:
            names.add_error("names", str(error))
        else:
            return redirect("golden", slug=slug)
    return _page(request, study, GoldenForm(None, study=study), names, status=422)


@require_POST
def score_provisionally(request: AuthedRequest, slug: str) -> HttpResponse:
    """Have a worker score the images by another study's regressor."""
    study = access.get_overseen_study(request, slug)
    form = SourceForm(request.POST, user=request.user)
    if form.is_valid():
        study_job = study_jobs.request(
            study=study, kind=Kind.SCORE, by=request.user, source=form.cleaned_data["source"]
        )
        begin(request, study_job, "A worker scores the images; this page says how far it is.")
    else:
        messages.error(request, "Choose a study that you run and whose regressor is published.")
    return redirect("golden", slug=slug)


def _page(
    request: AuthedRequest, study: Study, form: GoldenForm, names: NamesForm | None = None, *, status: int = 200
) -> HttpResponse:
    context = {
        "study": study,
        "study_jobs": study_jobs.of_pages(study, Kind.SCORE),
        "form": form,
        "names": names or NamesForm(),
        "kept": prescreen.kept(study).count(),
        "golden": study.images.filter(is_golden=True).count(),
        "commitment": commitments.of(study),
        "rule_said": judging_rule.in_words(study.judging_rules.first()),
        "shares": [],
        "scored": ProvisionalScore.objects.filter(image__study=study, image__is_kept=True).count(),
        "source_form": SourceForm(None, user=request.user),
        "sources": provisional_scores.sources(request.user),
    }
    if not study.golden_drawn_at and form.is_valid():
        try:
            context["shares"] = golden_draw.preview(study, form.cleaned_data["size"], form.cleaned_data["by"])
        except GoldenError as error:
            form.add_error("size", str(error))
            status = 422
    return render(request, "labeler/golden_set/golden.html", context, status=status)


@require_GET
def opening(request: AuthedRequest, slug: str) -> HttpResponse:
    """Answer the opened promise of a closed study, byte by byte what was hashed."""
    study = access.get_overseen_study(request, slug)
    promised = commitments.of(study)
    if promised is None or not study.closed_at:
        raise Http404
    access.get_unblinded_study(request, slug)
    headers = {"Content-Disposition": f'attachment; filename="{study.slug}-opening.json"'}
    return HttpResponse(promised.opening, content_type="application/json", headers=headers)


@require_http_methods(["GET", "POST"])
def rule(request: AuthedRequest, slug: str) -> HttpResponse:
    """Show and set by which rule the study's machine is judged."""
    study = access.get_overseen_study(request, slug)
    current = study.judging_rules.first()
    fields = ("against", "margin", "active_margin")
    usual = {"against": "worst", "margin": 0, "active_margin": judging_rule.ACTIVE_MARGIN}
    form = RuleForm(
        request.POST or None, initial={name: getattr(current, name) for name in fields} if current else usual
    )
    if form.is_valid():
        try:
            judging_rule.set_rule(study=study, by=request.user, **form.cleaned_data)
        except judging_rule.RuleError as error:
            form.add_error("reason", str(error))
        else:
            messages.success(request, "Runs from now on are judged by this rule.")
            return redirect("judging_rule", slug=slug)
    context = {
        "study": study,
        "form": form,
        "said": judging_rule.in_words(current),
        "has_begun": judging_rule.has_begun(study),
        "rules": [(one, judging_rule.in_words(one)) for one in study.judging_rules.select_related("set_by")],
    }
    return render(request, "labeler/golden_set/rule.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
def close(request: AuthedRequest, slug: str) -> HttpResponse:
    """Close a study for good."""
    study = access.get_administered_study(request, slug)
    form = CloseForm(request.POST or None, study=study)
    if form.is_valid():
        try:
            closing.close(study=study, by=request.user, reason=form.cleaned_data["reason"])
        except ClosingError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, "The study is closed.")
            return redirect("study", slug=slug)
    context = {"study": study, "form": form, "commitment": commitments.of(study)}
    return render(request, "labeler/golden_set/close.html", context, status=422 if form.errors else 200)
