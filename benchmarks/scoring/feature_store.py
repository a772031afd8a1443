"""How long reading the stored embeddings of 1,000 images takes, 4 patches each, as they are, rolled and mirrored.

    python -m benchmarks.scoring.feature_store [--images 1000] [--rolls 12]

The embeddings are SIMULATED: random numbers, written and read by the store itself in a temporary folder. Each reading
is verified. The page cache holds what was just written, so a disk's or an object store's own time comes on top.
"""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import stage

if TYPE_CHECKING:
    from scoring.regressor.pipeline import Described

REGIONS = ("forehead", "right_cheek", "left_cheek", "chin")
ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--rolls", type=int, default=12, help="beside the patch as it is; each also mirrored")
    options = parser.parse_args()
    with stage.installation():
        _measure(options.images, options.rolls)


def _measure(images: int, rolls: int) -> None:
    from django.core.files.storage import default_storage

    from scoring.photograph.decoding import Selfie
    from scoring.platform import blobs
    from scoring.regressor import feature_store, recipes

    recipe = recipes.ms2019()
    selfies = [Selfie.of(bytes([number % 256, number // 256])) for number in range(images)]
    start = time.perf_counter()
    for number, selfie in enumerate(selfies):
        blobs.write(feature_store.storage_name(selfie, recipe), feature_store._pack(_make(number, rolls)))
    written = time.perf_counter() - start
    size = sum(path.stat().st_size for path in Path(default_storage.path("features")).rglob("*") if path.is_file())
    print(f"SIMULATED: {images:,} images, {len(REGIONS)} patches, {2 * (rolls + 1)} variants each: {size / 1e6:.0f} MB")
    print(f"written in {written:.1f} s")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        rows = sum(len(known.embeddings) for known in feature_store.read_many(selfies, recipe) if known)
        print(f"{rows:,} embeddings read and verified in {time.perf_counter() - start:.1f} s")


def _make(seed: int, rolls: int) -> "Described":
    from scoring.photograph.patches import Layout, Patch
    from scoring.photograph.quality import Quality
    from scoring.regressor.pipeline import Described, Variant

    layout = Layout("landmarks", tuple(Patch(region, (0, 0, 400, 300)) for region in REGIONS))
    quality = Quality(exposure=0.5, contrast=0.2, sharpness=-3.0, short_side=3000, faces=1, face_size=0.5)
    variants = [Variant(20 * roll, flipped) for roll in range(rolls + 1) for flipped in (False, True)]
    rows = np.random.default_rng(seed).random((len(REGIONS), len(variants), 2048), np.float32).astype(np.float16)
    keys = ((region, variant) for region in REGIONS for variant in variants)
    return Described(layout, quality, dict(zip(keys, rows.reshape(-1, 2048), strict=True)))


if __name__ == "__main__":
    main()
