"""Loading and authorisation in one call. What a person may not see answers 404, as if it did not exist.

Every page, table, chart and export about a study loads it here, and so passes `_gate`: there is no other place that
decides what an admin who also reads the study, or one who gave no reason yet, is shown.
"""

from enum import Enum, auto

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404

from labeler.accounts import sessions, unblinding
from labeler.models import AtlasPicture, Image, Reader, Role, Study, User
from scoring.platform import log_context

READS_IT = (
    "You read this study yourself, so you may not see what other readers said or which images are golden. "
    "Ask another admin; when you have left the study, you see it again."
)


class Shows(Enum):
    """What a page tells of a study."""

    WORK = auto()  # how it is set up and how far it is: nothing of what readers said
    ACTS = auto()  # its images, and who did what to it, readers too; not what they said
    GRADES = auto()  # what readers said, or follows from it
    GOLDEN = auto()  # which images are golden


class AuthedRequest(HttpRequest):
    """A request of a person who has signed in, as all have but those of `login_not_required` views."""

    user: User


def readerships(user: User) -> QuerySet[Reader]:
    """Return the places a person has as a reader, while they hold that role."""
    return user.readerships.all() if user.holds(Role.READER) else Reader.objects.none()


def get_reader(request: AuthedRequest, slug: str) -> Reader:
    """Return the person's place in a study. Raises Http404.

    Raises unblinding.AcceptanceNeededError for a person who oversees the study and did not accept yet to read it.
    """
    reader = get_object_or_404(readerships(request.user).select_related("study"), study__slug=slug)
    log_context.reader.set(reader.code)
    if reader.accepted_at is None:
        if oversees(request.user, reader.study):
            raise unblinding.AcceptanceNeededError(reader.study)
        unblinding.accept(reader)
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
    return _gate(request, get_object_or_404(administered_studies(request.user), slug=slug), Shows.WORK)


def get_overseen_study(request: AuthedRequest, slug: str) -> Study:
    """Return a study whose images may be shown. Raises PermissionDenied for an admin who also reads it."""
    return _gate(request, get_object_or_404(administered_studies(request.user), slug=slug), Shows.ACTS)


def get_graded_study(request: AuthedRequest, slug: str) -> Study:
    """Return a study whose readers' grades may be shown to its admin. Raises PermissionDenied for its readers."""
    return _gate(request, get_object_or_404(administered_studies(request.user), slug=slug), Shows.GRADES)


def get_audited_study(request: AuthedRequest, slug: str) -> Study:
    """Return a study whose log may be shown: to its admins, and to auditors of all studies.

    Raises Http404, and PermissionDenied for its readers.
    """
    return _gate(request, get_object_or_404(audited_studies(request.user), slug=slug), Shows.ACTS)


def get_reported_study(request: AuthedRequest, slug: str) -> Study:
    """Return a study whose numbers may be shown: to its admins, and to auditors of all studies.

    Raises Http404, and PermissionDenied for its readers.
    """
    return _gate(request, get_object_or_404(audited_studies(request.user), slug=slug), Shows.GRADES)


def read_by(user: User) -> QuerySet[Study]:
    """Return the studies that a person reads now, of which they are shown no more than any reader."""
    return Study.objects.filter(pk__in=user.readerships.filter(accepted_at__isnull=False, left_at=None).values("study"))


def may_see_golden(request: AuthedRequest, study: Study) -> bool:
    """Whether a page may show which images are golden, or what follows from it. `get_unblinded_study` asks for it."""
    if not unblinding.is_unblinded(study, request.session):
        return False
    return administers(request.user, study) and not reads(request.user, study)


def get_unblinded_study(request: AuthedRequest, slug: str) -> Study:
    """Return a study whose golden images may be shown.

    Raises PermissionDenied for its readers, and ReasonNeededError until a reason was given in this session.
    """
    return _gate(request, get_object_or_404(administered_studies(request.user), slug=slug), Shows.GOLDEN)


def _gate(request: AuthedRequest, study: Study, shows: Shows) -> Study:
    """Decide whether a person who runs or audits a study may be shown something of it now."""
    if shows is Shows.WORK:
        return study
    if reads(request.user, study):
        raise PermissionDenied(READS_IT)
    if shows is Shows.GOLDEN and not unblinding.is_unblinded(study, request.session):
        raise unblinding.ReasonNeededError(study)
    if shows is Shows.GRADES and study.dealt_at:
        unblinding.note_look(study=study, user=request.user, session=request.session)
    return study


def reads(user: User, study: Study) -> bool:
    """Whether the person reads the study now: accepted to, and did not leave."""
    return read_by(user).filter(pk=study.pk).exists()


def oversees(user: User, study: Study) -> bool:
    """Whether the person would see less of a study by reading it."""
    return audited_studies(user).filter(pk=study.pk).exists()


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
