"""Our own geometry: along the line between the eyes, symmetric, skin only."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from scoring.photograph import patches, upright_patches
from scoring.photograph.decoding import Pixels
from scoring.photograph.patches import Layout
from tests.scoring.photograph.test_patches import face

SKIN = (200, 150, 130)
HAIR = (40, 30, 25)
Points = NDArray[np.int64]


def symmetric() -> Points:
    """Return a face that is its own mirror image about x = 500; the eyes are 300 apart and 420 high."""
    points = face(
        right_brow=[(250, 340), (280, 330), (320, 325), (360, 330), (400, 340)],
        left_brow=[(600, 340), (640, 330), (680, 325), (720, 330), (750, 340)],
        left_eye=[(600, 420), (630, 400), (665, 400), (700, 420), (665, 440), (630, 440)],
        right_eye=[(300, 420), (335, 400), (370, 400), (400, 420), (370, 440), (335, 440)],
    )
    points[:17] = [(500 + 300 * np.cos(a), 420 + 580 * np.sin(a)) for a in np.linspace(np.pi, 0, 17)]
    points[27:31] = [(500, 430), (500, 480), (500, 540), (500, 600)]
    points[31:36] = [(430, 640), (465, 650), (500, 660), (535, 650), (570, 640)]
    points[48:68] = [(500, 800)]
    points[48], points[54], points[57] = (400, 790), (600, 790), (500, 850)
    return points


def skin(height: int = 1200, width: int = 1000) -> Pixels:
    return np.full((height, width, 3), SKIN, np.uint8)


def lay_out(pixels: Pixels, points: Points) -> Layout:
    return upright_patches.lay_out(pixels, [points])


def turned(points: Points, degrees: float) -> Points:
    matrix = cv2.getRotationMatrix2D((500, 600), -degrees, 1)
    return np.round(points @ matrix[:, :2].T + matrix[:, 2]).astype(np.int64)


def test_the_cheeks_are_mirror_images() -> None:
    boxes = {patch.region: patch.box for patch in lay_out(skin(), symmetric()).patches}
    assert set(boxes) == {"forehead", "chin", "right_cheek", "left_cheek"}
    x_min, y_min, x_max, y_max = boxes["right_cheek"]
    assert boxes["left_cheek"] == pytest.approx((1000 - x_max, y_min, 1000 - x_min, y_max), abs=2)


def test_no_cheek_reaches_past_the_jaw_or_below_the_mouth() -> None:
    points = symmetric()
    x_min, y_min, _, y_max = next(p.box for p in lay_out(skin(), points).patches if p.region == "right_cheek")
    jaw = np.interp([y_min, y_max], points[:9, 1], points[:9, 0])
    assert x_min > jaw.max()
    assert points[41, 1] < y_min < y_max <= points[48, 1]


@pytest.mark.parametrize("degrees", [-25, -8, 12, 30])
def test_a_turned_head_gives_the_same_crops(degrees: float) -> None:
    straight = {patch.region: patch for patch in lay_out(skin(), symmetric()).patches}
    layout = lay_out(skin(), turned(symmetric(), degrees))
    assert {patch.region for patch in layout.patches} == set(straight)
    for patch in layout.patches:
        x_min, y_min, x_max, y_max = patch.box
        left, top, right, bottom = straight[patch.region].box
        assert patch.turn == pytest.approx(degrees, abs=0.5)
        assert (x_max - x_min, y_max - y_min) == pytest.approx((right - left, bottom - top), abs=5)


def test_a_turned_patch_is_cut_out_upright() -> None:
    pixels = np.zeros((400, 400, 3), np.uint8)
    corners = cv2.boxPoints(((200, 200), (120, 60), 20))
    cv2.fillConvexPoly(pixels, np.round(corners).astype(np.int32), (255, 255, 255))
    crop = patches.Patch("chin", (140, 170, 260, 230), 20).crop(pixels)
    assert crop.shape == (60, 120, 3)
    assert crop.mean() > 250
    assert patches.Patch("chin", (140, 170, 260, 230)).crop(pixels).mean() < 230


def test_the_forehead_ends_below_the_hair() -> None:
    plain = next(patch.box for patch in lay_out(skin(), symmetric()).patches if patch.region == "forehead")
    pixels = skin()
    pixels[: plain[1] + 60] = HAIR
    cut = next(patch.box for patch in lay_out(pixels, symmetric()).patches if patch.region == "forehead")
    assert cut[1] == pytest.approx(plain[1] + 60, abs=8)
    assert (cut[0], cut[2], cut[3]) == pytest.approx((plain[0], plain[2], plain[3]), abs=1)


def test_a_beard_is_no_skin() -> None:
    pixels = skin()
    pixels[860:] = HAIR
    layout = lay_out(pixels, symmetric())
    (dropped,) = layout.dropped
    assert dropped.region == "chin"
    assert dropped.reason.endswith("of it looks like this face's skin.")


def test_acne_is_skin() -> None:
    pixels = skin()
    for x, y in np.random.default_rng(2).integers(250, 950, (300, 2)):
        cv2.circle(pixels, (int(x), int(y)), 12, (190, 110, 100), -1)
    assert lay_out(pixels, symmetric()).dropped == ()


def test_what_lies_beyond_the_edge_is_dropped() -> None:
    layout = lay_out(skin(), symmetric() - (380, 0))
    assert [one.region for one in layout.dropped if "beyond the edge" in one.reason] == ["forehead", "right_cheek"]
    assert all(0 <= patch.box[0] < patch.box[2] <= 1000 for patch in layout.patches)


def test_a_turned_face_has_one_cheek() -> None:
    points = symmetric()
    points[42:48, 0] = (600, 620, 640, 660, 640, 620)
    assert "left_cheek" not in {patch.region for patch in lay_out(skin(), points).patches}


def test_without_a_face_it_is_the_published_fallback() -> None:
    noise = np.random.default_rng(3).integers(0, 256, (300, 200, 3), dtype=np.uint8)
    assert upright_patches.lay_out(noise, []) == patches.lay_out(noise, [])
