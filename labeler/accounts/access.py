"""Loading and authorisation in one call. What a person may not see answers 404, as if it did not exist."""

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404

from labeler.accounts import sessions, unblinding
from labeler.models import AtlasPicture, Image, Reader, Role, Study, User
from scoring.platform import log_context

READS_IT = "You read this study yourself, so you may not see what other readers said or which images are golden."


class AuthedRequest(HttpRequest):
    """A request behind `login_required`."""

    user: User


def readerships(user: User) -> QuerySet[Reader]:
    """Return the places a person has as a reader, while they hold that role."""
    return user.readerships.all() if user.holds(Role.READER) else Reader.objects.none()


def get_reader(request: AuthedRequest, slug: str) -> Reader:
    reader = get_object_or_404(readerships(request.user).select_related("study"), study__slug=slug)
    log_context.reader.set(reader.code)
    return reader


def get_reader_with_report(request: AuthedRequest, slug: str) -> Reader:
    """Return the person's place in a study whose readers' reports were released. Raises Http404."""
    released = readerships(request.user).filter(study__reports_released_at__isnull=False).select_related("study")
    return get_object_or_404(released, study__slug=slug)


def get_atlas_picture(request: AuthedRequest, slug: str, picture: int) -> AtlasPicture:
    """Return an atlas picture for readers and admins of its study. Raises Http404."""
    user = request.user
    studies = Study.objects.filter(Q(pk__in=administered_studies(user)) | Q(readers__in=readerships(user)))
    return get_object_or_404(AtlasPicture, pk=picture, level__study__in=studies.filter(slug=slug))


def get_administered_study(request: AuthedRequest, slug: str) -> Study:
    return get_object_or_404(administered_studies(request.user), slug=slug)


def get_overseen_study(request: AuthedRequest, slug: str) -> Study:
    """Return a study whose readers' grades may be shown. Raises PermissionDenied for an admin who also reads it."""
    study = get_administered_study(request, slug)
    return _not_read(request, study)


def get_audited_study(request: AuthedRequest, slug: str) -> Study:
    """Return a study whose log may be shown: to its admins, and to auditors of all studies. Raises Http404."""
    return get_object_or_404(audited_studies(request.user), slug=slug)


def get_reported_study(request: AuthedRequest, slug: str) -> Study:
    """Return a study whose numbers may be shown to admins and auditors. Raises PermissionDenied for its readers."""
    return _not_read(request, get_audited_study(request, slug))


def _not_read(request: AuthedRequest, study: Study) -> Study:
    if read_by(request.user).filter(pk=study.pk).exists():
        raise PermissionDenied(READS_IT)
    return study


def read_by(user: User) -> QuerySet[Study]:
    """Return the studies that a person reads, of which they are shown no more than any reader."""
    return Study.objects.filter(pk__in=user.readerships.values("study"))


def may_see_golden(request: AuthedRequest, study: Study) -> bool:
    """Whether a page may show which images are golden, or what follows from it. `get_unblinded_study` asks for it."""
    if not unblinding.is_unblinded(study, request.session):
        return False
    return administers(request.user, study) and not read_by(request.user).filter(pk=study.pk).exists()


def get_unblinded_study(request: AuthedRequest, slug: str) -> Study:
    """Return a study whose golden images may be shown.

    Raises PermissionDenied for its readers, and ReasonNeededError until a reason was given in this session.
    """
    study = get_overseen_study(request, slug)
    if not unblinding.is_unblinded(study, request.session):
        raise unblinding.ReasonNeededError(study)
    return study


def get_overseen_image(request: AuthedRequest, slug: str, pk: int) -> Image:
    return get_object_or_404(get_overseen_study(request, slug).images, pk=pk)


def administered_studies(user: User) -> QuerySet[Study]:
    """Return the studies that a person runs, while they hold the role of an admin."""
    if not user.holds(Role.ADMIN):
        return Study.objects.none()
    return Study.objects.all() if user.is_superuser else Study.objects.filter(admins=user)


def administers(user: User, study: Study) -> bool:
    return administered_studies(user).filter(pk=study.pk).exists()


def audited_studies(user: User) -> QuerySet[Study]:
    return Study.objects.all() if user.holds(Role.AUDITOR) else administered_studies(user)


def open_logs(user: User) -> QuerySet[Study]:
    """Return the studies whose log a person may look at: all that they audit and do not read."""
    return audited_studies(user).exclude(pk__in=read_by(user).values("pk"))


def require_admin(request: AuthedRequest) -> None:
    """Check that the person runs a study or may create one. Raises Http404."""
    if not may_make_studies(request.user):
        raise Http404


def require_operator(request: AuthedRequest) -> None:
    """Check that the person operates the installation. Raises Http404."""
    if not request.user.is_superuser:
        raise Http404


def require_auditor(request: AuthedRequest) -> None:
    """Check that the person may see the log of the whole site. Raises Http404."""
    if not (request.user.is_superuser or request.user.holds(Role.AUDITOR)):
        raise Http404


def may_make_studies(user: User) -> bool:
    """Whether the person is an admin by the provider, an invitation or a study."""
    return user.is_superuser or Role.ADMIN in (user.roles or []) or administered_studies(user).exists()


def require_recent_sign_in(request: AuthedRequest) -> None:
    """Check that the person signed in within the last minutes: before unblinding, erasing or making a token.

    Raises SignInNeededError, which leads to a sign-in and back to the page; a form is then sent once more.
    """
    if not sessions.is_recent(request.session):
        raise sessions.SignInNeededError(request.get_full_path())
