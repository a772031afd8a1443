"""Metadata of images: a table joined by file name, once a person has seen what it would write."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from django.db import transaction

from labeler.images import consents
from labeler.intake import known_names
from labeler.intake.file_names import Match
from labeler.intake.metadata_tables import MetadataTable, Role, Row
from labeler.models import Image, Study, User
from labeler.record import audit

ROWS_AT_ONCE = 2000  # images read and written together
LISTED = 10_000  # rows that were not joined; more are usually one mistake many times
EXAMPLES = 8  # of rows that are joined, of each kind
CODE_DIGITS = 12


class SeenError(ValueError):
    """The person has not seen what would be written: a sentence, and what it is now."""

    def __init__(self, sentence: str, report: "JoinReport") -> None:
        super().__init__(sentence)
        self.report = report


class Unjoined(StrEnum):
    """Why a row was not joined, beside the faults of its name."""

    CONTRADICTS = "another row names the same file and says something else"
    WITHOUT_SUBJECT = "it has a consent but no person: name the person"


@dataclass(frozen=True)
class Refused:
    """A row that is not joined, or not in part, and why."""

    line: int
    name: str
    why: str


@dataclass(frozen=True)
class Example:
    """A row and the image that it would be written into."""

    line: int
    name: str
    image: str
    says: str


@dataclass
class JoinReport:
    """What a table would write, or wrote, and what becomes of its other rows."""

    columns: Mapping[str, str] = field(default_factory=dict)  # role -> the column that was taken for it, and where
    notes: list[str] = field(default_factory=list)
    rows: int = 0
    exact: int = 0
    alike: int = 0
    examples: list[Example] = field(default_factory=list)  # of rows with a whole name
    alike_examples: list[Example] = field(default_factory=list)
    same_files: list[tuple[str, str]] = field(default_factory=list)  # a name, and the image's other name
    changed: int = 0
    same: int = 0
    moved: int = 0  # images that get another person than they had
    without_row: int = 0
    consents: Counter[str] = field(default_factory=Counter)  # what is newly agreed to, in words -> people
    refused: list[Refused] = field(default_factory=list)
    not_joined: int = 0
    code: str = ""  # of all that would be written

    def refuse(self, row: Row, why: str) -> None:
        self.not_joined += 1
        if len(self.refused) < LISTED:
            self.refused.append(Refused(row.line, row.name, why))


@dataclass
class _Said:
    """What the rows say of subjects' consent: of several rows, what all of them say."""

    scopes: frozenset[str]
    given_on: date | None
    source: str

    def also(self, row: Row) -> None:
        self.scopes &= row.scopes or frozenset()
        self.given_on, self.source = row.given_on or self.given_on, row.source or self.source


def preview(*, study: Study, table: MetadataTable) -> JoinReport:
    """Return what `join` would write. Raises TableError."""
    return _Join(study, table, by=None, writes=False).run()


@transaction.atomic
def join(*, study: Study, table: MetadataTable, seen: str, by: User | None = None) -> JoinReport:
    """Write what the rows say into the images of their names, if `seen` is the code of its preview.

    Raises TableError, and SeenError where something else would be written than the person saw: then nothing is.
    """
    report = _Join(Study.objects.select_for_update(no_key=True).get(pk=study.pk), table, by=by, writes=True).run()
    if report.code != seen:
        raise SeenError("The study or the table has changed since. Nothing was written: look again.", report)
    audit.record(study, by, "metadata joined", detail=f"{report.changed} images changed, {report.rows} rows")
    return report


class _Join:
    """One going through a table. Rows are not kept in memory, but for those that name one image together."""

    def __init__(self, study: Study, table: MetadataTable, *, by: User | None, writes: bool) -> None:
        self.study, self.table, self.by, self.writes = study, table, by, writes
        columns = {role.value: table.table.where(column) for role, column in table.roles.items()}
        self.report = JoinReport(columns=columns, notes=list(_notes(table)))
        self.hash = hashlib.sha256()
        self.agreed: dict[str, _Said] = {}
        self.of_others: dict[str, frozenset[str]] = {}  # what rows without an image say of a person

    def run(self) -> JoinReport:
        times = self.table.names
        matches = known_names.of_study(self.study).match(times)
        rows_of = Counter[int]()
        for name, many in times.items():
            if (image := matches[name].image) is not None:
                rows_of[image] += many
        self.report.rows = sum(times.values())
        self.report.without_row = self.study.images.filter(is_erased=False).count() - len(rows_of)
        together: dict[int, list[Row]] = defaultdict(list)
        waiting: list[tuple[int, list[Row]]] = []
        for row in self.table:
            image = matches[row.name].image
            if image is None:
                self._set_aside(row, matches[row.name].sentence())
            elif rows_of[image] > 1:
                together[image].append(row)
            else:
                waiting.append((image, [row]))
            if len(waiting) == ROWS_AT_ONCE:
                self._write(waiting, matches)
                waiting = []
        self._write([*waiting, *together.items()], matches)
        self._record_consents()
        self.report.code = self.hash.hexdigest()[:CODE_DIGITS]
        return self.report

    def _set_aside(self, row: Row, why: str) -> None:
        self.report.refuse(row, why)
        if row.subject and row.scopes is not None:
            self.of_others[row.subject] = self.of_others.get(row.subject, row.scopes) & row.scopes

    def _write(self, waiting: Sequence[tuple[int, list[Row]]], matches: Mapping[str, Match]) -> None:
        for start in range(0, len(waiting), ROWS_AT_ONCE):
            some = waiting[start : start + ROWS_AT_ONCE]
            images = self.study.images.only("source_name", "subject", "metadata").in_bulk([pk for pk, _ in some])
            changed = [images[pk] for pk, rows in some if self._put(images[pk], rows, matches)]
            if self.writes:
                Image.objects.bulk_update(changed, ["subject", "metadata"], batch_size=ROWS_AT_ONCE)

    def _put(self, image: Image, rows: Sequence[Row], matches: Mapping[str, Match]) -> bool:
        """Put what an image's rows say into it; return whether anything is new."""
        if _contradict(rows):
            for row in rows:
                self._set_aside(row, f"{Unjoined.CONTRADICTS} ({image.source_name}).")
            return False
        before = (image.subject, dict(image.metadata))
        for row in rows:
            image.subject = row.subject or image.subject
            image.metadata |= row.metadata
        for row in rows:
            self._tell(image, row, matches[row.name])
            if row.scopes is not None:
                self._agree(image, row)
        is_new = before != (image.subject, image.metadata)
        self.report.changed += is_new
        self.report.same += not is_new
        self.report.moved += before[0] not in {"", image.subject}
        self._note_down(image.pk, image.subject, image.metadata if is_new else None)
        return is_new

    def _tell(self, image: Image, row: Row, match: Match) -> None:
        self.report.exact += match.is_exact
        self.report.alike += not match.is_exact
        shown = self.report.examples if match.is_exact else self.report.alike_examples
        if len(shown) < EXAMPLES:
            shown.append(Example(row.line, row.name, match.name, _in_words(row)))
        if match.name != image.source_name and len(self.report.same_files) < LISTED:
            self.report.same_files.append((match.name, image.source_name))

    def _agree(self, image: Image, row: Row) -> None:
        if not image.subject:
            self.report.refuse(row, f"{Unjoined.WITHOUT_SUBJECT}.")
            return
        said = self.agreed.setdefault(image.subject, _Said(row.scopes or frozenset(), None, ""))
        said.also(row)

    def _record_consents(self) -> None:
        """Store new consents, then mark the images of all subjects, since subjects may be new too."""
        known = {consent.subject: (set(consent.scopes), consent.given_on) for consent in consents.latest(self.study)}
        for subject, said in sorted(self.agreed.items()):
            scopes = said.scopes & self.of_others.get(subject, said.scopes)
            if known.get(subject) == (set(scopes), said.given_on):
                continue
            self.report.consents[", ".join(sorted(scopes)) or "nothing"] += 1
            self._note_down(subject, sorted(scopes), said.given_on and said.given_on.isoformat(), said.source)
            if self.writes:
                consents.write(
                    study=self.study,
                    subject=subject,
                    scopes=scopes,
                    given_on=said.given_on,
                    source=said.source,
                    by=self.by,
                )
        if self.writes:
            consents.apply(self.study)

    def _note_down(self, *written: object) -> None:
        self.hash.update(json.dumps(written, sort_keys=True).encode())


def _contradict(rows: Sequence[Row]) -> bool:
    """Whether rows of one image say different things of it; an empty cell says nothing."""
    said: dict[str, object] = {}
    for row in rows:
        cells: dict[str, object] = {f"metadata {column}": value for column, value in row.metadata.items()}
        of_person = {Role.SUBJECT: row.subject, Role.CONSENT_DATE: row.given_on, Role.CONSENT_SOURCE: row.source}
        cells |= {role.name: value for role, value in of_person.items() if value}
        cells |= {} if row.scopes is None else {Role.CONSENT.name: row.scopes}
        if any(said.setdefault(column, value) != value for column, value in cells.items()):
            return True
    return False


def _in_words(row: Row) -> str:
    scopes = {} if row.scopes is None else {"agrees to": ", ".join(sorted(row.scopes)) or "nothing"}
    said = {"person": row.subject, **scopes, "on": row.given_on, **row.metadata}
    return "; ".join(f"{what}: {value}" for what, value in said.items() if value)


def _notes(table: MetadataTable) -> Iterator[str]:
    if table.table.sheet:
        yield f"The sheet {table.table.sheet} was read."
    if table.table.other_sheets:
        yield f"Not read: the sheets {', '.join(table.table.other_sheets)}."
    if table.table.heading_line > 1:
        yield f"The headings were found in line {table.table.heading_line}."
    if table.decimal_commas:
        yield f"Numbers with a decimal comma get a point: {', '.join(sorted(table.decimal_commas))}."
