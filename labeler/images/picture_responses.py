"""Responses with a picture from storage, which browsers neither keep nor run.

The check of who may see it is always ours. The bytes come from here too, or from a web server in front (HAND_OVER),
which finds them by a header that no browser sees: in a folder, or in object storage by an address signed for a minute.
"""

from urllib.parse import urlsplit

from django.conf import settings
from django.core.files.storage import default_storage
from django.http import FileResponse, HttpResponse

FOLDER = "/photographs/"  # internal locations of the web server, as docs/running/operations.md shows them
BUCKET = "/object-storage/"
GOOD_FOR = 60  # seconds; the web server asks at once


def webp(storage_name: str) -> FileResponse | HttpResponse:
    response = _handed_over(storage_name) if settings.HAND_OVER else FileResponse(default_storage.open(storage_name))
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
