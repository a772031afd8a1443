"""Overlays show what was looked at, and nothing where the machine abstains."""

import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from scoring.photograph.patches import Dropped, Layout, Patch
from scoring.photograph.quality import Quality
from scoring.regressor import overlays
from scoring.regressor.abstention import Reason
from scoring.regressor.pipeline import PatchScore, SelfieScore
from scoring.regressor.score_scale import Scale

GREY = np.full((600, 400, 3), 128, np.uint8)
QUALITY = Quality(exposure=0.5, contrast=0.2, sharpness=-3.0, short_side=400, faces=1, face_size=0.5)
MILD, SEVERE = PatchScore("forehead", (50, 100, 350, 200), 1.0), PatchScore("chin", (100, 400, 300, 500), 5.0)
FIVE = Scale.of_steps(5)
THIN = Dropped("left_cheek", (300, 250, 305, 380), "5 x 130 pixels: a side is under 16.")


def scored(*reasons: Reason) -> SelfieScore:
    return SelfieScore(3.0, 3, None, (MILD, SEVERE), (THIN,), "landmarks", 0, None, QUALITY, reasons, "ms2019", 1)


def opened(png: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB"))


def test_a_region_has_the_colour_of_its_score() -> None:
    picture = opened(overlays.draw(GREY, scored(), scale=FIVE)).astype(int)
    mild, severe = picture[150, 200], picture[450, 200]
    assert mild[1] > mild[0] + 20
    assert severe[0] > severe[1] + 20
    assert (picture[300, 200] == 128).all()


def test_the_colours_follow_the_studys_scale() -> None:
    shifted = PatchScore("chin", MILD.box, 0.0), Scale((0, 1, 2, 3, 4))
    assert overlays.colour_of(MILD, FIVE) == overlays.colour_of(*shifted)
    assert overlays.colour_of(PatchScore("chin", MILD.box, 99.0), FIVE) == overlays.colour_of(SEVERE, FIVE)


def test_where_the_machine_abstains_no_region_is_coloured() -> None:
    picture = opened(overlays.draw(GREY, scored(Reason("blurred", "The photograph is blurred.")), scale=FIVE))
    assert (picture[150, 200] == 128).all()
    assert (picture[450, 200] == 128).all()


def test_a_layout_shows_patches_landmarks_and_what_was_dropped() -> None:
    layout = Layout("landmarks", (Patch("chin", (100, 400, 300, 500)),), (THIN,), ((200, 300),))
    picture = opened(overlays.draw(GREY, layout))
    assert tuple(picture[300, 200]) == overlays.NEUTRAL
    assert tuple(picture[450, 100]) == overlays.NEUTRAL
    assert tuple(picture[320, 300]) == overlays.GREY


def test_a_turned_patch_is_drawn_turned() -> None:
    corners = overlays.corners_of(Patch("chin", (100, 100, 300, 200), 90.0))
    assert corners == pytest.approx(np.array([(250, 50), (250, 250), (150, 250), (150, 50)]))


def test_a_large_photograph_is_shown_smaller_and_a_dropped_box_may_be_inside_out() -> None:
    layout = Layout("whole", (Patch("whole", (0, 0, 3000, 4000)),), (Dropped("chin", (50, 60, 40, 10), "Empty."),))
    assert opened(overlays.draw(np.zeros((4000, 3000, 3), np.uint8), layout)).shape == (1600, 1200, 3)
