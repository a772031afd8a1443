"""Removal of stored photographs without an image, which a killed import leaves behind."""

from collections.abc import Iterable

from labeler.models import Image
from scoring.platform import blobs

ORIGINALS, RENDITIONS = "originals", "renditions"


def collect() -> int:
    """Delete originals, renditions and thumbnails that no image has; return how many files.

    What is younger than an hour stays: its row may be about to come.
    """
    return sum(
        _collect(f"{kind}/{part}", column)
        for kind, column in ((ORIGINALS, "original"), (RENDITIONS, "rendition"))
        for part in blobs.folders(kind)
    )


def _collect(folder: str, column: str) -> int:
    names = [f"{folder}/{name}" for name in blobs.files(folder)]
    kept = _known(column, {_key(name) for name in names})
    orphans = [name for name in names if _key(name) not in kept and blobs.was_abandoned(name)]
    for name in orphans:
        blobs.erase(name)
    return len(orphans)


def _known(column: str, keys: Iterable[str]) -> set[str]:
    return set(Image.objects.filter(**{f"{column}__in": keys}).values_list(column, flat=True))


def _key(name: str) -> str:
    """Return what an image's row says of a file: of a rendition the name without its size."""
    return name.partition("-")[0]
