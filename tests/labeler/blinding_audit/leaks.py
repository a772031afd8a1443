"""Leaks to plant: each tells golden images, or repeats, on one road to the reader."""

import io
import json
import re
import time
from collections.abc import Callable
from uuid import UUID

from django.core.files.base import ContentFile, File
from django.core.files.storage import FileSystemStorage, default_storage
from django.http import HttpRequest, HttpResponse
from PIL import Image as PillowImage

from labeler.images import renditions
from labeler.models import Assignment, Image, Study
from scoring.photograph import decoding

GetResponse = Callable[[HttpRequest], HttpResponse]
SLOWER = 0.02  # seconds: some ten times what the picture takes otherwise
PUBLIC_ID = re.compile(r"/([0-9a-f-]{36})/image/")


def _asked_for(request: HttpRequest) -> Assignment | None:
    found = PUBLIC_ID.search(request.path)
    return Assignment.objects.select_related("image").get(public_id=found[1]) if found else None


def header_on_golden(get_response: GetResponse) -> GetResponse:
    """Answer golden images as a cache that knows them would."""

    def answer(request: HttpRequest) -> HttpResponse:
        response, asked = get_response(request), _asked_for(request)
        if asked and asked.image.is_golden:
            response["ETag"] = f'"{asked.image.content_hash}"'
        return response

    return answer


def header_on_repeats(get_response: GetResponse) -> GetResponse:
    def answer(request: HttpRequest) -> HttpResponse:
        response, asked = get_response(request), _asked_for(request)
        again = asked and Assignment.objects.filter(reader=asked.reader_id, image=asked.image_id).count() > 1
        response["Cache-Control"] = "private, max-age=60" if again else "private, no-store"
        return response

    return answer


def cookie_on_golden(get_response: GetResponse) -> GetResponse:
    def answer(request: HttpRequest) -> HttpResponse:
        response, asked = get_response(request), _asked_for(request)
        if asked:
            response.set_cookie("route", "b" if asked.image.is_golden else "a")
        return response

    return answer


def key_on_golden_cards(get_response: GetResponse) -> GetResponse:
    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if request.path.endswith("/queue/"):
            told = json.loads(response.content)
            for card in told["upcoming"]:
                if Assignment.objects.get(public_id=card["id"]).image.is_golden:
                    card["fold"] = None
            response.content = json.dumps(told).encode()
        return response

    return answer


class SlowOnGolden(FileSystemStorage):
    """Golden renditions lie on the slower disk."""

    def _open(self, name: str, mode: str = "rb") -> File:  # type: ignore[type-arg]
        if Image.objects.filter(is_golden=True, rendition=name.removesuffix("-full")).exists():
            time.sleep(SLOWER)
        opened: File = super()._open(name, mode)  # type: ignore[type-arg,misc]
        return opened


def pattern_in_ids(study: Study) -> None:
    for assignment in Assignment.objects.filter(reader__study=study, image__is_golden=True):
        number = assignment.public_id.int & ~0xFF | 0x2A
        Assignment.objects.filter(pk=assignment.pk).update(public_id=UUID(int=number))


def fixed_interval(study: Study) -> None:
    """Put golden images at every third position, in each list from another start."""
    for start, reader in enumerate(study.readers.all()):
        listed = list(reader.assignments.select_related("image"))
        golden = [assignment for assignment in listed if assignment.image.is_golden]
        ordinary = [assignment for assignment in listed if not assignment.image.is_golden]
        for position in range(1, len(listed) + 1):
            is_turn = position % 3 == start % 3 and golden
            taken = (golden if is_turn or not ordinary else ordinary).pop()
            taken.position = position
        Assignment.objects.bulk_update(listed, ["position"])


def metadata_in_golden(study: Study) -> None:
    exif = PillowImage.Exif()
    exif[0x010E] = "kept for all readers"  # ImageDescription
    _encode_golden(study, quality=decoding.RENDITION_QUALITY, exif=exif.tobytes())


def coarser_golden(study: Study) -> None:
    _encode_golden(study, quality=decoding.RENDITION_QUALITY - 15)


def _encode_golden(study: Study, **how: object) -> None:
    for image in study.images.filter(is_golden=True):
        name = renditions.storage_name(image.rendition, "full")
        with default_storage.open(image.original) as original:
            pixels = decoding.decode(original.read())
        file = io.BytesIO()
        PillowImage.fromarray(pixels).save(file, "WEBP", method=0, **how)
        default_storage.delete(name)
        default_storage.save(name, ContentFile(file.getvalue()))
