"""Load and authorise in one call. Whoever may not see a thing gets the same 404 as if it were not there."""

from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404

from labeler import unblinding
from labeler.models import Assignment, AtlasPicture, Image, Reader, Study, User

READS_IT = "You read this study yourself, so you may not see what other readers said or which images are golden."


class AuthedRequest(HttpRequest):
    """A request behind `login_required`."""

    user: User


def get_reader(request: AuthedRequest, slug: str) -> Reader:
    return get_object_or_404(Reader.objects.select_related("study"), study__slug=slug, user=request.user)


def get_assignment(request: AuthedRequest, slug: str, public_id: UUID) -> Assignment:
    """Return one of the reader's own assignments, with its reader and study."""
    assignments = Assignment.objects.select_related("reader__study")
    return get_object_or_404(assignments, public_id=public_id, reader__user=request.user, reader__study__slug=slug)


def get_image(request: AuthedRequest, slug: str, public_id: UUID) -> Image:
    """Return the image of one of the reader's own assignments."""
    own = Assignment.objects.filter(public_id=public_id, reader__user=request.user, reader__study__slug=slug)
    return get_object_or_404(Image, assignments__in=own)


def get_atlas_picture(request: AuthedRequest, slug: str, picture: int) -> AtlasPicture:
    """Return an example for those who read or run its study."""
    studies = Study.objects.filter(Q(pk__in=administered_studies(request.user)) | Q(readers__user=request.user))
    return get_object_or_404(AtlasPicture, pk=picture, level__study__in=studies.filter(slug=slug))


def get_administered_study(request: AuthedRequest, slug: str) -> Study:
    return get_object_or_404(administered_studies(request.user), slug=slug)


def get_overseen_study(request: AuthedRequest, slug: str) -> Study:
    """Return a study whose readers' grades may be shown. Raises PermissionDenied for who reads it too."""
    study = get_administered_study(request, slug)
    if study.readers.filter(user=request.user).exists():
        raise PermissionDenied(READS_IT)
    return study


def get_unblinded_study(request: AuthedRequest, slug: str) -> Study:
    """Return a study whose golden images may be shown.

    Raises PermissionDenied for who reads it too, and ReasonNeededError until a reason was given in this session.
    """
    study = get_overseen_study(request, slug)
    if not unblinding.is_unblinded(study, request.session):
        raise unblinding.ReasonNeededError(study)
    return study


def get_overseen_image(request: AuthedRequest, slug: str, pk: int) -> Image:
    return get_object_or_404(get_overseen_study(request, slug).images, pk=pk)


def administered_studies(user: User) -> QuerySet[Study]:
    return Study.objects.all() if user.is_superuser else Study.objects.filter(admins=user)


def require_admin(request: AuthedRequest) -> None:
    """Let pass who runs a study or may make one. Raises Http404."""
    if not (request.user.is_superuser or administered_studies(request.user).exists()):
        raise Http404
