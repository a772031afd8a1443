"""Rolls: extra rows made from each patch, more for rare grades, as the published method made them. [core]

A roll moves the patch circularly, the forehead along x and every other patch along y. Rolls are for training rows only.
"""

from collections.abc import Mapping

FEWEST_ROLLS = 2  # of the commonest grade, beside the unrolled patch


def rolls_per_grade(counts: Mapping[int, int]) -> dict[int, int]:
    """Return grade -> n, the rolls beside the unrolled patch, from grade -> number of training rows.

    Source: the published method (pipeline.md): n = 2 + floor(ratio) - 1 for ratio = largest count / count > 1, else 2.
    """
    largest = max(counts.values())
    return {grade: FEWEST_ROLLS + largest // count - 1 for grade, count in counts.items()}


def offsets(dimension: int, rolls: int) -> tuple[int, ...]:
    """Return the rolls + 1 offsets in pixels, 0 first, evenly over a patch that is `dimension` pixels long."""
    step = dimension // (rolls + 1)
    return tuple(step * n for n in range(rolls + 1))
