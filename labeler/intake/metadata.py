"""Metadata of images: a table joined by file name, once a person has seen what it would write."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum

from django.db import transaction

from labeler.images import consents, subjects
from labeler.intake import known_names
from labeler.intake.file_names import Fault, Match
from labeler.intake.metadata_tables import SCOPES, MetadataTable, Role, Row
from labeler.models import Image, Study, User
from labeler.record import audit

ROWS_AT_ONCE = 2000  # images read and written together
LISTED = 10_000  # rows that were not joined; more are usually one mistake many times
LISTED_PEOPLE = 500  # of each kind
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
    UNSURE = "it is not clear who is meant"


@dataclass(frozen=True)
class Answers:
    """What a person said to the questions of a preview."""

    people: Mapping[str, str] = field(default_factory=dict)  # a code in the table -> whom it means; itself if another
    sent_again: bool = False  # refused files and the ones of their names that came later are the same photographs


@dataclass(frozen=True)
class Question:
    """A code in the table that looks like another person's."""

    line: int
    code: str
    looks_like: tuple[str, ...]


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


@dataclass(frozen=True)
class OfPerson:
    """What becomes of a person's consent, as a sentence, and an image whose page has theirs."""

    subject: str
    what: str
    image: int | None


@dataclass
class People:
    """How many people something happens to, and the first of them."""

    number: int = 0
    first: list[OfPerson] = field(default_factory=list)

    @property
    def more(self) -> int:
        return self.number - len(self.first)


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
    moves: list[str] = field(default_factory=list)
    without_row: int = 0
    consents: Counter[str] = field(default_factory=Counter)  # what is newly agreed to, in words -> people
    refusing: People = field(default_factory=People)  # whose refusal stands in a row without an image
    held_back: People = field(default_factory=People)  # who agree in the table, and refused later
    questions: list[Question] = field(default_factory=list)
    sent_again: int = 0  # rows that wait for the answer to whether files are the same
    refused: list[Refused] = field(default_factory=list)
    not_joined: int = 0
    code: str = ""  # of all that would be written

    def refuse(self, line: int, name: str, why: str) -> None:
        self.not_joined += 1
        if len(self.refused) < LISTED:
            self.refused.append(Refused(line, name, why))


@dataclass
class _Said:
    """What the rows say of a subject's consent: of several rows, what all of them say."""

    scopes: frozenset[str] | None = None  # in rows with a photograph of theirs; None without such a row
    given_on: date | None = None  # the last of their days
    source: str = ""
    limit: frozenset[str] = SCOPES  # what the other rows leave of it
    refuses_now: bool = False  # in a row without a day
    image: int | None = None

    def also(self, scopes: frozenset[str], row: Row, image: int | None) -> None:
        if image is None:
            self.limit &= scopes
        else:
            self.scopes = scopes if self.scopes is None else self.scopes & scopes
            self.image = self.image or image
        if image is not None or scopes < SCOPES:
            self.given_on = max(filter(None, [row.given_on, self.given_on]), default=None)
            self.refuses_now |= row.given_on is None and scopes < SCOPES
            self.source = row.source or self.source


def preview(*, study: Study, table: MetadataTable, answers: Answers | None = None) -> JoinReport:
    """Return what `join` would write. Raises TableError."""
    return _Join(study, table, answers or Answers(), by=None, writes=False).run()


@transaction.atomic
def join(
    *, study: Study, table: MetadataTable, seen: str, answers: Answers | None = None, by: User | None = None
) -> JoinReport:
    """Write what the rows say into the images of their names, if `seen` is the code of its preview.

    Raises TableError, and SeenError where something else would be written than the person saw: then nothing is.
    """
    study = Study.objects.select_for_update(no_key=True).get(pk=study.pk)
    report = _Join(study, table, answers or Answers(), by=by, writes=True).run()
    if report.code != seen:
        raise SeenError("The study or the table has changed since. Nothing was written: look again.", report)
    audit.record(study, by, "metadata joined", detail=f"{report.changed} images changed, {report.rows} rows")
    return report


class _Join:
    """One going through a table. Rows are not kept in memory, but for those that name one image together."""

    def __init__(self, study: Study, table: MetadataTable, answers: Answers, *, by: User | None, writes: bool) -> None:
        self.study, self.table, self.answers, self.by, self.writes = study, table, answers, by, writes
        columns = {role.value: table.table.where(column) for role, column in table.roles.items()}
        self.report = JoinReport(columns=columns, notes=list(_notes(table)))
        self.hash = hashlib.sha256()
        self.said: dict[str, _Said] = defaultdict(_Said)
        self.codes = subjects.Codes(study, answers.people)
        self.asked: dict[str, Question] = {}

    def run(self) -> JoinReport:
        times = self.table.names
        matches = known_names.of_study(self.study, sent_again=self.answers.sent_again).match(times)
        rows_of = Counter[int]()
        for name, many in times.items():
            if (image := matches[name].image) is not None:
                rows_of[image] += many
        self.report.rows = sum(times.values())
        self.report.without_row = self.study.images.filter(is_erased=False).count() - len(rows_of)
        together: dict[int, list[Row]] = defaultdict(list)
        waiting: list[tuple[int, list[Row]]] = []
        for written in self.table:
            match = matches[written.name]
            row = self._of_person(written, match)
            if row is None:
                continue
            if match.image is None:
                self.report.sent_again += match.fault is Fault.RESENT
                self._set_aside(row, match.sentence())
            elif rows_of[match.image] > 1:
                together[match.image].append(row)
            else:
                waiting.append((match.image, [row]))
            if len(waiting) == ROWS_AT_ONCE:
                self._write(waiting, matches)
                waiting = []
        self._write([*waiting, *together.items()], matches)
        self._record_consents()
        self.report.questions = list(self.asked.values())[:LISTED]
        self.report.code = self.hash.hexdigest()[:CODE_DIGITS]
        return self.report

    def _of_person(self, row: Row, match: Match) -> Row | None:
        """Return a row with the code of the person that it means; None where that has to be asked."""
        try:
            meant = self.codes.meant(row.subject)
        except subjects.UnsureError as error:
            self.asked.setdefault(error.code, Question(row.line, error.code, error.looks_like))
            why = match.sentence() if match.image is None else f"{Unjoined.UNSURE}. {error}"
            self.report.refuse(row.line, row.name, why)
            if row.scopes is not None:  # whoever it is: should they refuse, it holds
                for subject in error.looks_like:
                    self.said[subject].also(row.scopes, row, None)
            return None
        return row if meant == row.subject else replace(row, subject=meant)

    def _set_aside(self, row: Row, why: str) -> None:
        self.report.refuse(row.line, row.name, why)
        if row.subject and row.scopes is not None:
            self.said[row.subject].also(row.scopes, row, None)

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
        if before[0] not in {"", image.subject}:
            self.report.moved += 1
            if len(self.report.moves) < EXAMPLES:
                self.report.moves.append(f"{image.source_name}: {before[0]}, then {image.subject}")
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
        if image.subject:
            self.said[image.subject].also(row.scopes or frozenset(), row, image.pk)
        else:
            self.report.refuse(row.line, row.name, f"{Unjoined.WITHOUT_SUBJECT}.")

    def _record_consents(self) -> None:
        """Store new consents, then mark the images of all subjects, since subjects may be new too."""
        before = consents.standings(self.study, self.said)
        for subject, said in sorted(self.said.items()):
            standing = before.get(subject, consents.Standing())
            scopes = self._weighed(subject, said, standing)
            if scopes is None:
                continue
            given_on = None if said.refuses_now and scopes < SCOPES else said.given_on
            self.report.consents[", ".join(sorted(scopes)) or "nothing"] += 1
            self._note_down(subject, sorted(scopes), given_on and given_on.isoformat(), said.source)
            if self.writes:
                consents.write(
                    study=self.study, subject=subject, scopes=scopes, given_on=given_on, source=said.source, by=self.by
                )
        if self.writes:
            consents.apply(self.study)

    def _weighed(self, subject: str, said: _Said, standing: consents.Standing) -> frozenset[str] | None:
        """Return what a subject agrees to from now on; None where the rows say nothing new of it.

        A refusal holds from whatever row it comes. A grant needs a photograph of theirs in its row, and is none of a
        scope that they refused on a later day.
        """
        now = consents.silence(self.study) if standing.scopes is None else standing.scopes
        if said.scopes is None:
            left = now & said.limit
            if left == now and (said.limit or standing.scopes is not None):
                return None
            what = f"does not agree to {_listed(now - left)}" if now - left else "agrees to nothing"
            self._tell_of_person(self.report.refusing, subject, what)
            return left
        wanted = said.scopes & said.limit
        if less := said.scopes - said.limit:
            what = f"does not agree to {_listed(less)}"
            self._tell_of_person(self.report.refusing, subject, what, said.image)
        is_later = said.given_on is not None and (not standing.given_on or said.given_on > standing.given_on)
        if held := standing.held_back(wanted, said.given_on):
            last = max(standing.refused_on[scope] for scope in held)
            row = f"of {said.given_on}" if said.given_on else "without a day"
            what = f"refused {_listed(held)} on {last}; the row {row} does not give it back"
            self._tell_of_person(self.report.held_back, subject, what, said.image)
        return None if wanted - held == standing.scopes and (held or not is_later) else wanted - held

    def _tell_of_person(self, people: People, subject: str, what: str, image: int | None = None) -> None:
        people.number += 1
        if len(people.first) < LISTED_PEOPLE:
            here = self.study.images.filter(subject=subject, is_erased=False).order_by("pk")
            people.first.append(OfPerson(subject, what, image or here.values_list("pk", flat=True).first()))

    def _note_down(self, *written: object) -> None:
        self.hash.update(json.dumps(written, sort_keys=True).encode())


def _listed(scopes: Collection[str]) -> str:
    return ", ".join(sorted(scopes))


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
