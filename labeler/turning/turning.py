"""Turning an image by hand: renditions, measures and all that is made later are of the turned photograph.

Its file stays as it came, so every turn can be taken back. What was made of it under another turn is deleted, or known
by its turn (`scoring.regressor.feature_store`), so that nothing old is used.
"""

from django.db import transaction

from labeler.images import measurements, preprocessing, renditions, thumbnails
from labeler.images.preprocessing import Prepared
from labeler.intake import importing, orphaned_files
from labeler.models import Image, ProvisionalScore, Study, User
from labeler.record import audit
from labeler.screening import gallery, near_duplicates, prescreen
from labeler.studies import study_jobs
from scoring.photograph import decoding, decoding_slots
from scoring.platform import blobs
from scoring.weights.weight_files import WeightsError


class TurnError(ValueError):
    """Why an image can't be turned, as a sentence for people."""


class _TurnedAlreadyError(TurnError):
    """Somebody else did the same just now."""


def turn(*, image: Image, to: int, shown: int, by: User | None) -> bool:
    """Turn an image to so many quarters clockwise from its file; False if it stands so already.

    `shown` is the turn in which it was looked at: of two people who turn it at once the second is told. Raises
    TurnError; then nothing has changed.
    """
    now = Image.objects.select_related("study").get(pk=image.pk)
    try:
        _check(now, to, shown)
        made = _prepare(now, to)
        name = importing.random_name(orphaned_files.RENDITIONS)
        files = {renditions.storage_name(name, size): webp for size, webp in made.renditions.items()}
        with importing.stored(files), transaction.atomic():
            # The study first, as dealing does: until this ends, nothing is dealt and nothing clustered. Who holds the
            # image to erase it may still write rows of the study, so that nobody waits for each other.
            Study.objects.select_for_update(no_key=True).get(pk=now.study_id)
            locked = Image.objects.select_for_update(no_key=True, of=("self",))
            now = locked.select_related("study").get(pk=image.pk)
            _check(now, to, shown)
            _store(now, made, name, by)
    except _TurnedAlreadyError:
        return False
    return True


def _check(image: Image, to: int, shown: int) -> None:
    why = gallery.why_fixed(image)
    if why:
        raise TurnError(why)
    if (image.turn or 0) == to:
        raise _TurnedAlreadyError
    if (image.turn or 0) != shown:
        raise TurnError("Somebody else has turned it meanwhile. See how it stands now, then turn it.")


def _prepare(image: Image, to: int) -> Prepared:
    try:
        with decoding_slots.take():
            return preprocessing.prepare(blobs.read(image.original), turn=to)
    except FileNotFoundError as error:
        raise TurnError("Its file is not in storage. Restore it, then turn it.") from error
    except (decoding.ImageError, WeightsError) as error:
        raise TurnError(str(error)) from error


def _store(image: Image, made: Prepared, rendition: str, by: User | None) -> None:
    """Write down what was made of the turned photograph, and forget what was made of it before."""
    before, old = image.degrees, image.rendition
    image.turn, image.is_turned_by_hand = made.turn, True
    image.width, image.height = made.width, made.height
    image.rendition, image.rendition_sha256 = rendition, renditions.digests(made.renditions)
    changed = ["turn", "is_turned_by_hand", "width", "height", "rendition", "rendition_sha256"]
    image.save(update_fields=changed)
    measurements.replace(image, made.measures)
    ProvisionalScore.objects.filter(image=image).delete()
    prescreen.judge(image)
    if near_duplicates.were_searched(image.study):  # its fingerprint is another one
        study_jobs.request(study=image.study, kind=study_jobs.Kind.DUPLICATES, by=by)
    audit.record(image.study, by, audit.TURNED, detail=f"{image} from {before} to {image.degrees} degrees clockwise")
    transaction.on_commit(lambda: _erase(old))


def _erase(rendition: str) -> None:
    for size in (*renditions.SIZES, thumbnails.SIZE):
        blobs.erase(renditions.storage_name(rendition, size))
