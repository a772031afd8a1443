"""The cumulative logit model, against the R package ordinal."""

import numpy as np
import pytest

from tests.training.statistics.reader_models.panels import incomplete
from training.statistics.intervals import Floats
from training.statistics.reader_models import crossed, ordinal
from training.statistics.reader_models.ordinal import Ordinal


def fitted(grades: Floats) -> Ordinal:
    found = ordinal.fit(grades)
    assert isinstance(found, Ordinal), found
    return found


def test_it_says_what_clmm_says() -> None:
    found = fitted(incomplete())
    assert found.thresholds == pytest.approx([-5.144047, -0.749709, 2.045181, 4.878247], abs=5e-4)
    assert [found.of_images, found.of_readers] == pytest.approx([14.86394, 1.85921], rel=1e-4)
    assert found.log_likelihood == pytest.approx(-201.3289, abs=1e-4)
    effects = [one.value for one in found.readers if one.value]
    assert effects == pytest.approx([-1.492337, -0.605943, 0.437075, 1.747763], abs=3e-4)
    sds = [one.sd for one in found.readers if one.value]
    assert sds == pytest.approx([0.5140, 0.5275, 0.5078, 0.5168], abs=1e-4)


def test_only_the_order_of_the_grades_counts() -> None:
    grades = incomplete()
    stretched = np.where(np.isfinite(grades), np.exp(grades), np.nan)
    assert fitted(stretched) == fitted(grades)


def test_where_the_linear_model_can_not_be_fitted_it_says_the_same() -> None:
    alone = incomplete()[:2]
    assert ordinal.fit(alone) == crossed.fit(alone)
    assert "takes too long" in str(ordinal.fit(np.tile(incomplete(), (13, 1))))
