"""JPEG files: whether all of a picture is there, and its pixels. [core]

libjpeg paints what is missing or can't be read in some colour and only warns of it. Pillow drops the warnings;
simplejpeg, which has the same libjpeg-turbo, raises them.
"""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import simplejpeg
from numpy.typing import NDArray

START, END_MARKER = b"\xff\xd8\xff", b"\xff\xd9"
MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # what else begins with ff is picture
END, START_OF_SCAN, JFIF, ADOBE = 0xD9, 0xDA, 0xE0, 0xEE
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
# What is left out of what libjpeg gets: it knows their colours from two of them, and warns of odd ones of the rest.
NOT_NEEDED = {*range(0xE0, 0xF0), 0xFE}
COEFFICIENTS = 64
EXTRANEOUS = re.compile(r"(\d+) extraneous bytes before marker 0xd9")
MOST_EXTRANEOUS = 2  # bytes that some cameras leave before the end; what was lost has more


class DamagedError(ValueError):
    """Not all of the picture is there, or it can't be read."""


class EndlessError(ValueError):
    """The picture is sent in more scans than any honest one."""


@dataclass(frozen=True)
class Segment:
    """A marker, its content, and where what follows begins."""

    kind: int
    content: bytes
    end: int


@dataclass(frozen=True)
class Jpeg:
    """The first picture of a file: a phone's has others behind it."""

    data: bytes
    most_scans: int

    @cached_property
    def head(self) -> list[Segment]:
        """Everything before the picture's first scan. Raises DamagedError where there is none."""
        found: list[Segment] = []
        for segment in _segments(self.data):
            if segment.kind == START_OF_SCAN:
                return found
            found.append(segment)
        raise DamagedError

    @cached_property
    def scans(self) -> list[Segment]:
        """The heads of its scans. Raises EndlessError."""
        found = []
        for segment in _segments(self.data):
            if segment.kind == START_OF_SCAN:
                found.append(segment)
            if len(found) > self.most_scans:
                raise EndlessError
        return found

    def pixels(self, *, fraction: int = 1) -> NDArray[np.uint8]:
        """Return (height, width, channels) of RGB, of grey, or of CMYK as Adobe writes it, at 1/`fraction` of its size.

        Raises DamagedError and EndlessError.
        """
        whole = self._whole()
        try:
            return _decode(whole, fraction)
        except ValueError as error:
            found = EXTRANEOUS.search(str(error))
            if found is None:
                raise DamagedError from error
        try:
            return _decode(_unpadded(whole, int(found[1])), fraction)
        except ValueError as error:
            raise DamagedError from error

    def _whole(self) -> bytes:
        """Return the picture by itself: with an end, which some transfers lose, and without what libjpeg need not know.

        Raises DamagedError where scans are missing: what the file says about them is not what it has.
        """
        kept = [_told_plainly(segment) for segment in self.head]
        first = self.scans[0]
        begin = first.end - len(first.content) - 4
        (last,) = deque(_segments(self.data), maxlen=1)
        has_end = last.kind == END
        if not _is_complete(self.head, self.scans, has_end=has_end):
            raise DamagedError
        end = last.end - len(END_MARKER) if has_end else len(self.data)
        return b"".join((START[:2], *kept, memoryview(self.data)[begin:end], END_MARKER))


def _segments(data: bytes) -> Iterator[Segment]:
    """Yield the segments of a JPEG's first picture as far as they go, its end the last."""
    position = 2
    while marker := MARKER.search(data, position):
        kind, position = data[marker.end() - 1], marker.end()
        if kind == END:
            yield Segment(kind, b"", position)
            return
        size = max(2, int.from_bytes(data[position : position + 2], "big"))
        yield Segment(kind, data[position + 2 : position + size], position + size)
        position += size


def _told_plainly(segment: Segment) -> bytes:
    """Return a segment as libjpeg gets it: nothing where it is not needed."""
    content = segment.content
    if segment.kind == JFIF and content.startswith(b"JFIF\0"):
        content = b"JFIF\0\1\1" + content[7:14].ljust(7, b"\0")
    elif segment.kind == ADOBE and content.startswith(b"Adobe") and len(content) >= 12:
        content = content[:12]
    elif segment.kind in NOT_NEEDED:
        return b""
    return bytes((0xFF, segment.kind)) + (len(content) + 2).to_bytes(2, "big") + content


def _unpadded(whole: bytes, extraneous: int) -> bytes:
    """Return the picture without what some programs leave before its end: a byte or two, or zeros.

    All zeros go, also those that libjpeg took for picture: it does, where the rest of a file was never written.
    """
    body = whole[: -len(END_MARKER)]
    bare = body.rstrip(b"\0")
    if len(body) - len(bare) >= extraneous:
        body = bare + b"\0" if bare.endswith(b"\xff") else bare
    elif extraneous <= MOST_EXTRANEOUS:
        body = body[:-extraneous]
    return body + END_MARKER


def _is_complete(head: list[Segment], scans: list[Segment], *, has_end: bool) -> bool:
    """Whether every coefficient of every component is sent, to its last bit.

    A file that says it ends may have left out high frequencies; one that breaks off has lost them.
    """
    frame = next((segment for segment in head if segment.kind in FRAMES), None)
    if frame is None or len(frame.content) < 9:
        return False
    components = set(frame.content[6::3])
    missing = {component: np.full(COEFFICIENTS, np.inf) for component in components}  # bits still to come
    for scan in scans:
        if len(scan.content) < 6:
            return False
        number = scan.content[0]
        first, last, bits = scan.content[-3:]
        for component in scan.content[1 : 1 + 2 * number : 2]:
            if component in missing:
                missing[component][first : last + 1] = bits & 0xF
    return all(left[0] == 0 and not (left[np.isfinite(left)] if has_end else left).any() for left in missing.values())


def _decode(data: bytes, fraction: int) -> NDArray[np.uint8]:
    height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    kind = {"Gray": "GRAY", "CMYK": "CMYK", "YCCK": "CMYK"}.get(str(colours), "RGB")
    sides = {"min_height": -(-int(height) // fraction), "min_width": -(-int(width) // fraction)} if fraction > 1 else {}
    pixels: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, kind, min_factor=fraction, **sides)
    return pixels
