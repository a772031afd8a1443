"""The formats of photographs. A format is added here: messages, pages and the API's documentation follow. [core]

Where Pillow needs a plugin to read it, scoring/photograph/decoding.py registers that.
"""

from dataclasses import dataclass

ANIMATED = "This image is animated. Send a still photograph."


@dataclass(frozen=True)
class ImageFormat:
    """A format that Pillow reads."""

    name: str  # for people
    pillow: str  # Pillow's name
    suffixes: tuple[str, ...]  # of file names, for a browser's file chooser; the content decides what a file is
    # Why a file of several frames is refused. Empty where the first is the photograph: a phone's JPEG or HEIC may carry
    # a gain map or a second view behind its picture, which is no animation.
    several_frames: str = ""


FORMATS = (
    ImageFormat("JPEG", "JPEG", (".jpg", ".jpeg")),
    ImageFormat("PNG", "PNG", (".png",), ANIMATED),
    ImageFormat("WebP", "WEBP", (".webp",), ANIMATED),
    ImageFormat("HEIC", "HEIF", (".heic", ".heif")),
    ImageFormat("TIFF", "TIFF", (".tif", ".tiff"), "This TIFF has several pages. Send one photograph per file."),
)
BY_PILLOW = {one.pillow: one for one in FORMATS}

_NAMES = [one.name for one in FORMATS]
ALL_OF_THEM = ", ".join(_NAMES)  # JPEG, PNG, ...
ANY_OF_THEM = f"{', '.join(_NAMES[:-1])} or {_NAMES[-1]}"
# Of a file field. Browsers do not count every format of ours among image/*.
ACCEPT = ",".join(["image/*", *(suffix for one in FORMATS for suffix in one.suffixes)])
