"""Why an act or an image is refused: a name for programs, a sentence for people (docs/running/reliability.md)."""

from datetime import datetime
from typing import ClassVar

from django.utils import formats, timezone

from labeler.models import Assignment, Reader

NEXT = "Here is your next one."


class RefusedError(Exception):
    """A refusal. Nothing was stored, and nothing was shown."""

    name: ClassVar[str]
    status: ClassVar[int]
    sentence = ""
    fact = ""  # what is said to who only wants to see something; empty: the same
    wait = 0  # seconds until it is worth asking again; 0: that makes no difference

    def __init__(self, sentence: str = "") -> None:
        self.sentence = sentence or self.sentence
        super().__init__(self.sentence)


class GoneError(RefusedError):
    """There is nothing to grade here any more."""

    status = 410
    then = ""

    def __init__(self, fact: str = "") -> None:
        fact = fact or self.fact
        super().__init__(f"{fact}, so this grade was not kept. {self.then}".rstrip())
        self.fact = f"{fact}."


class InvalidError(RefusedError):
    """What was sent is no label."""

    name, status = "invalid", 422


class OutdatedVersionError(RefusedError):
    """The image was labeled since the page was drawn, for example in another tab."""

    name, status = "outdated", 409
    sentence = f"This image was graded in another window. {NEXT}"


class ReusedSubmissionError(RefusedError):
    """A submission's id came again with other contents: it must not overwrite, and must not be dropped silently."""

    name, status = "reused", 422
    sentence = "This submission was used before with another grade."


class ClosedError(GoneError):
    """The study is closed to grading."""

    name = "closed"
    fact = "The study is closed"


class LeftError(GoneError):
    """The reader left the study, or was removed from it."""

    name = "left"
    then = "What you gave before stays."


class WithdrawnError(GoneError):
    """The image was taken off the reader's list."""

    name = "withdrawn"
    fact = "This image is not on your list any more"
    then = NEXT


class NoConsentError(GoneError):
    """The image's subject does not agree that it is graded, any more."""

    name = "no_consent"
    fact = "The person in this image took their consent back"
    then = NEXT


class TakenOutError(GoneError):
    """The image was taken out of the study."""

    name = "taken_out"
    fact = "This image is not part of the study any more"
    then = NEXT


class AheadError(RefusedError):
    """The image is further down the list than a page looks."""

    name, status = "ahead", 404
    sentence = "This image comes later in your list. It is served when you get near it."


class TooFastError(RefusedError):
    """Images are asked for faster than a person can look at them."""

    name, status, wait = "too_fast", 429, 1
    sentence = "You are faster than anybody can look at images. The next one comes in a moment."


def of(assignment: Assignment) -> RefusedError | None:
    """Return why an assignment, loaded with reader, study and image, can be neither shown nor labeled; or None."""
    if refusal := of_reader(assignment.reader):
        return refusal
    if assignment.withdrawn_in_id:
        return WithdrawnError()
    if assignment.image.may_be_graded:
        return None
    return TakenOutError() if assignment.image.is_taken_out else NoConsentError()


def of_reader(reader: Reader) -> ClosedError | LeftError | None:
    """Return why a reader can grade nothing in their study any more; None while they can."""
    if reader.study.closed_at:
        return ClosedError()
    if reader.left_at:
        return LeftError(f"You left this study on {day(reader.left_at)}")
    return None


def day(then: datetime) -> str:
    return formats.date_format(timezone.localtime(then), "j F Y")
