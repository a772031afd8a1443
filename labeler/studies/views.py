"""Pages of a study for its admins."""

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from labeler.accounts import access
from labeler.accounts.access import AuthedRequest
from labeler.models import AtlasPicture, Study
from labeler.studies import atlas, checklist, progress, retention, studies
from labeler.studies.forms import AtlasForm, NewStudyForm
from scoring.models import Regressor


@require_http_methods(["GET", "POST"])
def new_study(request: AuthedRequest) -> HttpResponse:
    """Create a study; the person becomes its admin."""
    access.require_admin(request)
    form = NewStudyForm(request.POST or None)
    if form.is_valid():
        try:
            made = studies.create(by=request.user, **form.cleaned_data)
        except studies.StudyError as error:
            form.add_error("slug", str(error))
        else:
            return redirect("study", slug=made.slug)
    return render(request, "labeler/studies/new_study.html", {"form": form}, status=422 if form.errors else 200)


@require_GET
def study(request: AuthedRequest, slug: str) -> HttpResponse:
    study = access.get_administered_study(request, slug)
    way = checklist.of(study)
    context = {
        "study": study,
        "readers": progress.readers_with_progress(study),
        "images": progress.image_counts(study),
        "steps": way,
        "due": retention.due_on(study),
        "is_near": retention.is_near(study),
        "erased_learned": _learned_from_erased(study),
        "next": next((step for step in way if not step.is_done), None),
    }
    return render(request, "labeler/studies/study.html", context)


def _learned_from_erased(study: Study) -> int:
    """Return from how many images that are erased the regressor in service learned."""
    active = Regressor.objects.filter(study=study.slug, is_active=True)
    return active.values_list("learned_from_erased", flat=True).first() or 0


@require_http_methods(["GET", "POST"])
def study_atlas(request: AuthedRequest, slug: str) -> HttpResponse:
    """Show and add the example pictures of a study's grades."""
    study = access.get_administered_study(request, slug)
    form = AtlasForm(request.POST or None, request.FILES or None, study=study)
    if form.is_valid():
        atlas.add_picture(**form.example(), by=request.user)
        return redirect("study_atlas", slug=slug)
    context = {"study": study, "levels": atlas.levels(study), "form": form}
    return render(request, "labeler/studies/atlas.html", context, status=422 if form.errors else 200)


@require_POST
def remove_from_atlas(request: AuthedRequest, slug: str, picture: int) -> HttpResponse:
    study = access.get_administered_study(request, slug)
    atlas.remove_picture(get_object_or_404(AtlasPicture, pk=picture, level__study=study), by=request.user)
    return redirect("study_atlas", slug=slug)
