"""manage.py deal_folds STUDY"""

from argparse import ArgumentParser
from typing import Any

from labeler.dealing import folds, proof_sheet
from labeler.dealing.folds import Design
from labeler.dealing.proof_sheet import Proof
from labeler.management import progress_bar
from labeler.management.study_command import StudyCommand
from labeler.models import Study


class Command(StudyCommand):
    help = "Deal every reader a fold of the ordinary images with the golden set hidden in it. Once per study."
    refusals = (folds.DealError,)

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--repeats", type=int, default=0, help="images that each reader reads twice")
        parser.add_argument("--gap", type=int, help="least number of places between the two (default: a twentieth)")
        parser.add_argument("--overlap", type=int, default=0, help="ordinary images that several readers read")
        parser.add_argument("--readers-each", type=int, default=2, help="how many read each of these (default: 2)")
        parser.add_argument("--by", default="", help="spread this kind of image evenly: a column of the metadata")
        parser.add_argument("--preview", action="store_true", help="print the proof sheet and deal nothing")

    def handle_study(self, study: Study, **options: Any) -> None:
        names = ("repeats", "gap", "overlap", "readers_each", "by")
        design = Design(**{name: options[name] for name in names})
        if options["preview"]:
            plan = folds.plan(study, design)
        else:
            with progress_bar.shown("Lists") as on_list:
                plan = folds.deal(study=study, design=design, on_list=on_list)
        self._print(proof_sheet.proof(plan))
        self.stdout.write("Nothing is dealt: this was a preview." if options["preview"] else "Dealt.")

    def _print(self, sheet: Proof) -> None:
        for one in sheet.lists:
            gap = "" if one.smallest_gap is None else f", at least {one.smallest_gap} places between two readings"
            self.stdout.write(
                f"{one.code}: {one.ordinary} ordinary + {one.golden} golden images + {one.repeats} repeats{gap}; "
                f"golden in each third {one.golden_thirds}, longest run {one.longest_golden_run}"
            )
        for stratum in sheet.strata:
            self.stdout.write(f"{stratum.name}: {stratum.images} images, {stratum.fewest} to {stratum.most} a reader")
        if sheet.shared:
            self.stdout.write("Two readers share {} to {} ordinary images".format(*sheet.shared))
        self.stdout.write(
            f"{sheet.left} images found no reader; {sheet.sidelined} are left aside beside the golden set. "
            f"Lists {sheet.digest}"
        )
