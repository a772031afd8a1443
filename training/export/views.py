"""Downloads: a study's export, and a person's own data."""

import time
from collections.abc import Iterator

from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_GET

from labeler.accounts import access
from labeler.accounts.access import AuthedRequest
from labeler.exchange import export
from labeler.record import audit, pseudonyms
from scoring.platform import telemetry
from training.export import study_zip, subject_access


@require_GET
def export_study(request: AuthedRequest, slug: str) -> StreamingHttpResponse:
    """Answer the study's zip, piece by piece as it is made; with `pseudonyms`, without names of files and people.

    It tells which images are golden.
    """
    study = access.get_unblinded_study(request, slug)
    with_names = "pseudonyms" not in request.GET
    what = "with names of files and people" if with_names else "with pseudonyms"
    audit.record(study, request.user, "exported the study", detail=what)
    file = f"{study.slug}-{timezone.now():%Y-%m-%d}{'' if with_names else '-pseudonyms'}.zip"
    headers = {"Content-Disposition": f'attachment; filename="{file}"'}
    chunks = _timed(study_zip.stream(study, with_names=with_names))
    return StreamingHttpResponse(chunks, content_type="application/zip", headers=headers)


def _timed(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Count how long it takes until all of it is sent."""
    began = time.monotonic()
    yield from chunks
    telemetry.exports.observe(time.monotonic() - began)


@require_GET
def export_person(request: AuthedRequest, slug: str, pk: int) -> StreamingHttpResponse:
    """Answer all that is kept of the person in an image, for them. How many readers there are tells what is golden."""
    study = access.get_unblinded_study(request, slug)
    image = get_object_or_404(study.images.filter(is_erased=False), pk=pk)
    code = pseudonyms.of_subject(study, image.subject) or export.image_code(study, image.content_hash)
    audit.record(study, request.user, "exported a person", detail=code)
    headers = {"Content-Disposition": f'attachment; filename="{study.slug}-{code}.zip"'}
    return StreamingHttpResponse(subject_access.stream(image), content_type="application/zip", headers=headers)
