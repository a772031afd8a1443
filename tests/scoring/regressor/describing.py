"""One worker of test_feature_store: python -m tests.scoring.regressor.describing PHOTOGRAPH ROLL ..."""

import sys
from pathlib import Path

import django

django.setup()

from scoring.photograph.decoding import Selfie  # noqa: E402
from scoring.regressor import feature_store, recipes  # noqa: E402
from scoring.regressor.pipeline import Variant  # noqa: E402

photograph, *rolls = sys.argv[1:]
for roll in rolls:
    feature_store.describe(
        Selfie.of(Path(photograph).read_bytes()), recipes.ms2019(), variants={"whole": [Variant(int(roll))]}
    )
