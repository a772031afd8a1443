"""manage.py json_schema report|score"""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from labeler.platform import typed_json
from scoring.service.score_json import SelfieScoreOut
from training.reports.contents import StudyReport

SCHEMAS = {
    "report": lambda: typed_json.schema(StudyReport),
    "score": lambda: SelfieScoreOut.model_json_schema(mode="serialization"),
}


class Command(BaseCommand):
    help = "Print the JSON schema of a study's report, or of a score."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", choices=SCHEMAS)

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        self.stdout.write(json.dumps(SCHEMAS[options["name"]](), indent=2))
