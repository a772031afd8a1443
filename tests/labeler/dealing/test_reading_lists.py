"""Where things stand in a list says nothing of what they are."""

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from labeler.dealing import reading_lists
from labeler.record.keyed_draws import Draws

ORDINARY, GOLDEN, REPEATS, LISTS = 56, 40, 20, 200


def auc(chosen: reading_lists.Flags, by: reading_lists.Whole) -> float:
    """Return the chance that one of these has the larger value than one of the others."""
    return float(mannwhitneyu(by[chosen], by[~chosen]).statistic / chosen.sum() / (~chosen).sum())


@pytest.mark.parametrize("kind", ["golden", "repeated"])
def test_over_many_lists_neither_early_nor_middle_places_tell(kind: str) -> None:
    place = np.arange(ORDINARY + GOLDEN + REPEATS)
    middle = np.abs(2 * place - place[-1])
    seen = []
    for seed in range(LISTS):
        drawn = Draws(seed.to_bytes(32))
        images, is_second = reading_lists.arrange(np.arange(ORDINARY), np.arange(ORDINARY, 96), REPEATS, drawn)
        hidden = images >= ORDINARY if kind == "golden" else np.isin(images, images[is_second])
        seen.append([auc(hidden, place), auc(hidden, middle)])
    assert np.abs(np.mean(seen, axis=0) - 0.5).max() < 0.004  # three standard errors


def test_places_fall_one_to_each_part_and_anywhere_in_it() -> None:
    drawn = Draws(bytes(32))
    counts = np.zeros(10)
    for _ in range(3000):
        places = reading_lists.even_places(3, 10, drawn)
        assert len(set(places.tolist())) == 3
        counts[places] += 1
    assert np.abs(counts / 3000 - 0.3).max() < 0.04
