"""Score photographs: `manage.py score FILE... --json`."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from scoring import regressors
from scoring.images import ImageError, Selfie
from scoring.models import Regressor
from scoring.pipeline import FittedRegressor, SelfieScore, score_image
from scoring.regressors import ArtefactError, NoActiveRegressor
from scoring.weights import WeightsError


class Command(BaseCommand):
    help = "Score photographs with a study's published regressor, as the API does."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument("--study", help="slug; needed where several studies have a published regressor")
        parser.add_argument("--json", action="store_true", help="one JSON object per file and line")

    def handle(self, *args: Any, **options: Any) -> None:
        del args
        files: list[Path] = options["files"]
        try:
            regressor = _regressor(options["study"])
            failures = sum(not self._score(path, regressor, as_json=options["json"]) for path in files)
        except (NoActiveRegressor, ArtefactError, WeightsError) as error:
            raise CommandError(str(error)) from error
        if failures:
            raise CommandError(f"{failures} of {len(files)} files could not be scored.")

    def _score(self, path: Path, regressor: FittedRegressor, *, as_json: bool) -> bool:
        try:
            result = score_image(Selfie.of(path.read_bytes()), regressor)
        except ImageError as error:
            self.stderr.write(f"{path}: {error}")
            return False
        except OSError as error:
            self.stderr.write(f"{path}: can't be read ({error.strerror}).")
            return False
        self.stdout.write(json.dumps({"file": str(path), **result.as_json()}) if as_json else _sentence(path, result))
        return True


def _regressor(study: str | None) -> FittedRegressor:
    if study:
        return regressors.active(study)
    rows = list(Regressor.objects.filter(is_active=True).order_by("study")[:2])
    if not rows:
        raise NoActiveRegressor("No study has a published regressor yet. Retrain one first.")
    if len(rows) > 1:
        raise NoActiveRegressor("Several studies have a published regressor. Choose one with --study.")
    return regressors.load(rows[0])


def _sentence(path: Path, result: SelfieScore) -> str:
    regions = ", ".join(f"{patch.region} {patch.score:.2f}" for patch in result.patches)
    return f"{path}: score {result.score:.2f}, grade {result.grade} ({result.mode}: {regions})"
