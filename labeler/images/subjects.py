"""Subjects: the people in the images, where known, and whom a code means."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import Count, Min, QuerySet

from labeler.images import consents
from labeler.models import Image, Study, User
from labeler.record import audit, pseudonyms, subject_codes


class UnsureError(ValueError):
    """A code looks like that of somebody else: a sentence, and who may be meant."""

    def __init__(self, code: str, looks_like: tuple[str, ...]) -> None:
        super().__init__(f"{code}: is this {' or '.join(looks_like)}? Say so, or that it is another person.")
        self.code, self.looks_like = code, looks_like


class Codes:
    """The codes of a study's subjects, and whom a code from outside means."""

    def __init__(self, study: Study, answers: Mapping[str, str] | None = None) -> None:
        """Take what somebody answered: a code as it is written -> whom it means; itself where it is another person."""
        self._alike: dict[str, list[str]] = defaultdict(list)
        self._meant: dict[str, str] = {}
        self._answers = {subject_codes.clean(code): subject_codes.clean(who) for code, who in (answers or {}).items()}
        named = study.images.exclude(subject="").order_by("subject").values_list("subject", flat=True).distinct()
        said = study.consents.order_by("subject").values_list("subject", flat=True).distinct()
        self._know(dict.fromkeys([*named, *said]))

    def meant(self, code: str) -> str:
        """Return whom a code means: a known subject, or a new one, who is known from then on. Raises UnsureError."""
        if code in self._meant:
            return self._meant[code]
        code = subject_codes.clean(code)
        if not code or code in self._meant:
            return self._meant.get(code, "")
        look = self._alike[subject_codes.alike(code)]
        answer = self._answers.get(code)
        if answer is not None and answer != code:
            meant = next((known for known in look if subject_codes.clean(known) == answer), None)
        else:
            meant = code if answer == code or not look else None
        if meant is None:
            raise UnsureError(code, tuple(look))
        if meant == code:
            self._know([code])
        self._meant[code] = meant
        return meant

    def _know(self, codes: Iterable[str]) -> None:
        for code in codes:
            self._meant[code] = code
            self._alike[subject_codes.alike(code)].append(code)


@transaction.atomic
def correct(*, image: Image, subject: str, by: User | None, is_another: bool = False) -> bool:
    """Set the subject of an image; empty if unknown. Returns whether that changed it.

    Raises UnsureError where the code is new and looks like one that is known, unless it `is_another` person.
    """
    subject = subject_codes.clean(subject)
    if not image.study.images.filter(subject=subject).exists():
        subject = Codes(image.study, {subject: subject} if is_another else None).meant(subject)
    before = Image.objects.select_for_update().values_list("subject", flat=True).get(pk=image.pk)
    if subject == before:
        return False
    image.subject = subject
    image.save(update_fields=["subject"])
    # The log stays when a subject is erased, so it knows them by pseudonyms.
    was, now = (pseudonyms.of_subject(image.study, name) or "not known" for name in (before, subject))
    audit.record(image.study, by, "subject corrected", detail=f"image {image.pk}: {was}, now {now}")
    consents.apply(image.study, subjects=[subject])
    return True


def images_of_person(image: Image) -> QuerySet[Image]:
    """Return the images of the person in this one: this alone where they are not known."""
    here = image.study.images.filter(is_erased=False).order_by("pk")
    return here.filter(subject=image.subject) if image.subject else here.filter(pk=image.pk)


def with_images(study: Study, *, beginning: str = "") -> QuerySet[Image, Any]:
    """Return subject, number of `images` and the `first` of them, in the order of their codes."""
    known = study.images.filter(is_erased=False, subject__startswith=beginning).exclude(subject="")
    return known.values("subject").annotate(images=Count("pk"), first=Min("pk")).order_by("subject")
