"""Loading and authorisation in one call. What a person may not see answers 404, as if it did not exist.

Every page, table, chart and export about a study loads it here, and so passes `_gate`: there is no other place that
decides what an admin who also reads the study, or one who gave no reason yet, is shown.
"""

from enum import Enum, auto

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404

from labeler.accounts import sessions, unblinding
from labeler.models import Image, Reader, Role, Study, User
from scoring.platform import log_context

READS_IT = (
    "You read this study yourself, so you may not see what other readers said or which images are golden. "
    "Ask another admin; when you have left the study, or it is closed, you see it again."
)

NO_READER = (
    "You no longer hold the role of a reader, so your list is closed to you. What you graded before stays. "
    "Sign out and in again; if that does not help, ask the person who runs the study."
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


class RoleTakenError(PermissionDenied):
    """A person has a place in a study, and the role of a reader no longer."""

    name = "no_role"

    def __init__(self, reader: Reader) -> None:
        super().__init__(NO_READER)
        self.reader = reader


def readerships(user: User) -> QuerySet[Reader]:
    """Return the places a person has as a reader, while they hold that role."""
    return user.readerships.all() if user.holds(Role.READER) else Reader.objects.none()


def name(reader: Reader) -> str:
    """Return what names a reader to their own browser, and what waits there to be sent."""
    return f"{reader.study.slug} {reader.code}"


def get_reader(request: AuthedRequest, slug: str) -> Reader:
    """Return the person's place in a study. Raises Http404, and what `let_read` raises."""
    reader = get_place(request, slug)
    let_read(request.user, reader)
    return reader


def get_place(request: AuthedRequest, slug: str) -> Reader:
    """Return a person's place in a study, whether they accepted it already or not. Raises Http404, RoleTakenError."""
    reader = get_object_or_404(request.user.readerships.select_related("study"), study__slug=slug)
    log_context.reader.set(reader.code)
    if not request.user.holds(Role.READER):
        raise RoleTakenError(reader)
    return reader


def let_read(user: User, reader: Reader) -> None:
    """Check that a person may use their place in a study, as every address of a reading list does.

    Raises RoleTakenError, and unblinding.AcceptanceNeededError where they know more of the study than a reader may, or
    could, and did not accept yet to read it; anybody else accepts by coming. Who left, or whose study is closed, is let
    through: `labeler.grading.refusals` says so, and acknowledges what arrived before.
    """
    if not user.holds(Role.READER):
        raise RoleTakenError(reader)
    if reader.accepted_at or reader.left_at or reader.study.closed_at:
        return
    if oversees(user, reader.study) or unblinding.knows(reader.study, user):
        raise unblinding.AcceptanceNeededError(reader)
    unblinding.accept(reader)


def get_reader_with_report(request: AuthedRequest, slug: str) -> Reader:
    """Return the person's place in a study whose readers' reports were released, whether they left it or not.

    Raises Http404, RoleTakenError, and PermissionDenied where they never read it.
    """
    reader = get_place(request, slug)
    if not reader.study.reports_released_at:
        raise Http404
    if not (reader.accepted_at or reader.done):
        raise PermissionDenied("You never began to read this study, so there is no report on how you graded.")
    return reader


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
    """Return the open studies that a person reads now, of which they are shown no more than any reader."""
    reading = user.readerships.filter(accepted_at__isnull=False, left_at=None, study__closed_at=None)
    return Study.objects.filter(pk__in=reading.values("study"))


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
    """Whether the person reads the study now: accepted to, did not leave, and it is not closed."""
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
