"""Thumbnails for admins' pages, made at first sight and kept."""

from django.core.files.storage import default_storage

from labeler.images import renditions
from labeler.models import Image
from scoring.photograph import decoding
from scoring.platform import blobs

LONG_SIDE = 400  # pixels: fills a gallery's cell on a retina screen with a tenth of the smallest rendition's bytes
SIZE = f"thumbnail-{LONG_SIDE}"


def storage_name(image: Image) -> str:
    """Return where the image's thumbnail is, which is made if it is not there."""
    name = renditions.storage_name(image.rendition, SIZE)
    if not default_storage.exists(name):
        size = renditions.smallest_of_at_least(renditions.SIZES[0], long_side=max(image.width, image.height))
        pixels = decoding.decode(blobs.read(renditions.storage_name(image.rendition, size)), decoding.STORED)
        blobs.write(name, decoding.render(pixels, long_side=min(LONG_SIDE, max(pixels.shape[:2]))))
    return name
