"""The atlas: example pictures of each grade, which readers can open beside an image."""

import secrets

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import QuerySet

from labeler.models import AtlasPicture, GradeLevel, Study, User
from labeler.record import audit
from scoring.photograph import decoding
from scoring.photograph.decoding import Pixels

LONG_SIDE = 1200  # pixels: fills the sheet beside the image on a retina screen


def levels(study: Study) -> QuerySet[GradeLevel]:
    """Return the study's grading scale, each level with its `atlas_pictures`."""
    return study.grade_levels.prefetch_related("atlas_pictures")


@transaction.atomic
def add_picture(*, level: GradeLevel, pixels: Pixels, caption: str = "", by: User | None = None) -> AtlasPicture:
    """Keep an example of a grade as WebP; of the file that it came from nothing else is kept."""
    name = f"atlas/{secrets.token_hex(16)}"
    default_storage.save(name, ContentFile(decoding.render(pixels, long_side=LONG_SIDE)))
    try:
        audit.record(level.study, by, "added an atlas picture", detail=f"of {level}")
        return AtlasPicture.objects.create(level=level, file=name, caption=caption)
    except BaseException:
        default_storage.delete(name)
        raise


@transaction.atomic
def remove_picture(picture: AtlasPicture, *, by: User | None = None) -> None:
    """Take an example out of the atlas, its file too."""
    name, level = picture.file, picture.level
    audit.record(level.study, by, "removed an atlas picture", detail=f"of {level}")
    picture.delete()
    transaction.on_commit(lambda: default_storage.delete(name))
