"""Creating a study, with its grading scale and readers."""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.crypto import get_random_string

from labeler.accounts import unblinding
from labeler.models import Reader, Study, User, draw_secret, draw_seed
from labeler.record import audit
from labeler.studies import grade_scale
from scoring.regressor.score_scale import Scale

TAKEN = {"new"}  # addresses below studies/ that are no study's


class StudyError(ValueError):
    """Why a study or a reader can't be made, as a sentence for people."""


@transaction.atomic
def create(
    *,
    slug: str,
    title: str,
    is_simulated: bool = False,
    seed: int | None = None,
    secret: bytes | None = None,
    by: User | None = None,
) -> Study:
    """Create a study with the five acne grades and its first admin. Raises StudyError.

    `seed`, of its fits, and `secret`, of everything that is dealt, are drawn if not given, as they should be.
    """
    if Study.objects.filter(slug=slug).exists():
        raise StudyError(f"There is a study {slug} already. Choose another name.")
    if slug in TAKEN:
        raise StudyError(f"{slug} is the name of a page. Choose another name.")
    study = Study.objects.create(
        slug=slug,
        title=title,
        is_simulated=is_simulated,
        seed=draw_seed() if seed is None else seed,
        secret=draw_secret() if secret is None else secret,
    )
    grade_scale.create_levels(study)
    if by:
        study.admins.add(by)
        audit.record(study, by, "made")
    return study


def scale(study: Study) -> Scale:
    """Return the grades of a study. Raises StudyError where it has fewer than two."""
    try:
        return Scale(tuple(study.grade_levels.order_by("value").values_list("value", flat=True)))
    except ValueError as error:
        raise StudyError(f"Study {study.slug} has no scale: give it two grade levels or more in the admin.") from error


@transaction.atomic
def add_reader(
    *,
    study: Study,
    user: User,
    is_simulated: bool = False,
    capacity: int | None = None,
    by: User | None = None,
) -> Reader:
    """Give a person a place in a study that is not dealt yet. Raises StudyError.

    A running study is joined by `joining_and_leaving.join`, which also gives the reader a list.
    """
    study = Study.objects.select_for_update(no_key=True).get(pk=study.pk)
    if study.dealt_at:
        raise StudyError(
            f"Study {study.slug} is dealt; a reader added now would have no images. Let them join instead."
        )
    reader = new_reader(study=study, user=user, is_simulated=is_simulated, capacity=capacity)
    audit.record(study, by, "reader added", detail=f"{user.username} as {reader.code}")
    return reader


def new_reader(*, study: Study, user: User, is_simulated: bool = False, capacity: int | None = None) -> Reader:
    """Make a reader without a list, under the next code. Raises StudyError."""
    if study.readers.filter(user=user).exists():
        raise _reads_already(study, user)
    _refuse_who_unblinded(study, user)
    code = f"R{study.readers.count() + 1:02d}"
    return Reader.objects.create(study=study, user=user, code=code, is_simulated=is_simulated, capacity=capacity)


def readmit(*, reader: Reader, capacity: int | None) -> None:
    """Let a reader who left be one again, under the same code. Raises StudyError."""
    _refuse_who_unblinded(reader.study, reader.user)
    # Since they left they may have seen what others said, so who oversees the study is asked anew to accept.
    left = Reader.objects.filter(pk=reader.pk, left_at__isnull=False)
    if not left.update(left_at=None, accepted_at=None, capacity=capacity):
        raise _reads_already(reader.study, reader.user)
    reader.refresh_from_db(fields=["left_at", "accepted_at", "capacity"])


def _reads_already(study: Study, user: User) -> StudyError:
    return StudyError(f"{user.username} reads study {study.slug} already.")


def _refuse_who_unblinded(study: Study, user: User) -> None:
    if unblinding.has_unblinded(study, user):
        raise StudyError(f"{user.username} has seen which images of study {study.slug} are golden, so can't read it.")


@transaction.atomic
def set_capacity(*, reader: Reader, capacity: int | None, by: User) -> None:
    """Say how long a list this reader takes; it counts at the next dealing."""
    Reader.objects.filter(pk=reader.pk).update(capacity=capacity)
    audit.record(reader.study, by, "capacity set", detail=f"{reader.code}: {capacity or 'no limit'}")


@transaction.atomic
def set_shortest_look(*, study: Study, shortest_look_ms: int, by: User) -> None:
    """Say how long an image must be seen before a label is taken."""
    study.shortest_look_ms = shortest_look_ms
    study.save(update_fields=["shortest_look_ms"])
    audit.record(study, by, "shortest look set", detail=f"{shortest_look_ms} ms")


def create_account(*, username: str) -> tuple[User, str]:
    """Make a local account; return it with its first password, which is kept nowhere. Raises StudyError."""
    if not settings.LOCAL_PASSWORDS:
        raise StudyError(f"There is no account {username}. They sign in once first, or: manage.py invite EMAIL.")
    # A name that looks like another's, or like those of imported readers, would be a way to be taken for them.
    if User.objects.filter(username__iexact=username).exists():
        raise StudyError(f"There is an account whose name differs from {username} in capitals alone.")
    try:
        User.username_validator(username)
    except ValidationError as error:
        raise StudyError(f"{username} can't be an account's name: letters, digits and @ . + - _ can.") from error
    password = get_random_string(20)
    return User.objects.create_user(username=username, password=password, password_is_given=True), password
