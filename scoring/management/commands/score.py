"""Score photographs: `manage.py score FILE... --json --overlay out.png`."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from scoring.management.refusing_command import RefusingCommand
from scoring.models import Regressor
from scoring.photograph.decoding import ImageError, Selfie
from scoring.regressor import overlays, regressors
from scoring.regressor.pipeline import FittedRegressor, SelfieScore, score_image
from scoring.regressor.regressors import ArtefactError, NoActiveRegressor
from scoring.service.score_json import SelfieScoreOut
from scoring.weights.weight_files import WeightsError


class Command(RefusingCommand):
    help = "Score photographs with a study's published regressor, as the API does."
    refusals = (NoActiveRegressor, ArtefactError, WeightsError)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument("--study", help="slug; needed where several studies have a published regressor")
        parser.add_argument("--json", action="store_true", help="one JSON object per file and line")
        parser.add_argument(
            "--overlay",
            type=Path,
            metavar="PNG",
            help="write the photograph here, its regions coloured by their scores",
        )

    def run(self, **options: Any) -> None:
        files: list[Path] = options["files"]
        if options["overlay"] and len(files) > 1:
            raise CommandError("An overlay is of one photograph. Name one file.")
        regressor = _regressor(options["study"])
        failures = sum(not self._score(path, regressor, options) for path in files)
        if failures:
            raise CommandError(f"{failures} of {len(files)} files could not be scored.")

    def _score(self, path: Path, regressor: FittedRegressor, options: dict[str, Any]) -> bool:
        try:
            selfie = Selfie.of(path.read_bytes())
            result = score_image(selfie, regressor)
        except ImageError as error:
            self.stderr.write(f"{path}: {error}")
            return False
        except OSError as error:
            self.stderr.write(f"{path}: can't be read ({error.strerror}).")
            return False
        if options["overlay"]:
            _write(options["overlay"], overlays.draw(selfie.pixels, result, scale=regressor.scale))
        if options["json"]:
            self.stdout.write(json.dumps({"file": str(path), **SelfieScoreOut.of(result).model_dump(mode="json")}))
        else:
            self.stdout.write(_sentence(path, result))
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


def _write(path: Path, picture: bytes) -> None:
    try:
        path.write_bytes(picture)
    except OSError as error:
        raise CommandError(f"{path} can't be written ({error.strerror}).") from error


def _sentence(path: Path, result: SelfieScore) -> str:
    if result.abstains:
        return f"{path}: no score. {' '.join(reason.detail for reason in result.reasons)}"
    regions = ", ".join(f"{patch.region} {patch.score:.2f}" for patch in result.patches)
    between = f" ({result.interval[0]:.2f} to {result.interval[1]:.2f})" if result.interval else ""
    turned = f", turned by {90 * result.turn} degrees clockwise" if result.turn else ""
    return f"{path}: score {result.score:.2f}{between}, grade {result.grade} ({result.mode}{turned}: {regions})"
