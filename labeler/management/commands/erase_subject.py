"""manage.py erase_subject STUDY SUBJECT --reason WHY"""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from labeler.management.study_command import StudyCommand
from labeler.models import Erasure, Study
from labeler.privacy import erasing
from scoring.platform import jobs


class Command(StudyCommand):
    help = "Erase a person's photographs and all that was made of them, and print the certificate."
    refusals = (erasing.ErasingError, jobs.JobError, OSError, ValueError)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("subject", nargs="?", help="as the images name the person")
        which.add_argument("--image", type=int, help="of a person who is not known: the number of their image")
        which.add_argument(
            "--certificate", type=Path, help="of an erasure that a restored backup has brought back: erase the same"
        )
        parser.add_argument("--reason", required=True, help="kept in the audit log and on the certificate")

    def handle_study(self, study: Study, **options: Any) -> None:
        asked = _request(study, options)
        erasure = jobs.claim(Erasure, asked.pk)
        if erasure is None:
            raise CommandError(f"A worker does {asked} already. Its page shows the certificate.")
        erasing.erase(erasure)
        self.stdout.write(json.dumps(erasure.certificate, indent=2, ensure_ascii=False))


def _request(study: Study, options: dict[str, Any]) -> Erasure:
    reason = options["reason"]
    if options["subject"]:
        return erasing.request_subject(study=study, subject=options["subject"], reason=reason, by=None)
    if options["image"]:
        chosen = study.images.filter(pk=options["image"])
    else:
        chosen = erasing.named_in(json.loads(options["certificate"].read_text()), study)
    return erasing.request(study=study, images=chosen, reason=reason, by=None)
