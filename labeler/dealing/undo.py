"""Undoing the latest change of the lists, as far as no label depends on it."""

import numpy as np
from django.db import transaction
from django.utils import timezone

from labeler.dealing import changes, remaining_lists
from labeler.dealing.folds import DealError
from labeler.images import consents
from labeler.models import Assignment, Dealing, Reader, Study, User
from labeler.record import audit
from labeler.studies import studies
from labeler.studies.studies import StudyError


@transaction.atomic
def take_back(*, dealing: Dealing, by: User | None = None, reason: str = "") -> None:
    """Undo the latest change; assignments that have a label stay where they are. Raises DealError."""
    study = Study.objects.select_for_update(no_key=True).get(pk=dealing.study_id)
    if dealing != changes.latest(study):
        raise DealError("Only the latest change can be taken back: later ones rest on it.")
    Assignment.objects.filter(dealing=dealing, version=0).delete()
    if dealing.kind == Dealing.Kind.FIRST:
        _undo_first(study)
    else:
        _undo(study, dealing)
    consents.count_skipped(study)
    dealing.reversed_at = timezone.now()
    dealing.save(update_fields=["reversed_at", "plan"])
    audit.record(study, by, "dealing taken back", detail=str(dealing), reason=reason)


def _undo_first(study: Study) -> None:
    if Assignment.objects.filter(reader__study=study).exists():
        raise DealError("Somebody has graded already, so the study stays dealt.")
    Study.objects.filter(pk=study.pk).update(dealt_at=None)


def _undo(study: Study, dealing: Dealing) -> None:
    """Give back what the change moved and no label rests on, and close the gaps that this leaves."""
    graded = set(dealing.assignments.values_list("image", flat=True))
    withdrawn = Assignment.objects.filter(withdrawn_in=dealing).select_related("image")
    back = [one for one in withdrawn if one.image.is_golden or one.image_id not in graded]
    back = [one for one in back if one.image.may_be_graded]
    reader = dealing.reader
    if reader and dealing.kind == Dealing.Kind.JOIN:  # what they have back, or took back themself
        theirs = Assignment.objects.filter(reader=reader, is_done=False, withdrawn_in=None)
        theirs.update(position=None, withdrawn_in=dealing)
        Reader.objects.filter(pk=reader.pk).update(left_at=timezone.now())
    elif reader:  # who left
        _readmit(reader)
    for rest in [remaining_lists.read(reader) for reader in changes.active_readers(study)]:
        returned = np.array([one.pk for one in back if one.reader_id == rest.reader.pk], np.int64)
        remaining_lists.write(rest, np.concatenate([rest.ids, returned]), dealing, remaining_lists.BACK)


def _readmit(reader: Reader) -> None:
    try:
        studies.readmit(reader=reader, capacity=reader.capacity)
    except StudyError as error:
        raise DealError(str(error)) from error
