"""Show where a photograph's patches lie: `manage.py patches FILE --json --overlay out.png`."""

import json
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from pydantic import TypeAdapter

from scoring.management.refusing_command import RefusingCommand
from scoring.photograph import faces
from scoring.photograph.decoding import ImageError, decode
from scoring.photograph.patches import Layout
from scoring.regressor import overlays, pipeline
from scoring.regressor.recipes import Geometry
from scoring.weights.weight_files import WeightsError


class Command(RefusingCommand):
    help = "Cut a photograph into patches and say where they lie, in pixels of the upright photograph."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--geometry", choices=[one.value for one in Geometry], default=Geometry.MS2019.value)
        parser.add_argument("--json", action="store_true", help="mode, patches, dropped and landmarks as one object")
        parser.add_argument("--overlay", type=Path, metavar="PNG", help="write the photograph with its patches here")

    def run(self, **options: Any) -> None:
        path: Path = options["file"]
        try:
            pixels = decode(path.read_bytes())
            found = faces.upright(pixels)
            layout = pipeline.lay_out(Geometry(options["geometry"]))(found.pixels, found.faces)
            layout = replace(layout, turn=found.turn)
            if options["overlay"]:
                options["overlay"].write_bytes(overlays.draw(pixels, layout))
        except (ImageError, WeightsError) as error:
            raise CommandError(f"{path}: {error}") from error
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}.") from error
        document = TypeAdapter(Layout).dump_python(layout, mode="json")
        self.stdout.write(json.dumps(document) if options["json"] else _sentence(layout))


def _sentence(layout: Layout) -> str:
    lines = [f"mode {layout.mode}"]
    lines += [f"turned by {90 * layout.turn} degrees clockwise"] if layout.turn else []
    lines += [f"{patch.region} {patch.box}" for patch in layout.patches]
    lines += [f"dropped: {one.region} {one.box} {one.reason}" for one in layout.dropped]
    return "\n".join(lines)
