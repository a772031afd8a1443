"""Shrunken RMSE and ranks, against a published meta-analysis and simulated panels."""

import numpy as np
import pytest

from training.statistics import metrics
from training.statistics.reader_models import ranks


def test_the_variance_between_is_that_of_a_published_meta_analysis() -> None:
    # Colditz et al. 1994, BCG vaccine: log risk ratios; DerSimonian and Laird's tau^2 is 0.3088 and the mean -0.7141
    # (Viechtbauer 2010, Journal of Statistical Software 36(3), section 3.1).
    values = [-0.8893, -1.5854, -1.3481, -1.4416, -0.2175, -0.7861, -1.6209]
    values += [0.0120, -0.4694, -1.3713, -0.3394, 0.4459, -0.0173]
    variances = [0.3256, 0.1946, 0.4154, 0.0200, 0.0512, 0.0069, 0.2230, 0.0040, 0.0564, 0.0730, 0.0124, 0.5325, 0.0714]
    middle, between = ranks.moments(np.array(values), np.array(variances))
    assert (middle, between) == pytest.approx((-0.7141, 0.3088), abs=5e-4)


def test_equal_readers_have_nearly_one_rmse_and_any_rank() -> None:
    rng = np.random.default_rng(6)
    grades = rng.normal(3, 1, 40) + rng.normal(0, 0.4, (10, 40))
    rows = ranks.shrink(grades)
    as_counted = [metrics.reader_rmse_leave_one_out(grades, row).known for row in range(10)]
    assert np.ptp([row.rmse.known for row in rows]) < np.ptp(as_counted) / 2
    for row in rows:
        assert row.first is not None
        assert row.last is not None
        assert row.last - row.first >= 5


def test_a_careless_reader_is_the_last_for_sure_and_hardly_shrunken() -> None:
    rng = np.random.default_rng(7)
    sds = np.append(np.linspace(0.3, 0.5, 9), 1.5)[:, None]
    grades = rng.normal(3, 1, 200) + rng.normal(size=(10, 200)) * sds
    last = ranks.shrink(grades)[-1]
    assert (last.first, last.last) == (10, 10)
    assert last.rmse.known == pytest.approx(metrics.reader_rmse_leave_one_out(grades, 9).known, rel=0.02)


def test_who_shares_too_few_images_has_no_rank() -> None:
    rng = np.random.default_rng(8)
    grades = rng.normal(3, 1, 40) + rng.normal(0, 0.4, (5, 40))
    grades[2, 19:] = np.nan
    rows = ranks.shrink(grades)
    assert [row.first is None for row in rows] == [False, False, True, False, False]
    assert max(row.last for row in rows if row.last) <= 4
    assert all(row.first is None for row in ranks.shrink(grades[:2]))
