"""Responses with a picture from storage, which browsers neither keep nor run.

The check of who may see it is always ours. The bytes of most pictures come from here too, or from a web server in front
(HAND_OVER), which finds them by a header that no browser sees: in a folder, or in object storage by an address signed
for a minute. What a reader grades always comes from here: every answer has other bytes and each assignment another
length, so that neither files nor lengths tell which images a reader meets twice, or shares with another reader.
"""

import hashlib
import os
import struct
from collections.abc import Iterator
from functools import cache
from typing import TypeVar
from urllib.parse import urlsplit

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import default_storage
from django.http import FileResponse, HttpResponse, HttpResponseBase, StreamingHttpResponse

from labeler.record.keyed_draws import Draws

FOLDER = "/photographs/"  # internal locations of the web server, as docs/running/operations.md shows them
BUCKET = "/object-storage/"
GOOD_FOR = 60  # seconds; the web server asks at once
PADDING = b"JUNK"  # a chunk that programs that show a WebP pass over (RFC 9649, section 2.7.1.6)
BLOCK = 64 * 2**10  # bytes
LENGTHS = 2**14  # that answers may have, two bytes apart: padding has 16 kB on average, a rendition 170


AnyResponse = TypeVar("AnyResponse", bound=HttpResponseBase)


def webp(storage_name: str) -> FileResponse | HttpResponse:
    return _as_picture(
        _handed_over(storage_name) if settings.HAND_OVER else FileResponse(default_storage.open(storage_name))
    )


def padded_webp(storage_name: str, *, assignment: int) -> StreamingHttpResponse:
    """Return a picture under padding. Two assignments, of one image or two, differ in their answers' lengths.

    That holds for `LENGTHS` assignments in a row; beyond, two are as long as each other as seldom as chance has it.
    """
    file = default_storage.open(storage_name)
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    padding = os.urandom((2 * _place(assignment) - size - 8) % (2 * LENGTHS))
    response = _as_picture(StreamingHttpResponse(_with(file, size, padding)))
    response["Content-Length"] = str(size + 8 + len(padding))
    response._resource_closers.append(file.close)  # type: ignore[attr-defined]
    return response


def _with(file: "File[bytes]", size: int, padding: bytes) -> Iterator[bytes]:
    """Yield a WebP file of so many bytes with one more chunk, which the size in its header counts."""
    with file:
        block = file.read(BLOCK)
        if block[:4] == b"RIFF":  # less 8 bytes of its own, plus 8 of the chunk's
            block = block[:4] + struct.pack("<I", size + len(padding)) + block[8:]
        yield block
        while block := file.read(BLOCK):
            yield block
    yield PADDING + struct.pack("<I", len(padding)) + padding


def _place(number: int) -> int:
    """Permute the numbers below `LENGTHS` by a key of this installation: no length tells of another."""
    return _places(settings.SECRET_KEY)[number % LENGTHS]


@cache
def _places(secret: str) -> list[int]:
    """Return one permutation of all, drawn evenly.

    A few rounds of a cipher would not do: a reader knows which assignments come one after the other, and so many
    lengths of so small a domain that they could find the rounds, and by them what came later to a list, which is
    never golden.
    """
    key = hashlib.blake2b(secret.encode(), person=b"picture lengths").digest()
    places: list[int] = Draws(key).permutation(LENGTHS).tolist()
    return places


def _as_picture(response: AnyResponse) -> AnyResponse:
    response["Content-Type"] = "image/webp"
    response["Content-Disposition"] = "inline"
    response["Content-Security-Policy"] = "sandbox"
    return response


def _handed_over(storage_name: str) -> HttpResponse:
    if settings.HAND_OVER == "x-sendfile":
        return HttpResponse(headers={"X-Sendfile": default_storage.path(storage_name)})
    return HttpResponse(headers={"X-Accel-Redirect": _internal(storage_name)})


def _internal(storage_name: str) -> str:
    if not settings.MEDIA_BUCKET:
        return FOLDER + storage_name
    signed = urlsplit(default_storage.url(storage_name, expire=GOOD_FOR))  # type: ignore[call-arg]  # S3Storage has it
    return f"{BUCKET}{signed.scheme}/{signed.netloc}{signed.path}?{signed.query}"
