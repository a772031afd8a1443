"""The published geometry, rule by rule, on landmarks and eyes placed by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from scoring.photograph import faces, patches
from scoring.photograph.decoding import decode
from scoring.photograph.eyes import Eye, choose_eye
from scoring.photograph.patches import Box

WIDTH, HEIGHT = 1000, 1200
WHOLE = patches.Patch("whole", (0, 0, WIDTH, HEIGHT))
# A frontal face from x 200 to 800 and y 300 to 1000: FH = 700.
RIGHT_BROW = [(250, 340), (280, 330), (320, 325), (360, 330), (400, 340)]
LEFT_BROW = [(600, 340), (640, 330), (680, 320), (720, 330), (750, 345)]
RIGHT_EYE = [(300, 420), (330, 400), (370, 400), (400, 420), (370, 440), (335, 440)]
LEFT_EYE = [(600, 420), (630, 400), (670, 400), (700, 420), (670, 445), (630, 445)]
MOUTH = [(420, 800), (500, 780), (580, 800), (500, 850)]


def face(**groups: list[tuple[int, int]]) -> NDArray[np.int64]:
    points = np.full((68, 2), (500, 600))
    points[0], points[8], points[16], points[19] = (200, 500), (500, 1000), (800, 500), (320, 300)
    points[48:52], points[52:61], points[61:68] = MOUTH, MOUTH[0], (500, 820)
    for name, start, default in (
        ("right_brow", 17, RIGHT_BROW),
        ("left_brow", 22, LEFT_BROW),
        ("right_eye", 36, RIGHT_EYE),
        ("left_eye", 42, LEFT_EYE),
    ):
        group = groups.get(name, default)
        points[start : start + len(group)] = group
    points[27] = (500, 300)  # the highest point is not a brow, so the face's height does not hang on them
    return points


def boxes(points: NDArray[np.int64], width: int = WIDTH, height: int = HEIGHT) -> dict[str, Box]:
    return {patch.region: patch.box for patch in patches.from_landmarks(points, width, height)}


def test_the_forehead_spans_the_brows_and_rises_three_tenths_of_the_face() -> None:
    assert boxes(face())["forehead"] == (250, 320 - 210, 750, 320)


def test_the_forehead_ends_at_the_top_of_the_image() -> None:
    points = face() - (0, 250)
    assert boxes(points)["forehead"] == (250, 0, 750, 70)


def test_the_chin_lies_between_the_eyes_and_below_the_mouth() -> None:
    assert boxes(face())["chin"] == (400, 850, 600, 1000)


def test_the_chin_ends_at_the_bottom_of_the_image() -> None:
    assert boxes(face(), height=950)["chin"] == (400, 850, 600, 950)


def test_the_right_cheek_ends_at_point_41_and_begins_a_tenth_inside_the_face() -> None:
    # y: 440 + 0.2 * 40 to 1000 - 0.1 * (1000 - 440)
    assert boxes(face())["right_cheek"] == (int(200 + 0.1 * 135), 448, 335, 944)


def test_the_left_cheek_begins_at_point_42_and_ends_a_twentieth_inside_the_face() -> None:
    # y: 445 + 0.2 * 45 to 1000 - 0.1 * (1000 - 445), truncated
    assert boxes(face())["left_cheek"] == (600, 454, 790, 944)


def test_a_face_that_leaves_the_image_is_cut_at_its_edge() -> None:
    points = face() - (300, 0)  # the face box would begin at -100
    assert boxes(points)["right_cheek"] == (int(0.1 * 35), 448, 35, 944)


@pytest.mark.parametrize(
    ("right_width", "left_width", "cheeks"),
    [
        (100, 100, ("right_cheek", "left_cheek")),
        (114, 100, ("right_cheek", "left_cheek")),
        (115, 100, ("right_cheek",)),
        (100, 114, ("right_cheek", "left_cheek")),
        (100, 115, ("left_cheek",)),
        (100, 0, ("right_cheek",)),
    ],
)
def test_a_turned_face_shows_the_cheek_under_its_wider_eye(
    right_width: int, left_width: int, cheeks: tuple[str, ...]
) -> None:
    points = face(right_eye=[(400 - right_width, 420)] + [(400, 420)] * 5, left_eye=[(600, 420)] * 6)
    points[45] = (600 + left_width, 420)
    assert patches.visible_cheeks(points) == cheeks
    assert {region for region in boxes(points) if region.endswith("cheek")} == set(cheeks)


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ((0, 0, 372, 11), "372 x 11 pixels: a side is under 16."),
        ((0, 0, 15, 40), "15 x 40 pixels: a side is under 16."),
        ((0, 0, 372, 40), "372 x 40 pixels: one side is over 8 times the other."),
        ((10, 10, 10, 50), "The box is empty."),
        ((50, 10, 40, 50), "The box is empty."),
        ((0, 0, 16, 128), None),
    ],
)
def test_a_degenerate_box_is_dropped_with_its_reason(box: Box, reason: str | None) -> None:
    assert patches.why_unusable(box) == reason


def test_of_the_eyes_in_the_middle_the_largest_is_taken() -> None:
    small, large, at_the_edge = Eye(300, 400, 60, 60), Eye(500, 400, 80, 80), Eye(99, 400, 140, 140)
    assert choose_eye([small, large, at_the_edge], WIDTH, HEIGHT) == large
    assert choose_eye([Eye(100, 400, 70, 70)], WIDTH, HEIGHT) == Eye(100, 400, 70, 70)
    assert choose_eye([Eye(901, 400, 70, 70)], WIDTH, HEIGHT) is None


def test_an_eye_under_four_hundredths_of_the_image_is_no_eye() -> None:
    assert choose_eye([Eye(500, 400, 40, 40)], WIDTH, HEIGHT) == Eye(500, 400, 40, 40)
    assert choose_eye([Eye(500, 400, 40, 39)], WIDTH, HEIGHT) is None
    assert choose_eye([], WIDTH, HEIGHT) is None


def test_an_eye_too_large_is_cut_to_a_square_on_its_centre() -> None:
    assert choose_eye([Eye(400, 300, 250, 200)], WIDTH, HEIGHT) == Eye(450, 325, 150, 150)
    assert choose_eye([Eye(400, 300, 150, 150)], WIDTH, HEIGHT) == Eye(400, 300, 150, 150)


def one_eye(eye: Eye, cheek: str) -> dict[str, Box]:
    return {patch.region: patch.box for patch in patches.from_eye(eye, cheek, WIDTH, HEIGHT)}


def test_one_eye_that_faces_left_gives_forehead_and_cheek_to_its_right() -> None:
    assert one_eye(Eye(400, 500, 100, 80), "left_cheek") == {
        "forehead": (400, 380, 550, 460),
        "left_cheek": (450, 580, 730, 860),
    }


def test_one_eye_that_faces_right_gives_forehead_and_cheek_to_its_left() -> None:
    assert one_eye(Eye(400, 500, 100, 80), "right_cheek") == {
        "forehead": (250, 380, 550, 460),
        "right_cheek": (120, 580, 450, 860),
    }


def test_one_eye_near_an_edge_gives_boxes_inside_the_image() -> None:
    assert one_eye(Eye(800, 1000, 100, 80), "left_cheek")["left_cheek"] == (850, 1080, 1000, 1200)
    assert one_eye(Eye(100, 500, 100, 80), "right_cheek")["right_cheek"] == (0, 580, 150, 860)


@pytest.mark.parametrize(("y", "has_forehead"), [(96, True), (95, False), (20, False)])
def test_a_forehead_lower_than_seven_tenths_of_the_eye_is_left_out(y: int, *, has_forehead: bool) -> None:
    assert ("forehead" in one_eye(Eye(400, y, 100, 80), "left_cheek")) is has_forehead


@pytest.mark.parametrize(("noisy", "cheek"), [(slice(500, 550), "right_cheek"), (slice(350, 400), "left_cheek")])
def test_the_noisier_side_of_the_eye_is_background(noisy: slice, cheek: str) -> None:
    pixels = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    pixels[580:700, noisy] = np.random.default_rng(1).integers(0, 256, (120, 50, 1))
    assert patches.visible_cheek(pixels, Eye(400, 500, 100, 80)) == cheek


def test_an_eye_at_the_bottom_corner_still_has_a_side() -> None:
    pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    assert patches.visible_cheek(pixels, Eye(900, 1120, 100, 80)) == "left_cheek"


def test_an_image_without_a_face_is_one_patch() -> None:
    layout = patches.lay_out(np.full((300, 200, 3), 128, np.uint8), [])
    assert layout == patches.Layout("whole", (patches.Patch("whole", (0, 0, 200, 300)),))


PLAIN = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)


def test_one_face_is_laid_out_by_its_landmarks() -> None:
    layout = patches.lay_out(PLAIN, [face()])
    assert layout.mode == "landmarks"
    assert {patch.region: patch.box for patch in layout.patches} == boxes(face())
    assert layout.landmarks == tuple((int(x), int(y)) for x, y in face())


def test_several_faces_are_laid_out_as_if_there_were_none() -> None:
    assert patches.lay_out(PLAIN, [face(), face()]) == patches.Layout("whole", (WHOLE,))


def test_a_face_without_a_usable_patch_gives_way_and_stays_on_record() -> None:
    layout = patches.lay_out(PLAIN, [face() // 60])
    assert (layout.mode, layout.patches, layout.landmarks) == ("whole", (WHOLE,), None)
    assert {one.region for one in layout.dropped} == {"forehead", "chin", "right_cheek", "left_cheek"}
    assert all(one.reason for one in layout.dropped)


def test_a_forehead_of_no_height_is_dropped_and_the_rest_used() -> None:
    layout = patches.lay_out(PLAIN, [face() - (0, 315)])  # the brows' top is 5 pixels below the edge
    assert [one.region for one in layout.dropped] == ["forehead"]
    assert {patch.region for patch in layout.patches} == {"chin", "right_cheek", "left_cheek"}


def test_half_a_face_is_laid_out_by_its_eye(selfie_bytes: bytes) -> None:
    pixels = decode(selfie_bytes)
    points = faces.find_landmarks(pixels)[0]
    half = np.ascontiguousarray(pixels[:, : int(points[27, 0])])
    layout = patches.lay_out(half, faces.find_landmarks(half))
    assert layout.mode == "one_eye"
    assert "right_cheek" in {patch.region for patch in layout.patches}


def test_the_same_pixels_give_the_same_layout(selfie_bytes: bytes) -> None:
    first, second = (patches.lay_out(pixels, faces.find_landmarks(pixels)) for pixels in [decode(selfie_bytes)] * 2)
    assert first == second
