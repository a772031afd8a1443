"""Taking an image out of a study for a reason, whatever it is: golden or not, dealt or not, graded or not.

From then on it is in no reading list, no consensus, no training and no number. What was said of it stays, and it can
be taken back in. The act and its page are the same for all images, since an admin may not know which are golden.
"""

from django.db import transaction
from django.db.models import QuerySet

from labeler.images import consents
from labeler.models import AuditEvent, Image, User
from labeler.record import audit

OUT, BACK = "image taken out", "image taken back in"


@transaction.atomic
def take_out(*, image: Image, reason: str, by: User | None) -> bool:
    """Take an image out of its study. False if it is out or erased already."""
    there = Image.objects.filter(pk=image.pk, is_taken_out=False, is_erased=False)
    if not there.update(is_taken_out=True, may_be_graded=False, may_be_trained_on=False):
        return False
    audit.record(image.study, by, OUT, detail=str(image), reason=reason)
    consents.count_skipped(image.study)
    return True


@transaction.atomic
def take_back(*, image: Image, reason: str, by: User | None) -> bool:
    """Take an image back in, as far as its subject agrees. False if it is not out, or erased."""
    if not Image.objects.filter(pk=image.pk, is_taken_out=True, is_erased=False).update(is_taken_out=False):
        return False
    audit.record(image.study, by, BACK, detail=str(image), reason=reason)
    consents.judge(image)
    consents.count_skipped(image.study)
    return True


def history(image: Image) -> QuerySet[AuditEvent]:
    """Return when the image was taken out and back in, the latest first."""
    acts = AuditEvent.objects.filter(study=image.study, action__in=(OUT, BACK), detail=str(image))
    return acts.select_related("user").order_by("-pk")
