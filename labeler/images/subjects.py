"""Subjects: the people in the images, where known."""

from typing import Any

from django.db import transaction
from django.db.models import Count, Min, QuerySet

from labeler.images import consents
from labeler.models import Image, Study, User
from labeler.record import audit, pseudonyms


@transaction.atomic
def correct(*, image: Image, subject: str, by: User | None) -> bool:
    """Set the subject of an image; empty if unknown. Returns whether that changed it."""
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
