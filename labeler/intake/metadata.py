"""Metadata of images: a table joined by file name."""

import csv
import io
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import PurePosixPath

from django.db import transaction

from labeler.images import consents
from labeler.models import ConsentScope, Image, Study, User
from labeler.record import audit

MAX_BYTES = 200 * 2**20  # a million rows of twenty columns
ROWS_PER_UPDATE = 2000  # rows of an UPDATE
NAMES = ("file", "filename", "file_name", "image", "image_name", "name")
LONGEST_VALUE = 200  # characters of a value
SUBJECT = "subject"
# What the person in an image agreed to, when, and where that is written down.
CONSENT, CONSENT_DATE, CONSENT_SOURCE = "consent", "consent_date", "consent_source"
OF_PERSON = {SUBJECT, CONSENT, CONSENT_DATE, CONSENT_SOURCE}
EVERYTHING, NOTHING = "all", "none"

Rows = Mapping[int, Mapping[str, str]]  # line -> column -> value


class MetadataError(ValueError):
    """Why a table can't be read, as a sentence for people."""


@dataclass
class JoinReport:
    """What became of a table's rows."""

    changed: int = 0
    same: int = 0
    unmatched: list[tuple[int, str]] = field(default_factory=list)  # line and name: no such image
    ambiguous: list[tuple[int, str]] = field(default_factory=list)  # several images, or several rows of one
    without_row: int = 0
    consents: int = 0  # subjects with a new statement of consent
    without_subject: list[tuple[int, str]] = field(default_factory=list)  # rows with a consent but without a subject


def parse(data: bytes) -> Rows:
    """Return the rows by line; the file's name is the value of column "". Raises MetadataError."""
    if len(data) > MAX_BYTES:
        raise MetadataError(f"This table is larger than {MAX_BYTES // 2**20} MB.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MetadataError("This table is not UTF-8 text. Save it as CSV UTF-8.") from error
    if "\0" in text:  # PostgreSQL stores no such character
        raise MetadataError("This table holds bytes that are no text. Save it as CSV UTF-8.")
    header = text.partition("\n")[0]
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    try:
        columns = [column.strip() for column in next(reader)]
        lines = [(reader.line_num, cells) for cells in reader if any(cells)]
    except (StopIteration, csv.Error) as error:
        raise MetadataError("This table is empty or no CSV.") from error
    rows = {line: _row(line, columns, cells) for line, cells in lines}
    if not rows:
        raise MetadataError("This table has no row below its first line.")
    return rows


def _row(line: int, columns: list[str], cells: list[str]) -> dict[str, str]:
    if len(cells) != len(columns):
        raise MetadataError(
            f"Line {line} has {len(cells)} cells and the first line {len(columns)}. Nothing was joined."
        )
    if len(set(columns)) < len(columns) or not all(columns):
        raise MetadataError("Two columns have the same name, or one has none. Name each of them.")
    row = {column: cell.strip() for column, cell in zip(columns, cells, strict=True)}
    long = next((column for column, value in row.items() if len(value) > LONGEST_VALUE), None)
    if long:
        raise MetadataError(f"Line {line} has more than {LONGEST_VALUE} characters in {long}. Nothing was joined.")
    _check_consent(line, _of_person(row))
    by = next((column for column in columns if column.lower() in NAMES), columns[0])
    return {"": row.pop(by), **row}


def _of_person(row: Mapping[str, str]) -> dict[str, str]:
    """Return what a row says of the person and not of the image."""
    return {column.lower(): value for column, value in row.items() if column.lower() in OF_PERSON and value}


def _check_consent(line: int, said: Mapping[str, str]) -> None:
    words = "all, none, or some of " + ", ".join(ConsentScope.values)
    if not _scopes(said.get(CONSENT, NOTHING)) <= set(ConsentScope.values):
        raise MetadataError(f"Line {line} says {said[CONSENT]} for consent. Say {words}. Nothing was joined.")
    try:
        _day(said.get(CONSENT_DATE, ""))
    except ValueError as error:
        raise MetadataError(
            f"Line {line} has {said[CONSENT_DATE]} for consent_date. Write it as 2026-05-31. Nothing was joined."
        ) from error


def _scopes(said: str) -> set[str]:
    words = set(said.lower().replace(",", " ").replace(";", " ").replace("+", " ").split())
    if words == {EVERYTHING}:
        return set(ConsentScope.values)
    return set() if words == {NOTHING} else words


def _day(said: str) -> date | None:
    return date.fromisoformat(said) if said else None


@transaction.atomic
def join(*, study: Study, rows: Rows, by: User | None = None) -> JoinReport:
    """Write what the rows say into the images of these names, whole paths first, then base names; case is ignored."""
    images = list(study.images.filter(is_erased=False).only("source_name", "subject", "metadata"))
    paths, bases = defaultdict(list), defaultdict(list)
    for image in images:
        paths[image.source_name.lower()].append(image)
        bases[PurePosixPath(image.source_name.lower()).name].append(image)
    report, changed, seen = JoinReport(), [], set()
    agreed: dict[str, dict[str, str]] = {}
    for line, row in rows.items():
        name = row[""].replace("\\", "/").lower()
        found = paths.get(name) or bases.get(PurePosixPath(name).name, [])
        if not found:
            report.unmatched.append((line, row[""]))
        elif len(found) > 1 or found[0].pk in seen:
            report.ambiguous.append((line, row[""]))
        else:
            seen.add(found[0].pk)
            if _write(found[0], row):
                changed.append(found[0])
            if CONSENT in _of_person(row):
                _collect(found[0], line, row, agreed, report)
    Image.objects.bulk_update(changed, ["subject", "metadata"], batch_size=ROWS_PER_UPDATE)
    report.changed, report.same = len(changed), len(seen) - len(changed)
    report.without_row = len(images) - len(seen)
    report.consents = _record_consents(study, agreed, by)
    audit.record(study, by, "metadata joined", detail=f"{report.changed} images changed, {len(rows)} rows")
    return report


def _write(image: Image, row: Mapping[str, str]) -> bool:
    """Put a row into the image; empty cells say nothing. Return whether anything is new."""
    before = (image.subject, dict(image.metadata))
    said = {column: value for column, value in row.items() if column and value}
    image.subject = _of_person(row).get(SUBJECT, "")[:100] or image.subject
    image.metadata |= {column: value for column, value in said.items() if column.lower() not in OF_PERSON}
    return before != (image.subject, image.metadata)


def _collect(
    image: Image, line: int, row: Mapping[str, str], agreed: dict[str, dict[str, str]], report: JoinReport
) -> None:
    """Add a row's consent to what its subject is known to agree to: of several rows, what all of them say."""
    said = _of_person(row)
    if not image.subject:
        report.without_subject.append((line, row[""]))
        return
    before = agreed.get(image.subject, said)
    both = sorted(_scopes(before[CONSENT]) & _scopes(said[CONSENT]))
    agreed[image.subject] = {**before, **said, CONSENT: " ".join(both) or NOTHING}


def _record_consents(study: Study, agreed: Mapping[str, Mapping[str, str]], by: User | None) -> int:
    """Store new consents, then mark the images of all subjects, since subjects may be new too. Returns how many."""
    known = {consent.subject: (set(consent.scopes), consent.given_on) for consent in consents.latest(study)}
    new = 0
    for subject, said in agreed.items():
        scopes, given_on = _scopes(said[CONSENT]), _day(said.get(CONSENT_DATE, ""))
        if known.get(subject) != (scopes, given_on):
            source = said.get(CONSENT_SOURCE, "")
            consents.write(study=study, subject=subject, scopes=scopes, given_on=given_on, source=source, by=by)
            new += 1
    consents.apply(study)
    return new
