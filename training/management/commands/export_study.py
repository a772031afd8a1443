"""manage.py export_study STUDY FILE.zip"""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from labeler.management.study_command import StudyCommand
from labeler.models import Study
from labeler.record import audit
from training.export import study_zip


class Command(StudyCommand):
    help = "Write one zip: all labels, tables, codebook, reports, and a script that recomputes every printed number."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("file", type=Path, help="the zip to write; a file that is there is not overwritten")
        parser.add_argument(
            "--pseudonyms", action="store_true", help="to pass on: without names of files and people, and metadata"
        )

    def handle_study(self, study: Study, **options: Any) -> None:
        path: Path = options["file"]
        unfinished = path.with_name(f"{path.name}.part")
        if path.exists():
            raise CommandError(f"{path} is there already. Give another name, or remove it first.")
        try:
            with unfinished.open("wb") as file:
                file.writelines(study_zip.stream(study, with_names=not options["pseudonyms"]))
            unfinished.rename(path)
            audit.record(study, None, "exported the study", detail="by command")
        except OSError as error:
            raise CommandError(f"{path} can't be written: {error.strerror}. Check the folder and its space.") from error
        finally:
            unfinished.unlink(missing_ok=True)
        self.stdout.write(f"Wrote {path}, {path.stat().st_size / 1e6:.1f} MB. Unzip it and run: python3 recompute.py")
