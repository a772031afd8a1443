"""Erasure of photographs and of all that was derived from them. Labels stay, without their notes.

A request is a row, and from that moment on the images are not shown. A worker does the work under a lease.
Killed at any point it is done again from there: of each image is first written down what there is of it, then the
files go, then the row forgets, and each step may be repeated. Labels stay, without their notes; the certificate says
what went. Content hashes stay too: they are how the same photograph is recognised, and refused, if it comes again.
"""

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from labeler.exchange import export
from labeler.images import consents, preprocessing, renditions, subjects, thumbnails
from labeler.intake import known_names
from labeler.models import (
    AtlasPicture,
    AuditEvent,
    Consent,
    ErasedImage,
    Erasure,
    Image,
    IntakeFile,
    Label,
    Measurement,
    PrescreenDecision,
    ProvisionalScore,
    Study,
    User,
)
from labeler.record import audit, ledger, pseudonyms
from labeler.screening import near_duplicates
from scoring.photograph import decoding, faces, fingerprint_search, fingerprints
from scoring.platform import blobs, jobs
from scoring.regressor import feature_store

ACTION = "erased"
TELLING = {"labels_kept", "notes_erased"}  # of a certificate's totals
WATCHED = timedelta(days=2)  # so long a worker may still have had the pixels in memory, and store what it made of them
ALIKE = 52  # bits between the limits of near-duplicates and of others: an example too many is better than one too few
FORGOTTEN = "(erased)"
NOT_OURS = (
    "Backups and logs of the servers, and the place that the files were imported from, are not this program's: erase "
    "there too, and ask for the erasure again after restoring a backup (manage.py erase_subject --certificate)."
)

File = dict[str, Any]  # kind, name, sha256, bytes
Examples = dict[str, list[bytes]]  # name of a picture of the atlas -> its fingerprints


class ErasingError(ValueError):
    """Why nothing can be erased, as a sentence for people."""


@transaction.atomic
def request(*, study: Study, images: QuerySet[Image], subject: str = "", reason: str, by: User | None) -> Erasure:
    """Ask for the erasure of these images, and shut them at once. Raises ErasingError."""
    chosen = list(images.filter(study=study, is_erased=False).select_for_update().values_list("pk", flat=True))
    if not chosen:
        raise ErasingError("There is no image of theirs that isn't erased already.")
    code = pseudonyms.of_subject(study, subject)
    erasure = Erasure.objects.create(study=study, subject=code, reason=reason, requested_by=by)
    ErasedImage.objects.bulk_create((ErasedImage(erasure=erasure, image_id=pk) for pk in chosen), batch_size=1000)
    Image.objects.filter(pk__in=chosen).update(is_erased=True, **dict.fromkeys(consents.MARKS.values(), False))
    if subject:  # should photographs of them come again, this is what they said
        consents.write(study=study, subject=subject, scopes=(), given_on=None, source=str(erasure), by=by)
    consents.count_skipped(study)
    detail = f"{erasure}: {len(chosen)} images of {code or 'a person who is not known'}"
    audit.record(study, by, "erasure asked for", detail=detail, reason=reason)
    return erasure


def request_subject(*, study: Study, subject: str, reason: str, by: User | None) -> Erasure:
    """Ask for the erasure of everything of a subject. Raises ErasingError."""
    try:
        subject = subjects.Codes(study).meant(subject)
    except subjects.UnsureError as error:
        raise ErasingError(f"Study {study.slug} has no subject {error.code!r}. {error}") from error
    of_subject = study.images.filter(subject=subject)
    if not subject or not of_subject.exists():
        raise ErasingError(f"Study {study.slug} has no subject {subject!r}. See the page of its subjects.")
    return request(study=study, images=of_subject, subject=subject, reason=reason, by=by)


def erase(erasure: Erasure) -> None:
    """Do a claimed erasure, or what is left of it."""
    with jobs.held(erasure):
        left = erasure.images.filter(done_at=None).select_related("image__study")
        examples = _examples(erasure.study) if left.exists() else {}
        for done, one in enumerate(left, start=1):
            jobs.tell(erasure, f"Erasing image {done}")
            _erase_image(one, examples)
        jobs.tell(erasure, "Looking whether anything is left")
        _make_sure(erasure)
        with transaction.atomic():
            _forget_subject(erasure)
            certificate = _certificate(erasure)
            totals = certificate["totals"]
            detail = f"{erasure}: {totals['images']} images, {totals['files']} files"
            audit.record(erasure.study, erasure.requested_by, ACTION, detail=detail, reason=erasure.reason)
            jobs.finish(erasure, certificate=certificate)


@transaction.atomic
def retry(erasure: Erasure, *, by: User | None = None) -> bool:
    """Have an erasure that failed done again, from where it stopped. False if it did not fail."""
    is_queued = jobs.retry(erasure)
    if is_queued:
        audit.record(erasure.study, by, "tried an erasure again", detail=str(erasure))
    return is_queued


def watch() -> None:
    """Erase again what a worker stored of an image that it had in memory when that was erased."""
    lately = ErasedImage.objects.filter(done_at__gt=timezone.now() - WATCHED)
    for content_hash in lately.values_list("image__content_hash", flat=True).iterator():
        feature_store.erase(content_hash)


def certificate_of(erasure: Erasure, *, with_counts: bool = False) -> dict[str, Any]:
    """Return the certificate with what is known since: regressors that learned from it, and the block that seals it.

    `with_counts` of labels and notes: every reader grades a golden image, so how many there are tells what it was.
    """
    if erasure.certificate is None:
        return {}
    totals = {key: of for key, of in erasure.certificate["totals"].items() if with_counts or key not in TELLING}
    acts = AuditEvent.objects.filter(study=erasure.study, action=ACTION, detail__startswith=f"{erasure}:")
    act = acts.order_by("pk").last()
    block = ledger.blocks(erasure.study).defer("rows").filter(events_until__gte=act.pk).first() if act else None
    sealed = {"act": act.pk, "block": block.number, "digest": block.digest} if act and block else None
    return {
        **erasure.certificate,
        "totals": totals,
        "regressors_that_learned_from_them": erasure.regressors,
        "ledger": sealed,
    }


def elsewhere(study: Study, images: QuerySet[Image]) -> list[str]:
    """Return the other studies that hold the same files: they are not erased with this one's."""
    same = Image.objects.filter(content_hash__in=images.values("content_hash"), is_erased=False).exclude(study=study)
    return list(same.order_by("study__slug").values_list("study__slug", flat=True).distinct())


def _erase_image(one: ErasedImage, examples: Examples) -> None:
    image = one.image
    if one.files is None:
        one.files = list(_files_of(image, examples))
        one.save(update_fields=["files"])
    for file in one.files:
        blobs.erase(file["name"])
    feature_store.erase(image.content_hash)
    with transaction.atomic():
        pictures = [file["name"] for file in one.files if file["kind"] == "atlas picture"]
        AtlasPicture.objects.filter(file__in=pictures).delete()
        _forget(image)
        one.done_at = timezone.now()
        one.save(update_fields=["done_at"])


def _files_of(image: Image, examples: Examples) -> Iterator[File]:
    """Yield every file that holds the photograph or was made of it."""
    if image.original:
        yield from _known_file("original", image.original)
    if image.rendition:
        sizes = (*renditions.SIZES, thumbnails.SIZE)
        for size in sizes:
            kind = "thumbnail" if size == thumbnails.SIZE else "rendition"
            yield from _known_file(kind, renditions.storage_name(image.rendition, size))
    for name in feature_store.stored(image.content_hash):
        yield from _known_file("embeddings", name)
    for name in _like(image, examples):
        yield from _known_file("atlas picture", name)


def _known_file(kind: str, name: str) -> Iterator[File]:
    try:
        data = blobs.read(name)
    except FileNotFoundError:
        return
    yield {"kind": kind, "name": name, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def _examples(study: Study) -> Examples:
    """Return the fingerprints of the pictures of the study's atlas, which stand nowhere.

    Of each as its face stands, and of its frame in each turn: a photograph without a face may be turned by hand.
    """
    examples: Examples = {}
    for name in AtlasPicture.objects.filter(level__study=study).values_list("file", flat=True):
        with suppress(FileNotFoundError):  # an erasure that broke has deleted the file, and its row not yet
            pixels = decoding.decode(blobs.read(name))
            frames = [fingerprints.fingerprint(decoding.turned(pixels, turn), []) for turn in range(4)]
            upright = preprocessing.measure(faces.upright(pixels)).fingerprint
            examples[name] = [upright, *map(fingerprints.to_bytes, frames)]
    return examples


def _like(image: Image, examples: Examples) -> Iterator[str]:
    """Yield the atlas pictures that look like this photograph: it may have been chosen for the atlas."""
    measurement = Measurement.objects.filter(image=image).first()
    if measurement is None:
        return
    for name, ways in examples.items():
        own, *others = fingerprints.from_bytes([measurement.fingerprint, *ways])
        if min(fingerprint_search.distance(own, other) for other in others) <= ALIKE:
            yield name


def _forget(image: Image) -> None:
    """Clear the row: the person, the photograph's name, and its measures."""
    near_duplicates.forget(image)
    _forget_names(image)
    for rows in (Measurement, ProvisionalScore):
        rows.objects.filter(image=image).delete()
    PrescreenDecision.objects.filter(image=image).update(reason=FORGOTTEN)
    _erase_notes(image)
    Image.objects.filter(pk=image.pk).update(
        source_name=_forgotten_name(image),
        original="",
        rendition="",
        rendition_sha256={},
        width=0,
        height=0,
        metadata={},
        failed="",
        cluster=None,
    )


def _forgotten_name(image: Image) -> str:
    return f"erased-{image.pk}"


def _forget_names(image: Image) -> None:
    """Take the photograph's names, also those of its copies, out of the lists of imports.

    Hashes of them stay, so that a table does not take them for names of other files.
    """
    of_import = IntakeFile.objects.filter(intake__study=image.study).select_related("archive")
    if image.source_name == _forgotten_name(image):
        return
    names = {image.source_name, *image.aliases.values_list("name", flat=True)}
    known_names.keep_erased(image.study, names)
    for name in names:
        spelled = {name, unicodedata.normalize("NFD", name)}  # as macOS writes it
        named = Q(name=name) | Q(name__endswith=f"/{name}") | Q(came_as__in=spelled)
        for file in of_import.filter(named):
            known_names.keep_erased(image.study, {known_names.own_name(file)})
            IntakeFile.objects.filter(pk=file.pk).update(name=f"erased-{file.pk}", came_as="", reason="")
    image.aliases.all().delete()


def _erase_notes(image: Image) -> None:
    """Empty the notes of its labels, by the one door that the database has for it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT labeler_erase_notes(%s)", [image.pk])


def _forget_subject(erasure: Erasure) -> None:
    """Put the pseudonym in the place of the subject, once no image of theirs is left."""
    erased = Image.objects.filter(erased__erasure=erasure)
    for subject in erased.exclude(subject="").values_list("subject", flat=True).distinct():
        code = pseudonyms.of_subject(erasure.study, subject)
        if not erasure.study.images.filter(subject=subject, is_erased=False).exists():
            Consent.objects.filter(study=erasure.study, subject=subject).update(subject=code)
    erased.update(subject="")


def _make_sure(erasure: Erasure) -> None:
    """Raises jobs.JobError where the storage still has anything."""
    for one in erasure.images.select_related("image"):
        feature_store.erase(one.image.content_hash)
        left = [file["name"] for file in one.files or () if default_storage.exists(file["name"])]
        if left or feature_store.stored(one.image.content_hash):
            raise jobs.JobError(f"The storage did not delete {left or 'embeddings'}. See its rights, then ask again.")


def _certificate(erasure: Erasure) -> dict[str, Any]:
    """Return what was erased, in words and numbers that identify no person."""
    rows = list(erasure.images.select_related("image").order_by("image__content_hash"))
    files = [file for one in rows for file in one.files or ()]
    labels = Label.objects.filter(assignment__image__erased__erasure=erasure)
    return {
        "study": erasure.study.slug,
        "title": erasure.study.title,
        "is_simulated": erasure.study.is_simulated,
        "subject": erasure.subject,
        "reason": erasure.reason,
        "requested_at": erasure.requested_at.isoformat(),
        "requested_by": erasure.requested_by.username if erasure.requested_by else "a command",
        "erased_at": timezone.now().isoformat(timespec="seconds"),
        "totals": {
            "images": len(rows),
            "files": len(files),
            "bytes": sum(file["bytes"] for file in files),
            "by_kind": dict(Counter(file["kind"] for file in files)),
            "labels_kept": labels.count(),
            "notes_erased": labels.exclude(erasednote=None).count(),
        },
        "images": [_of_image(erasure.study, one) for one in rows],
        "same_files_in_other_studies": elsewhere(erasure.study, Image.objects.filter(erased__erasure=erasure)),
        "not_erased_here": NOT_OURS,
    }


def _of_image(study: Study, one: ErasedImage) -> dict[str, Any]:
    files = [{key: file[key] for key in ("kind", "sha256", "bytes")} for file in one.files or ()]
    content_hash = one.image.content_hash
    return {"image": export.image_code(study, content_hash), "content_sha256": content_hash, "files": files}


def named_in(certificate: dict[str, Any], study: Study) -> QuerySet[Image]:
    """Return the images of a certificate that are here again, as after restoring a backup."""
    hashes = [row["content_sha256"] for row in certificate["images"]]
    return study.images.filter(content_hash__in=hashes, is_erased=False)
