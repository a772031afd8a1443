"""All recipes on made selfies, and on selfies whose acne is painted otherwise: what of a margin survives.

    python -m benchmarks.training.recipes [--selfies 150] [--golden 30]

Two studies, each of its own faces and graded by eleven readers at the published RMSE table, go the whole way: made,
imported, dealt, graded, embedded by the network, every recipe fitted, `ms2019` too. The first has the acne of the demo,
on which recipes were developed; the second one is painted by `demo/other_lesions.py`, held out until this.
Last, what the regressor of each says of the other's golden images. All of it is SIMULATED.
"""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import stage
from benchmarks.training.retrain import print_recipes

if TYPE_CHECKING:
    from labeler.models import Study

SEEDS = {"usual": 41, "other": 42}  # no face of one is in the other, nor in the demo (2019)
READERS = 11


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--selfies", type=int, default=150)
    parser.add_argument("--golden", type=int, default=30)
    options = parser.parse_args()
    with stage.installation() as folder:
        studies = {}
        for painter in SEEDS:
            began = time.perf_counter()
            studies[painter] = _make(folder / painter, painter, options.selfies, options.golden)
            _retrain(studies[painter])
            print(f"SIMULATED: {options.selfies} selfies, {options.golden} of them golden; acne painted: {painter}")
            print(f"from the first face to the report: {time.perf_counter() - began:.0f} s\n")
            print_recipes(studies[painter])
        for one, other in (("usual", "other"), ("other", "usual")):
            _print_transfer(studies[one], studies[other])


def _make(folder: Path, painter: str, count: int, golden_size: int) -> "Study":
    """Return a study of made selfies that simulated readers have graded."""
    from demo import selfies, simulated_readers
    from labeler.dealing import folds
    from labeler.golden_set import golden_draw
    from labeler.intake import importing
    from labeler.models import User
    from labeler.studies import studies

    seed = SEEDS[painter]
    made = selfies.make_selfies(folder=folder, count=count, seed=seed, painter=painter)
    study = studies.create(
        slug=painter, title=f"Acne painted: {painter}", is_simulated=True, seed=seed, secret=seed.to_bytes(32)
    )
    for number in range(READERS):
        user, _ = User.objects.get_or_create(username=f"simulated-{number:02d}")
        studies.add_reader(study=study, user=user, is_simulated=True)
    importing.import_folder(study=study, folder=folder, subjects={selfie.file: selfie.subject for selfie in made})
    golden_draw.draw(study=study, size=golden_size)
    folds.deal(study=study)
    study.refresh_from_db()
    simulated_readers.simulate(study=study, made=made)
    return study


def _retrain(study: "Study") -> None:
    from scoring.platform import jobs
    from training.models import TrainingRun
    from training.runs import retrain

    run = jobs.claim(TrainingRun, retrain.request(study=study, fits_ms2019=True).pk)
    if run is None:
        raise SystemExit("The run could not be claimed.")
    retrain.retrain(run)


def _print_transfer(learned: "Study", asked: "Study") -> None:
    """Print what a regressor is off on golden images of the other painter."""
    from scoring.regressor import regressors
    from training.fitting import dataset, model_selection

    row = learned.training_runs.earliest("pk").regressor
    if row is None:
        raise SystemExit(f"Study {learned.slug} has no regressor.")
    golden = dataset.load_graded_images(asked).golden
    target = np.array([np.mean([*image.grades.values()]) for image in golden])
    scores = model_selection.score_golden(golden, regressors.load(row))
    rmse = np.sqrt(np.mean((scores - target) ** 2))
    r = np.corrcoef(scores, target)[0, 1]
    print(f"{row.recipe['name']} learned from {learned.slug}, asked about {asked.slug}: RMSE {rmse:.3f}, r {r:.2f}")


if __name__ == "__main__":
    main()
