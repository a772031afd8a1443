"""Load and authorise in one call. Whoever may not see a thing gets the same 404 as if it were not there."""

from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404

from labeler.models import Assignment, Reader, Study, User


class AuthedRequest(HttpRequest):
    """A request behind `login_required`."""

    user: User


def get_reader(request: AuthedRequest, slug: str) -> Reader:
    return get_object_or_404(Reader.objects.select_related("study"), study__slug=slug, user=request.user)


def get_assignment(reader: Reader, public_id: UUID) -> Assignment:
    return get_object_or_404(reader.assignments.select_related("image"), public_id=public_id)


def get_administered_study(request: AuthedRequest, slug: str) -> Study:
    return get_object_or_404(administered_studies(request.user), slug=slug)


def administered_studies(user: User) -> QuerySet[Study]:
    return Study.objects.all() if user.is_superuser else Study.objects.filter(admins=user)


def require_admin(request: AuthedRequest) -> None:
    """Let pass who runs a study or may make one. Raises Http404."""
    if not (request.user.is_superuser or administered_studies(request.user).exists()):
        raise Http404
