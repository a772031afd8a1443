"""manage.py audit_blinding STUDY"""

import json
from argparse import ArgumentParser
from dataclasses import asdict, dataclass, replace
from typing import Any

from django.core.management.base import CommandError

from labeler.blinding_audit import blinding_audit, guesses, reconstruction, recordings, redealing
from labeler.blinding_audit.blinding_audit import Answer, Finding, Verdict
from labeler.blinding_audit.reconstruction import Reconstruction
from labeler.blinding_audit.recordings import Capture
from labeler.blinding_audit.redealing import Inference
from labeler.management.study_command import StudyCommand
from labeler.models import Study

HEADINGS = f"{'channel':<10}{'AUC':>7}{'95 % interval':>17}{'p':>9}{'adjusted':>10}  verdict"


@dataclass(frozen=True)
class Said:
    """All that an audit came to."""

    study: Study
    capture: Capture
    answers: list[Answer]
    reconstruction: Reconstruction
    inferences: list[Inference]

    @property
    def status(self) -> int:
        others = [self.reconstruction.verdict, *(one.verdict for one in self.inferences)]
        return blinding_audit.exit_status(self.answers, others)


class Command(StudyCommand):
    help = (
        "Receive all that the study's readers receive, and try to tell golden images and repeats by it; guess the "
        "secret and deal again; and try to tell what is ordinary by changes of the lists. "
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
        about = f"how many small numbers are tried as what the secret was made of (default {guesses.NUMBERS})"
        parser.add_argument("--numbers", type=int, default=guesses.NUMBERS, help=about)
        parser.add_argument("--url", default="", help="ask the site that answers here, not the one in this process")

    def handle_study(self, study: Study, **options: Any) -> None:
        if min(options["readers"], options["repeats_of_read"]) < 1 or options["numbers"] < 0:
            raise CommandError("--readers and --repeats-of-read must be 1 or more, --numbers 0 or more.")
        capture = recordings.take(
            study=study,
            readers=options["readers"],
            reads=options["repeats_of_read"],
            url=options["url"],
            say=self.stderr.write if options["verbosity"] and not options["json"] else lambda _: None,
        )
        answers = blinding_audit.audit(capture.rows)
        guessed = reconstruction.attack(study, numbers=options["numbers"])
        said = Said(study, capture, answers, guessed, redealing.measure())
        if options["json"]:
            self.stdout.write(json.dumps(_as_json(said), indent=2))
        else:
            self._write(said)
        _conclude(said)

    def _write(self, said: Said) -> None:
        capture = said.capture
        self.stdout.write(
            f"{capture.readers} of {capture.readers_in_study} readers, {capture.seen} of {capture.listed} images on "
            f"their lists in {capture.requests} reads; {capture.cards} are still told by the queue, the rest are done; "
            f"{capture.without_file} have no file."
        )
        for answer in said.answers:
            self.stdout.write(f"\n{answer.question}: {answer.members} images against {answer.others}")
            self.stdout.write(HEADINGS)
            for finding in answer.findings:
                self.stdout.write(_line(finding))
            if answer.reference:
                self.stdout.write(_line(answer.reference, "for comparison: what the photographs themselves tell"))
        self.stdout.write(f"\ndealing again by guessed secrets: {_of_reconstruction(said.reconstruction)}")
        self.stdout.write("\nwhat one reader infers from changes, on a study made for it and taken back")
        self.stdout.write(f"{'change':<18}{'named ordinary':<26}{'images':>7}{'are':>7}{'of all':>8}  verdict")
        for one in said.inferences:
            right = "" if one.precision is None else f"{one.precision:.3f}"
            self.stdout.write(f"{one.change:<18}{one.rule:<26}{one.named:>7}{right:>7}{one.base:>8.3f}  {one.verdict}")


def _of_reconstruction(one: Reconstruction) -> str:
    if one.named is None:
        return f"{one.verdict}: {one.reason}"
    by = f"by {one.found}" if one.found else "by the best of them"
    return (
        f"{one.verdict}; {one.guesses:,} guesses, {by} {one.named:.3f} of the golden places are named "
        f"(one guess by chance {one.chance:.3f}, the best of as many {one.best_by_chance:.3f})"
    )


def _line(finding: Finding, verdict: str = "") -> str:
    verdict = verdict or finding.verdict.value
    if finding.auc is None:
        return f"{finding.channel:<10}  {verdict}: {finding.reason}"
    interval = f"{finding.low:.3f} to {finding.high:.3f}"
    adjusted = "" if finding.adjusted_p is None else f"{finding.adjusted_p:.4f}"
    reason = f" ({finding.reason})" if finding.reason else ""
    return f"{finding.channel:<10}{finding.auc:>7.3f}{interval:>17}{finding.p:>9.4f}{adjusted:>10}  {verdict}{reason}"


def _as_json(said: Said) -> dict[str, Any]:
    capture = asdict(replace(said.capture, rows=[]))
    return {
        "study": said.study.slug,
        "is_simulated": said.study.is_simulated,
        "capture": {name: value for name, value in capture.items() if name != "rows"},
        "answers": [asdict(answer) for answer in said.answers],
        "reconstruction": asdict(said.reconstruction),
        "redealing": [asdict(one) for one in said.inferences],
        "status": said.status,
    }


def _conclude(said: Said) -> None:
    """End with the exit status, and with a sentence where it is not 0."""
    status, answers = said.status, said.answers
    if said.reconstruction.found:
        raise CommandError(
            f"The lists can be dealt again by {said.reconstruction.found}, which names {said.reconstruction.named:.0%} "
            f"of the golden places. Of an earlier release's lists, order the rest anew: manage.py reorder_lists "
            f"{said.study.slug}. Else somebody chose the study's secret: begin the study anew.",
            returncode=status,
        )
    inferred = [one for one in said.inferences if one.verdict == Verdict.LEAK]
    if inferred:
        told = ", ".join(f"{one.change}: {one.rule}" for one in inferred)
        raise CommandError(f"Changes of the lists tell what is ordinary ({told}). Change none.", returncode=status)
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
