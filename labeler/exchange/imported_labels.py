"""Import of labels given elsewhere: they become readers, lists and labels with their own times."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from django.db import transaction
from django.db.models import Count, Max, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from labeler.exchange.published_layout import BadRow, LayoutError, PublishedLabel, refused
from labeler.intake import known_names
from labeler.intake.file_names import Fault, Match, clean, fitting
from labeler.models import Assignment, Image, Label, NotGradable, Reader, Study, User
from labeler.record import audit

NAMESPACE = UUID("0c6f3a52-6a2b-4f0f-8f5b-0f6d2a3f9a41")  # of imported submissions: the same row, the same id
ROWS_PER_STATEMENT = 2000  # rows to a statement


@dataclass(frozen=True)
class Imported:
    """What an import made; what was there already, from the same file before, is `known`."""

    readers: int
    images: int
    labels: int
    known: int


@transaction.atomic
def store(
    *, study: Study, rows: Sequence[PublishedLabel], without_files: bool = False, sent_again: bool = False
) -> Imported:
    """Store what `published_layout.read` returned: readers, their lists, and labels with their times. All or nothing.

    Every labeler becomes a reader under a code, with an account without sign-in. A list's order is that of
    the first labels. The images must be in the study, by any of their names; `without_files` makes rows for
    those that are not: a study of labels, from which statistics can be taken but no regressor. `sent_again` says that
    refused files and those that came under their names later are the same photographs. Importing again adds
    what is new. Raises LayoutError; then nothing is stored.
    """
    study = Study.objects.select_for_update(no_key=True).get(pk=study.pk)
    _refuse_other_studies(study)
    before = study.images.count()
    images = _images(study, rows, without_files=without_files, sent_again=sent_again)
    _refuse_contradictions(rows, images)
    _mark_golden(study, rows, images)
    readers, made = _readers(study, {row.labeler for row in rows})
    assignments = _assignments(study, rows, readers, images)
    stored = _labels(rows, readers, images, assignments)
    _close(study)
    audit.record(study, None, "labels imported", detail=f"{stored} labels of {len(readers)} readers")
    return Imported(made, study.images.count() - before, stored, len(rows) - stored)


def _account_name(study: Study, labeler: str) -> str:
    """Return a user name that no person has: only these contain a slash."""
    return f"{study.slug}/{labeler}"


def _refuse_other_studies(study: Study) -> None:
    """A list that was dealt is blinded and even; imported labels belong into a study of their own."""
    imported = study.readers.filter(user__username__startswith=_account_name(study, ""))
    if study.readers.exclude(pk__in=imported).exists():
        raise LayoutError(
            f"Study {study.slug} has readers of its own. Import into a study without: manage.py create_study."
        )
    if study.golden_drawn_at and not imported.exists():
        raise LayoutError(
            f"Study {study.slug} has its golden set drawn. Import into a study where shared_image draws it."
        )


def _images(study: Study, rows: Sequence[PublishedLabel], *, without_files: bool, sent_again: bool) -> dict[str, Image]:
    """Return name in the file -> image, by the rule of `labeler.intake.file_names`."""
    names = {row.image_name: None for row in reversed(rows)}
    found = known_names.of_study(study, sent_again=sent_again).match(names)
    missing = sorted(name for name, match in found.items() if match.fault is Fault.UNKNOWN)
    made: dict[str, Image] = {}
    if without_files:
        made = {name: _without_file(study, name) for name in missing}
        Image.objects.bulk_create(made.values(), batch_size=ROWS_PER_STATEMENT)
    _refuse_unfound(rows, {name: match for name, match in found.items() if name not in made})
    pks = {name: match.image for name, match in found.items() if match.image is not None}
    images = study.images.in_bulk(set(pks.values()))
    return {name: images[pk] for name, pk in pks.items()} | made


def _without_file(study: Study, name: str) -> Image:
    """Return a row for an image of which only the labels are known; its hash says that there is nothing to hash."""
    stand_in = "no-file:" + hashlib.sha256(name.encode()).hexdigest()[:56]
    return Image(study=study, content_hash=stand_in, source_name=fitting(clean(name)), width=0, height=0)


def _refuse_unfound(rows: Sequence[PublishedLabel], found: Mapping[str, Match]) -> None:
    bad = []
    for row in rows:
        match = found.get(row.image_name)
        if match and match.image is None:
            what = "the study has no image " if match.fault is Fault.UNKNOWN else ""
            bad.append(BadRow(row.line, f"{what}{row.image_name}: {match.sentence()}"))
    if bad:
        cure = "Import the photographs first (manage.py import_images), or give --without-files for a study of labels."
        raise LayoutError(f"{refused(bad)} {cure}", bad)


def _refuse_contradictions(rows: Sequence[PublishedLabel], images: Mapping[str, Image]) -> None:
    """Refuse rows that name one image by two names and say different things of it."""
    shared: dict[int, PublishedLabel] = {}
    acts: dict[tuple[str, int, datetime], PublishedLabel] = {}
    bad = []
    for row in rows:
        image = images[row.image_name].pk
        first, act = shared.setdefault(image, row), acts.setdefault((row.labeler, image, row.labeled_at), row)
        same = f"{row.image_name} is the same file as {first.image_name} in line {first.line}"
        if first.is_shared != row.is_shared:
            bad.append(BadRow(row.line, f"{same}, which has another shared_image."))
        elif act.value != row.value:
            bad.append(BadRow(row.line, f"{same}: the labeler gave both another label at the same time."))
    if bad:
        raise LayoutError(refused(bad), bad)


def _mark_golden(study: Study, rows: Sequence[PublishedLabel], images: Mapping[str, Image]) -> None:
    """Make the shared images golden. What an earlier import made ordinary stays so, and the other way round."""
    shared = {images[row.image_name].pk for row in rows if row.is_shared}
    if study.golden_drawn_at:
        known = set(Assignment.objects.filter(image__study=study).values_list("image_id", flat=True))
        bad = [
            BadRow(row.line, f"shared_image of {row.image_name} is another one than at the import before.")
            for row in rows
            if (image := images[row.image_name]).pk in known and image.is_golden != row.is_shared
        ]
        if bad:
            raise LayoutError(refused(bad), bad)
    study.images.filter(pk__in=shared, is_golden=False).update(is_golden=True)


def _readers(study: Study, labelers: set[str]) -> tuple[dict[str, Reader], int]:
    """Return labeler -> reader, and how many are new; codes go on where they ended, in the order of the names."""
    known = {reader.user.username: reader for reader in study.readers.select_related("user")}
    new = sorted(labeler for labeler in labelers if _account_name(study, labeler) not in known)
    for number, labeler in enumerate(new, start=len(known) + 1):
        user = User(username=_account_name(study, labeler), is_active=False)
        user.set_unusable_password()
        user.save(force_insert=True)
        known[user.username] = Reader.objects.create(study=study, user=user, code=f"R{number:02d}")
    return {labeler: known[_account_name(study, labeler)] for labeler in labelers}, len(new)


def _assignments(
    study: Study, rows: Sequence[PublishedLabel], readers: Mapping[str, Reader], images: Mapping[str, Image]
) -> dict[tuple[int, int], Assignment]:
    """Return (reader id, image id) -> assignment; new ones end a list, in the order of their first labels."""
    known = {(row.reader_id, row.image_id): row for row in Assignment.objects.filter(reader__study=study)}
    longest = dict(study.readers.values_list("pk").annotate(longest=Max("assignments__position")))
    ends = Counter({reader: position or 0 for reader, position in longest.items()})
    new: dict[tuple[int, int], Assignment] = {}
    for row in _in_order(rows):
        key = (readers[row.labeler].pk, images[row.image_name].pk)
        if key not in known and key not in new:
            ends[key[0]] += 1
            new[key] = Assignment(reader_id=key[0], image_id=key[1], position=ends[key[0]])
    Assignment.objects.bulk_create(new.values(), batch_size=ROWS_PER_STATEMENT)
    return known | new


def _labels(
    rows: Sequence[PublishedLabel],
    readers: Mapping[str, Reader],
    images: Mapping[str, Image],
    assignments: Mapping[tuple[int, int], Assignment],
) -> int:
    """Store the labels that are not stored yet, and bring their assignments up to them; return how many."""
    stored = set(Label.objects.filter(assignment__in=assignments.values()).values_list("submission", flat=True))
    new, bad, touched = [], [], set()
    for row in _in_order(rows):
        assignment = assignments[readers[row.labeler].pk, images[row.image_name].pk]
        submission = uuid5(NAMESPACE, f"{assignment.pk} {row.labeled_at.isoformat()} {row.value}")
        if submission in stored:
            continue
        if assignment.labeled_at and assignment.labeled_at > row.labeled_at:
            bad.append(
                BadRow(row.line, "a later label of this labeler and image was imported before; history only grows.")
            )
            continue
        stored.add(submission)
        assignment.version, assignment.labeled_at, assignment.is_done = assignment.version + 1, row.labeled_at, True
        new.append(_label(row, assignment, submission))
        touched.add(assignment)
    if bad:
        raise LayoutError(refused(bad), bad)
    Label.objects.bulk_create(new, batch_size=ROWS_PER_STATEMENT)
    Assignment.objects.bulk_update(touched, ["version", "labeled_at", "is_done"], batch_size=ROWS_PER_STATEMENT)
    return len(new)


def _label(row: PublishedLabel, assignment: Assignment, submission: UUID) -> Label:
    return Label(
        submission=submission,
        assignment=assignment,
        version=assignment.version,
        grade=row.value or None,
        not_gradable="" if row.value else NotGradable.NOT_ACNE,
        labeled_at=row.labeled_at,
    )


def _in_order(rows: Sequence[PublishedLabel]) -> list[PublishedLabel]:
    return sorted(rows, key=lambda row: (row.labeled_at, row.line))


def _close(study: Study) -> None:
    """The golden set and the lists are what the file says."""
    done = Assignment.objects.filter(reader=OuterRef("pk"), is_done=True).values("reader").annotate(n=Count("pk"))
    study.readers.update(done=Coalesce(Subquery(done.order_by().values("n")), 0))
    now = timezone.now()
    study.golden_drawn_at, study.dealt_at = study.golden_drawn_at or now, study.dealt_at or now
    study.save(update_fields=["golden_drawn_at", "dealt_at"])
