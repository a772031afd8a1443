"""manage.py audit_blinding STUDY"""

import json
from argparse import ArgumentParser
from dataclasses import asdict, replace
from typing import Any

from django.core.management.base import CommandError

from labeler.blinding_audit import blinding_audit, recordings
from labeler.blinding_audit.blinding_audit import Answer, Finding
from labeler.blinding_audit.recordings import Capture
from labeler.management.study_command import StudyCommand
from labeler.models import Study

HEADINGS = f"{'channel':<10}{'AUC':>7}{'95 % interval':>17}{'p':>9}{'adjusted':>10}  verdict"


class Command(StudyCommand):
    help = (
        "Receive all that the study's readers receive, and try to tell golden images and repeats by it. "
        "Exit status: 0 blind, 1 a leak was found, 2 too few images to say."
    )
    refusals = (recordings.CaptureError,)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--json", action="store_true", help="everything, in full precision")
        about = f"whose lists are looked through (default {recordings.READERS})"
        parser.add_argument("--readers", type=int, default=recordings.READERS, help=about)
        about = f"times that each picture is read in each size (default {recordings.READS})"
        parser.add_argument("--repeats-of-read", type=int, default=recordings.READS, help=about)
        parser.add_argument("--url", default="", help="ask the site that answers here, not the one in this process")

    def handle_study(self, study: Study, **options: Any) -> None:
        if min(options["readers"], options["repeats_of_read"]) < 1:
            raise CommandError("--readers and --repeats-of-read must be 1 or more.")
        capture = recordings.take(
            study=study,
            readers=options["readers"],
            reads=options["repeats_of_read"],
            url=options["url"],
            say=self.stderr.write if options["verbosity"] and not options["json"] else lambda _: None,
        )
        answers = blinding_audit.audit(capture.rows)
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(study, capture, answers), indent=2))
        else:
            self._write(capture, answers)
        _conclude(answers)

    def _write(self, capture: Capture, answers: list[Answer]) -> None:
        self.stdout.write(
            f"{capture.readers} of {capture.readers_in_study} readers, {capture.seen} of {capture.listed} images on "
            f"their lists in {capture.requests} reads; {capture.cards} are still told by the queue, the rest are done; "
            f"{capture.without_file} have no file."
        )
        for answer in answers:
            self.stdout.write(f"\n{answer.question}: {answer.members} images against {answer.others}")
            self.stdout.write(HEADINGS)
            for finding in answer.findings:
                self.stdout.write(_line(finding))
            if answer.reference:
                self.stdout.write(_line(answer.reference, "for comparison: what the photographs themselves tell"))


def _line(finding: Finding, verdict: str = "") -> str:
    verdict = verdict or finding.verdict.value
    if finding.auc is None:
        return f"{finding.channel:<10}  {verdict}: {finding.reason}"
    interval = f"{finding.low:.3f} to {finding.high:.3f}"
    adjusted = "" if finding.adjusted_p is None else f"{finding.adjusted_p:.4f}"
    reason = f" ({finding.reason})" if finding.reason else ""
    return f"{finding.channel:<10}{finding.auc:>7.3f}{interval:>17}{finding.p:>9.4f}{adjusted:>10}  {verdict}{reason}"


def _as_json(study: Study, capture: Capture, answers: list[Answer]) -> dict[str, Any]:
    return {
        "study": study.slug,
        "is_simulated": study.is_simulated,
        "capture": {name: value for name, value in asdict(replace(capture, rows=[])).items() if name != "rows"},
        "answers": [asdict(answer) for answer in answers],
        "status": blinding_audit.exit_status(answers),
    }


def _conclude(answers: list[Answer]) -> None:
    """End with the exit status, and with a sentence where it is not 0."""
    status = blinding_audit.exit_status(answers)
    leaks = [finding for answer in answers for finding in answer.findings if finding.verdict == "leak"]
    if leaks:
        told = ", ".join(f"{leak.question} by {leak.channel} (AUC {leak.auc:.2f})" for leak in leaks)
        raise CommandError(
            f"A reader can tell {told}. Find what differs there before anybody grades.", returncode=status
        )
    if status:
        few = [answer for answer in answers if answer.reference is None]
        counted = ", ".join(f"{answer.question}: {answer.members} against {answer.others}" for answer in few)
        raise CommandError(
            f"Too few images to say whether the study is blind ({counted}); each side needs {blinding_audit.FEWEST}.",
            returncode=status,
        )
