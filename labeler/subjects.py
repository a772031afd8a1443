"""Subjects: the persons in the images, where known."""

from django.db import transaction

from labeler import audit, consents, pseudonyms
from labeler.models import Image, User


@transaction.atomic
def correct(*, image: Image, subject: str, by: User | None) -> bool:
    """Say who is in an image; nobody known is empty. Returns whether that is new."""
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
