"""manage.py import_metadata STUDY TABLE"""

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from labeler.intake import metadata, metadata_tables
from labeler.intake.metadata import Answers, JoinReport
from labeler.management.study_command import StudyCommand
from labeler.models import Study
from labeler.platform.spreadsheets import TableError


class Command(StudyCommand):
    help = (
        "Show what a table (CSV or .xlsx) would write into the images of its file names: metadata, the person in them, "
        "consent. A second call with --seen and the code that the first one shows writes it."
    )
    refusals = (TableError, metadata.SeenError)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", type=Path)
        parser.add_argument("--seen", metavar="CODE", help="the code of what you have seen, and want written")
        parser.add_argument(
            "--person",
            metavar="CODE=WHO",
            action="append",
            default=[],
            help="whom a code in the table means; CODE=CODE is another person than those who are written alike",
        )
        parser.add_argument(
            "--sent-again",
            action="store_true",
            help="files that were refused, and those that came under their names later, are the same photographs",
        )

    def handle_study(self, study: Study, **options: Any) -> None:
        people = dict(said.split("=", 1) for said in options["person"] if "=" in said)
        if len(people) < len(options["person"]):
            raise CommandError("Write each --person once, as CODE=WHO.")
        answers = Answers(people, sent_again=options["sent_again"])
        try:
            table = metadata_tables.read(options["file"])
            report = metadata.preview(study=study, table=table, answers=answers)
            self._tell(report)
            seen = options["seen"] or self._asked(report)
            if not seen:
                self.stdout.write(f"Nothing is written yet. To write it, call this again with --seen {report.code}")
                return
            metadata.join(study=study, table=table, seen=seen, answers=answers)
        except OSError as error:
            raise CommandError(
                f"The file {options['file']} can't be read: {error.strerror}. Check its name and rights."
            ) from error
        self.stdout.write(f"Written: {report.changed} images changed, {report.same} said nothing new.")

    def _asked(self, report: JoinReport) -> str:
        """Ask at a terminal; return the code where the answer is yes."""
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            return ""
        return report.code if input("Write this? [y/N] ").strip().lower() in {"y", "yes"} else ""

    def _tell(self, report: JoinReport) -> None:
        for sentence in _sentences(report):
            self.stdout.write(sentence)
        for row in report.refused:
            self.stderr.write(f"  line {row.line}: {row.name}: {row.why}")
        if report.not_joined > len(report.refused):
            self.stderr.write(f"  and {report.not_joined - len(report.refused)} more.")


def _sentences(report: JoinReport) -> Iterator[str]:
    yield from (f"Column {column} is taken for {role}." for role, column in report.columns.items())
    yield from report.notes
    yield (
        f"{report.rows} rows: {report.exact} by a file's whole name, {report.alike} by a name that is alike, "
        f"{report.not_joined} not joined. {report.changed} images change, {report.same} do not, "
        f"{report.without_row} have no row."
    )
    for example in (*report.examples, *report.alike_examples):
        yield f"  line {example.line}: {example.name} -> {example.image}: {example.says}"
    if report.moved:
        yield f"{report.moved} images get another person than they have now: {'; '.join(report.moves)}."
    for scopes, people in sorted(report.consents.items()):
        yield f"{people} {'person agrees' if people == 1 else 'people agree'} to {scopes}."
    yield from _of_people(report)
    yield from (f"  {name} is the same file as {other}" for name, other in report.same_files)


def _of_people(report: JoinReport) -> Iterator[str]:
    """Yield what becomes of people's consents, and what is asked."""
    for one in report.refusing.first:
        yield f"  {one.subject} {one.what}, whichever photograph the row is of."
    for one in report.held_back.first:
        yield f"  {one.subject} {one.what}. Write a later day, or record it on the page of the person."
    if more := report.refusing.more + report.held_back.more:
        yield f"  and the same of {more} more people."
    for question in report.questions:
        yield (
            f"  line {question.line}: is {question.code} {' or '.join(question.looks_like)}? "
            f"Say so with --person {question.code}=WHO; {question.code}={question.code} is another person."
        )
    if report.sent_again:
        yield (
            f"{report.sent_again} rows name a file that was refused before one of its name came. "
            "If each is the same photograph, say so with --sent-again."
        )
