"""Pages of prescreening: limits with their effect, and decisions."""

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from labeler.accounts import access
from labeler.accounts.access import AuthedRequest
from labeler.charts import histogram
from labeler.models import Image, Study
from labeler.platform import keyset_pages
from labeler.screening import limit_preview, prescreen
from labeler.screening.gallery import PAGE
from labeler.screening.limit_preview import Counts
from labeler.screening.prescreen import MEASURES, WORDS, Limits
from labeler.screening.prescreen_forms import MOST_DECISIONS, DecisionForm, LimitsForm, ManyForm, SaveForm, WhichForm
from labeler.screening.prescreen_forms import limits_data as data_of
from labeler.screening.prescreen_forms import limits_query as query_of
from labeler.studies import study_jobs
from labeler.studies.study_job_views import begin
from labeler.studies.study_jobs import Kind

RULES = 10  # former limits that the page shows


@require_http_methods(["GET", "POST"])
def limits(request: AuthedRequest, slug: str) -> HttpResponse:
    """Show what the limits in the address would drop; save those that are sent."""
    study = access.get_administered_study(request, slug)
    form = _limits_form(study, request.POST if request.method == "POST" else request.GET)
    reason = SaveForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and reason.is_valid():
        _set_limits(request, study, form.limits(), reason.cleaned_data["reason"])
        return redirect("prescreen", slug=slug)
    is_bad = not form.is_valid() or bool(reason.errors)
    wanted = prescreen.current_limits(study) if not form.is_valid() else form.limits()
    context = _limits_context(study, form, wanted) | {"reason": reason}
    return render(request, "labeler/screening/prescreen.html", context, status=422 if is_bad else 200)


@require_GET
def counts(request: AuthedRequest, slug: str) -> JsonResponse:
    """Answer what the limits in the address would drop, in the words of the page."""
    study = access.get_administered_study(request, slug)
    form = LimitsForm(request.GET)
    if not form.is_valid():
        return JsonResponse({"error": _first_error(form)}, status=422)
    counted = limit_preview.count(study, form.limits())
    return JsonResponse(_drops(counted) | {"query": query_of(form.limits())})


@require_http_methods(["GET", "POST"])
def drops(request: AuthedRequest, slug: str) -> HttpResponse:
    """Show the images that limits would drop, or that are dropped; keep or drop those that are chosen."""
    study = access.get_overseen_study(request, slug)
    form, which = _limits_form(study, request.GET), WhichForm(request.GET)
    if not (form.is_valid() and which.is_valid()):
        return render(
            request, "labeler/screening/drops.html", {"study": study, "which": which, "limits": form}, status=422
        )
    found = _found(study, form.limits(), which.cleaned_data["which"])
    decision = ManyForm(request.POST or None, study=study) if request.POST else ManyForm(study=study)
    if decision.is_valid() and _decide_many(request, study, decision, found):
        return redirect(request.get_full_path())
    page = keyset_pages.turn_to(
        found.select_related("measurement").order_by("pk"), [keyset_pages.ID], size=PAGE, asked=request.GET
    )
    context = {
        "study": study,
        "images": page.rows,
        "which": which,
        "limits": form,
        "limits_in_words": prescreen.in_words(form.limits()),
        "decision": decision,
        "query": f"?{query_of(form.limits())}&which={which.cleaned_data['which']}",
        "page": page,
    }
    return render(request, "labeler/screening/drops.html", context, status=422 if decision.errors else 200)


@require_POST
def decide(request: AuthedRequest, slug: str, pk: int) -> HttpResponse:
    """Keep or drop one image."""
    image = access.get_overseen_image(request, slug, pk)
    form = DecisionForm(request.POST)
    if form.is_valid():
        _decide(request, image.study, [image.pk], form)
    else:
        messages.error(request, f"Nothing was decided: {_first_error(form)}")
    return redirect("study_image", slug=slug, pk=pk)


@require_POST
def measure(request: AuthedRequest, slug: str) -> HttpResponse:
    """Have a worker measure what has no measures yet."""
    study = access.get_administered_study(request, slug)
    study_job = study_jobs.request(study=study, kind=Kind.MEASURE, by=request.user)
    begin(request, study_job, "A worker measures the images, about one in a second; this page says how far it is.")
    return redirect("prescreen", slug=slug)


def _set_limits(request: AuthedRequest, study: Study, wanted: Limits, reason: str) -> None:
    """Set the limits; in a large study a worker applies them."""
    if study.images.count() <= limit_preview.LARGE:
        dropped = prescreen.set_limits(study=study, limits=wanted, by=request.user, reason=reason)
        messages.success(request, f"The limits are set. {dropped:,} images of the study are dropped now.")
        return
    with transaction.atomic():  # no limits without the study job that applies them
        prescreen.set_limits(study=study, limits=wanted, by=request.user, reason=reason, at_once=False)
        study_job = study_jobs.request(study=study, kind=Kind.LIMITS, by=request.user)
    begin(request, study_job, "The limits are set. A worker holds every image against them; look again soon.")


def _limits_form(study: Study, data: Any) -> LimitsForm:
    """Return the limits that are sent, or those that stand."""
    is_given = any(f"{measure.name}_{end}" in data for measure in MEASURES for end in ("min", "max"))
    return LimitsForm(data if is_given else data_of(prescreen.current_limits(study)))


def _limits_context(study: Study, form: LimitsForm, wanted: Limits) -> dict[str, Any]:
    counted = limit_preview.count(study, wanted)
    bins = limit_preview.histograms(study, images=counted.images)
    query = query_of(wanted)
    said = _drops(counted)
    return {
        "study": study,
        "study_jobs": study_jobs.of_pages(study, Kind.MEASURE, Kind.LIMITS),
        "form": form,
        "counts": counted,
        "said": said,
        "query": query,
        "unmeasured": counted.scaled(counted.unmeasured),
        "settled": counted.scaled(counted.settled),
        "rules": [
            (rule, prescreen.in_words(rule.limits)) for rule in study.prescreen_rules.select_related("set_by")[:RULES]
        ],
        "measures": [
            {
                "measure": one,
                "smallest": form[f"{one.name}_min"],
                "largest": form[f"{one.name}_max"],
                "bins": bins[one.name],
                "chart": histogram.of_measure(one.name, one.title, bins[one.name], wanted.get(one.name, (None, None))),
                "said": said["alone"][one.name],
                "drops": f"{reverse('drops', args=[study.slug])}?{query}&which={one.name}",
            }
            for one in MEASURES
        ],
        "values": {one.name: [each.value for each in bins[one.name]] for one in MEASURES},
    }


def _drops(counted: Counts) -> dict[str, Any]:
    """Return what limits would drop, in words: about, where it is a guess."""
    return {
        "alone": {name: _images(counted, number) for name, number in counted.alone.items()},
        "together": _images(counted, counted.together),
    }


def _images(counted: Counts, number: int) -> str:
    scaled = counted.scaled(number)
    images = f"{scaled:,} image{'' if scaled == 1 else 's'}"
    if not counted.is_sample:
        return images
    return f"about {images}" if number else f"none of the {counted.looked_at:,} images looked at"


def _found(study: Study, wanted: Limits, which: str) -> QuerySet[Image]:
    if which == "dropped":
        return prescreen.undecided(study).filter(is_kept=False)
    if which == "kept":
        return prescreen.undecided(study).filter(is_kept=True)
    if which == "by_hand":
        return prescreen.undecided(study).filter(override__isnull=False)
    return prescreen.dropped_by(study, {which: wanted.get(which, (None, None))} if which else wanted)


def _decide_many(request: AuthedRequest, study: Study, form: ManyForm, found: QuerySet[Image]) -> bool:
    if not form.cleaned_data["everything"]:
        return _decide(request, study, form.cleaned_data["images"], form)
    chosen = list(found.order_by("pk").values_list("pk", flat=True)[: MOST_DECISIONS + 1])
    if len(chosen) > MOST_DECISIONS:
        form.add_error(None, f"More than {MOST_DECISIONS:,} images are found. Save limits that drop them instead.")
        return False
    return _decide(request, study, chosen, form)


def _decide(request: AuthedRequest, study: Study, images: list[int], form: DecisionForm) -> bool:
    verdict, reason = form.cleaned_data["verdict"], form.cleaned_data["reason"]
    try:
        changed = prescreen.decide(study=study, images=images, is_kept=verdict, by=request.user, reason=reason)
    except prescreen.PrescreenError as error:
        form.add_error(None, str(error))
        if not isinstance(form, ManyForm):
            messages.error(request, f"Nothing was decided: {error}")
        return False
    messages.success(request, f"{changed:,} image{'' if changed == 1 else 's'} {WORDS[verdict]}.")
    return True


def _first_error(form: Any) -> str:
    return str(next(iter(form.errors.values()))[0])
