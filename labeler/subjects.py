"""Subjects: the persons in the images, where known."""

from django.db import transaction

from labeler import audit
from labeler.models import Image, User


@transaction.atomic
def correct(*, image: Image, subject: str, by: User | None) -> bool:
    """Say who is in an image; nobody known is empty. Returns whether that is new."""
    before = Image.objects.select_for_update().values_list("subject", flat=True).get(pk=image.pk)
    if subject == before:
        return False
    image.subject = subject
    image.save(update_fields=["subject"])
    detail = f"image {image.pk}: {before or 'not known'}, now {subject or 'not known'}"
    audit.record(image.study, by, "subject corrected", detail=detail)
    return True
