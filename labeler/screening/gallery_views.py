"""The gallery: images with their labels, for admins who do not read the study."""

from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseGone
from django.shortcuts import render
from django.views.decorators.http import require_GET

from labeler.accounts import access, unblinding
from labeler.accounts.access import AuthedRequest
from labeler.images import renditions, thumbnails
from labeler.images.forms import ImageForm
from labeler.images.picture_responses import webp
from labeler.models import Doubt, Image
from labeler.platform import keyset_pages
from labeler.platform.keyset_pages import ID, NUMBER, TEXT
from labeler.record import audit
from labeler.screening import gallery
from labeler.screening.gallery import PAGE
from labeler.screening.gallery_forms import UNBLINDING, GalleryForm
from labeler.screening.near_duplicate_forms import SubjectForm
from labeler.screening.prescreen_forms import DecisionForm


@require_GET
def gallery_page(request: AuthedRequest, slug: str) -> HttpResponse:
    """Show the images that are as the address asks."""
    # A blinded admin has no such filters; ignoring one would pass all images off as the requested ones.
    is_telling = any(request.GET.get(name) for name in UNBLINDING)
    get_study = access.get_unblinded_study if is_telling else access.get_overseen_study
    study = get_study(request, slug)
    is_unblinded = unblinding.is_unblinded(study, request.session)
    form = GalleryForm(request.GET, study=study, is_unblinded=is_unblinded)
    context = {"study": study, "form": form, "is_unblinded": is_unblinded}
    if not form.is_valid():
        return render(request, "labeler/screening/gallery.html", context, status=422)
    wanted = form.wanted()
    keys = [TEXT, ID] if wanted.name else [ID]
    page = keyset_pages.turn_to(gallery.find(study, wanted), keys, size=PAGE, asked=request.GET)
    # Every reader grades the golden images, so that one is graded at all, and early, tells that it may be golden.
    said = [_in_words(image) for image in gallery.with_words(page.rows)] if is_unblinded else [""] * len(page.rows)
    copies = gallery.names_of_copies(page.rows, wanted.name) if wanted.name else {}
    images = [(image, words, copies.get(image.pk)) for image, words in zip(page.rows, said, strict=True)]
    context |= {"images": images, "is_empty": not page.rows, "page": page}
    return render(request, "labeler/screening/gallery.html", context)


@require_GET
def disputed(request: AuthedRequest, slug: str) -> HttpResponse:
    """Show the images on which readers disagree most: nearly all of them golden, as others have one reader."""
    study = access.get_unblinded_study(request, slug)
    return _doubts(request, gallery.disputed(study), {"study": study, "current": "disputed"})


@require_GET
def unstable(request: AuthedRequest, slug: str) -> HttpResponse:
    """Show the images of which readers changed their mind. Several readers of one image tell what it is."""
    study = access.get_unblinded_study(request, slug)
    return _doubts(request, gallery.unstable(study), {"study": study, "current": "unstable"})


def _doubts(request: HttpRequest, doubts: QuerySet[Doubt], context: dict[str, object]) -> HttpResponse:
    page = keyset_pages.turn_to(doubts, [NUMBER, ID], size=PAGE, asked=request.GET)
    context |= {"doubts": page.rows, "page": page}
    return render(request, "labeler/screening/doubts.html", context)


@require_GET
def image(request: AuthedRequest, slug: str, pk: int) -> HttpResponse:
    """Show one image and everything that was said of it."""
    image = access.get_overseen_image(request, slug, pk)
    is_unblinded = unblinding.is_unblinded(image.study, request.session)
    context = {
        "study": image.study,
        "image": image,
        "labels": gallery.labels_of(image) if is_unblinded else [],
        "is_unblinded": is_unblinded,
        "measures": gallery.measures_of(image),
        "why_fixed": gallery.why_fixed(image),
        "turns": _turns(image.turn or 0),
        "decisions": image.decisions.select_related("decided_by"),
        "decision": DecisionForm(),
        "subject": SubjectForm(initial={"subject": image.subject}),
    }
    return render(request, "labeler/screening/image.html", context)


@require_GET
def picture(request: AuthedRequest, slug: str, pk: int) -> FileResponse | HttpResponse:
    """Answer an image's thumbnail, or with a size one of its renditions."""
    image = access.get_overseen_image(request, slug, pk)
    if image.is_erased:
        return HttpResponseGone()
    form = ImageForm(request.GET)
    if not form.is_valid() or not image.has_file:
        raise Http404
    audit.record(image.study, request.user, audit.SAW, detail=str(image))
    if "size" not in request.GET:
        return webp(thumbnails.storage_name(image))
    size = renditions.smallest_of_at_least(form.cleaned_data["size"], long_side=max(image.width, image.height))
    return webp(renditions.storage_name(image.rendition, size))


def _turns(turn: int) -> list[tuple[int, str]]:
    """Return the turns that buttons offer an image that stands so, with the buttons' words."""
    back = [(0, "As it came")] if turn else []
    return [((turn + 3) % 4, "Turn left"), ((turn + 1) % 4, "Turn right"), *back]


def _in_words(image: Image) -> str:
    """Return what readers said of an image from `gallery.with_words`."""
    grade, is_refused = image.some_grade, image.is_refused  # type: ignore[attr-defined]
    if grade is None:
        return "Not gradable" if is_refused else "Not graded yet"
    doubt = getattr(image, "doubt", None)
    grades = f"Grades {doubt.lowest} to {doubt.highest}" if doubt and doubt.spread else f"Grade {grade}"
    return f"{grades}, or not gradable" if is_refused else grades
