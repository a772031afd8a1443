"""Answering a picture from storage: never kept by a browser, never run as anything."""

from django.core.files.storage import default_storage
from django.http import FileResponse


def webp(storage_name: str) -> FileResponse:
    response = FileResponse(default_storage.open(storage_name), content_type="image/webp")
    response["Content-Disposition"] = "inline"
    response["Content-Security-Policy"] = "sandbox"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    return response
