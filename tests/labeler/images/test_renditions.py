"""A browser gets the smallest rendition that fills its window, and never an enlarged one."""

import io

import numpy as np
import pytest
from PIL import Image as PillowImage

from labeler.images import renditions


def sizes(width: int, height: int) -> dict[str, tuple[int, int]]:
    made = renditions.render(np.zeros((height, width, 3), np.uint8))
    return {size: PillowImage.open(io.BytesIO(webp)).size for size, webp in made.items()}


def test_a_large_photograph_has_every_size() -> None:
    assert sizes(3000, 4000) == {"1600": (1200, 1600), "2560": (1920, 2560), "full": (3000, 4000)}


def test_a_small_photograph_has_one() -> None:
    assert sizes(900, 1200) == {"full": (900, 1200)}


@pytest.mark.parametrize(
    ("long_side", "asked", "served"),
    [
        (4000, "1600", "1600"),
        (4000, "2560", "2560"),
        (4000, "full", "full"),
        (2000, "1600", "1600"),
        (2000, "2560", "full"),
        (1600, "1600", "full"),
    ],
)
def test_what_is_asked_for_is_served_at_least(long_side: int, asked: str, served: str) -> None:
    assert renditions.smallest_of_at_least(asked, long_side=long_side) == served
