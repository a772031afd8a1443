"""What a table of metadata says: which column is the file's name, and row by row who the person is and agrees to."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import islice
from pathlib import Path

from django.utils import timezone

from labeler.intake.file_names import KINDS
from labeler.models import ConsentScope
from labeler.platform import spreadsheets
from labeler.platform.spreadsheets import Table, TableError, plain, shortened
from labeler.record import subject_codes

LONGEST_VALUE = 200  # characters of a value
A_DAY = timedelta(days=1)  # by which another time zone may be ahead
LOOKED_AT = 500  # rows, where no heading tells which column is the name
EVERYTHING, NOTHING = "all", "none"
SCOPES = frozenset(ConsentScope.values)


class Role(StrEnum):
    """What a column is for; all others are metadata of the image."""

    FILE = "the photograph's file name"
    SUBJECT = "the person in it"
    CONSENT = "what they agreed to"
    CONSENT_DATE = "when they agreed"
    CONSENT_SOURCE = "where that is written down"


# Headings as `spreadsheets.plain` writes them. Of a file's name, those of a later line count where none of an earlier
# one is there: a table may have its photographs' codes in `image` and their files in `file`.
FILE_HEADINGS = (
    """
    file filename filepath imagefile imagefilename photofile photofilename picturefile dateiname datei dateipfad
    bilddatei fotodatei fichier nomdufichier nomfichier nomdefichier archivo nombredearchivo nombrearchivo nomefile
    nomedelfile bestand bestandsnaam ファイル名 文件名
    """,
    """
    image imagename imagepath picture picturename photo photoname photograph photographname path bild bildname foto
    fotoname imagen immagine afbeelding photographie
    """,
)
MAYBE_A_FILE = "name"  # it may be a person's, too
SUBJECT_HEADINGS = """
    subject subjectid subjectcode person personid patient patientid patientin patientcode patientennummer proband
    probandid participant participantid sujet paciente paziente
    """
DATE_HEADINGS = """
    consentdate dateofconsent einwilligungsdatum datumdereinwilligung einwilligungam dateduconsentement
    dateconsentement
    """
HEADINGS: Mapping[Role, Sequence[str]] = {
    Role.FILE: FILE_HEADINGS,
    Role.SUBJECT: (SUBJECT_HEADINGS,),
    Role.CONSENT: ("consent einwilligung einverständnis consentement consentimiento consenso toestemming",),
    Role.CONSENT_DATE: (DATE_HEADINGS,),
    Role.CONSENT_SOURCE: ("consentsource consentform einwilligungsquelle einwilligungsformular",),
}
NAMES_A_FILE = frozenset(" ".join(FILE_HEADINGS).split())
YES = frozenset(["yes", "y", "ja", "j", "oui", "si", "sí", "sì", "true", "wahr", "vrai", "1", "x", "✓", "✔"])
NO = frozenset(["no", "n", "nein", "non", "false", "falsch", "faux", "0"])
DAY = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})([T ].*)?")
GERMAN_DAY = re.compile(r"(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4})")
SLASHED_DAY = re.compile(r"(\d{1,2})[/-](\d{1,2})[/-](\d{4})")
NUMBER = re.compile(r"[+-]?\d+(,\d+)?")
MAYBE_THOUSANDS = re.compile(r"[+-]?\d{1,3},\d{3}")


class TwoDaysError(ValueError):
    """A text may name either of two days."""


@dataclass(frozen=True)
class Row:
    """One row: the file's name, and what is said. Empty cells say nothing."""

    line: int
    name: str
    subject: str
    scopes: frozenset[str] | None  # None where the row is silent about consent
    given_on: date | None
    source: str
    metadata: Mapping[str, str]


@dataclass(frozen=True)
class MetadataTable:
    """A table whose columns are understood. Going through it reads the file anew. Raises TableError."""

    table: Table
    roles: Mapping[Role, str]
    decimal_commas: Collection[str] = ()  # columns of numbers with a comma before the decimals
    names: Mapping[str, int] = field(default_factory=dict)  # how many rows have each file's name
    last_day: date = field(default_factory=lambda: timezone.localdate() + A_DAY)  # of a consent

    def __iter__(self) -> Iterator[Row]:
        for line, cells in self.table:
            yield self._row(line, dict(zip(self.table.columns, cells, strict=True)))

    def _row(self, line: int, cells: dict[str, str]) -> Row:
        said = {role: cells.pop(column) for role, column in self.roles.items()}
        for column, value in cells.items():
            if len(value) > LONGEST_VALUE:
                raise TableError(
                    f"Line {line}, column {self.table.where(column)} has {len(value)} characters; {LONGEST_VALUE} are "
                    "allowed. Shorten it, or take the column out."
                )
        subject = subject_codes.clean(said.get(Role.SUBJECT, ""))
        if len(subject) > subject_codes.LONGEST:
            raise TableError(
                f"Line {line}, column {self.table.where(self.roles[Role.SUBJECT])} has more than "
                f"{subject_codes.LONGEST} characters. Give the person a short code."
            )
        return Row(
            line=line,
            name=said[Role.FILE],
            subject=subject,
            scopes=self._scopes(line, said.get(Role.CONSENT, "")),
            given_on=self._day(line, said.get(Role.CONSENT_DATE, "")),
            source=said.get(Role.CONSENT_SOURCE, ""),
            metadata={
                column: value.replace(",", ".") if column in self.decimal_commas else value
                for column, value in cells.items()
                if column and value
            },
        )

    def _scopes(self, line: int, said: str) -> frozenset[str] | None:
        if not said:
            return None
        try:
            return scopes(said)
        except ValueError as error:
            raise TableError(
                f"Line {line}, column {self.table.where(self.roles[Role.CONSENT])} says {shortened(said)}. "
                f"Write all, none, yes, no, or some of {', '.join(ConsentScope.values)}."
            ) from error

    def _day(self, line: int, said: str) -> date | None:
        if not said:
            return None
        try:
            found = day(said)
        except ValueError as error:
            which = ", which may be two days" if isinstance(error, TwoDaysError) else ""
            raise TableError(
                f"Line {line}, column {self.table.where(self.roles[Role.CONSENT_DATE])} says {shortened(said)}"
                f"{which}. Write the day as 2026-05-31 or 31.05.2026."
            ) from error
        if found > self.last_day:
            raise TableError(
                f"Line {line}, column {self.table.where(self.roles[Role.CONSENT_DATE])} says {shortened(said)}, which "
                "is still to come. Write the day on which it was said."
            )
        return found


@lru_cache(maxsize=1000)
def scopes(said: str) -> frozenset[str]:
    """Return what a text agrees to. Raises ValueError."""
    words = frozenset(re.split(r"[\s,;+/]+", said.casefold().strip()))
    if len(words) == 1 and words <= YES | {EVERYTHING}:
        return SCOPES
    if len(words) == 1 and words <= NO | {NOTHING}:
        return frozenset()
    if words <= SCOPES:
        return words
    raise ValueError


@lru_cache(maxsize=10_000)
def day(said: str) -> date:
    """Return the day that a text names. Raises ValueError, and TwoDaysError where either of two may be meant."""
    if found := DAY.fullmatch(said):
        if found[4]:
            datetime.fromisoformat(said)
        return date(int(found[1]), int(found[2]), int(found[3]))
    if found := GERMAN_DAY.fullmatch(said):
        return date(int(found[3]), int(found[2]), int(found[1]))
    if found := SLASHED_DAY.fullmatch(said):
        first, second, year = (int(part) for part in found.groups())
        if first != second and max(first, second) <= 12:
            raise TwoDaysError
        return date(year, min(first, second), max(first, second))
    raise ValueError


def read(path: Path) -> MetadataTable:
    """Return a file's table of metadata; every row was looked at. Raises TableError."""
    table = spreadsheets.open_table(path, headings=NAMES_A_FILE)
    roles = {role: column for role in Role if (column := _column(table, role))}
    understood = MetadataTable(table, roles)
    names = Counter[str]()
    numbers, with_comma = {column for column in table.columns if column}, set[str]()
    for row in understood:
        names[row.name] += 1
        for column in numbers & row.metadata.keys():
            value = row.metadata[column]
            if not NUMBER.fullmatch(value):
                numbers.discard(column)
            elif "," in value and not MAYBE_THOUSANDS.fullmatch(value):
                with_comma.add(column)
    if not names:
        raise TableError(f"This table has no row below its headings in line {table.heading_line}.")
    return MetadataTable(table, roles, frozenset(numbers & with_comma), names)


def _column(table: Table, role: Role) -> str:
    """Return the column of a role; "" where there is none. Raises TableError where it may be two."""
    for alike in HEADINGS[role]:
        found = [column for column in table.columns if plain(column) in alike.split()]
        if len(found) > 1:
            raise TableError(
                f"Columns {' and '.join(map(table.where, found))} in line {table.heading_line} may both be {role}. "
                "Rename one."
            )
        if found:
            return found[0]
    return _column_of_files(table) if role is Role.FILE else ""


def _column_of_files(table: Table) -> str:
    """Return the column in which most cells end as pictures do, else one called name, else the first."""
    filled, files = Counter[str](), Counter[str]()
    for _, cells in islice(table, LOOKED_AT):
        for column, cell in zip(table.columns, cells, strict=True):
            filled[column] += bool(cell)
            files[column] += any(cell.casefold().endswith(suffix) for suffix in KINDS)
    likely = [column for column in table.columns if column and files[column] * 2 > filled[column]]
    if len(likely) > 1:
        raise TableError(
            f"Columns {' and '.join(map(table.where, likely))} both hold names of pictures. Call the right one file."
        )
    called = [column for column in table.columns if plain(column) == MAYBE_A_FILE]
    return next(column for column in (*likely, *called, *table.columns) if column)
