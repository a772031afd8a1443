"""One worker's part of tests/scoring/test_feature_store.py: python -m tests.scoring.describing PHOTOGRAPH ROLL ..."""

import sys
from pathlib import Path

import django

django.setup()

from scoring import feature_store, recipes  # noqa: E402
from scoring.images import Selfie  # noqa: E402
from scoring.pipeline import Variant  # noqa: E402

photograph, *rolls = sys.argv[1:]
for roll in rolls:
    feature_store.describe(
        Selfie.of(Path(photograph).read_bytes()), recipes.ms2019(), variants={"whole": [Variant(int(roll))]}
    )
